//! Writes the results of a project that does not exist, for looking at reports and measuring
//! how they scale.
//!
//! ```text
//! cargo run -p bench-analyzer --example made_up_project -- 2000 200 > made-up.csv
//! bench-analyzer --db made-up.db import made-up.csv
//! bench-analyzer --db made-up.db baseline set main run:191 run:192 run:193 run:194 run:195
//! bench-analyzer --db made-up.db report --no-import --baseline main --output made-up.html
//! ```

mod project;

use std::io::{self, Write};

use project::Project;

fn main() -> io::Result<()> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let (Some(Ok(benchmarks)), Some(Ok(runs)), None) =
        (numbers.next(), numbers.next(), numbers.next())
    else {
        return Err(io::Error::other("usage: made_up_project BENCHMARKS RUNS"));
    };
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    Project { benchmarks, runs }.write(&mut stdout)?;
    stdout.flush()
}
