//! Standard input to standard output, through [`thumbnail::run`].

use std::error::Error;
use std::io::{self, Read as _, Write as _};

fn main() -> Result<(), Box<dyn Error>> {
    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input)?;
    io::stdout().write_all(&thumbnail::run(&input)?)?;
    Ok(())
}
