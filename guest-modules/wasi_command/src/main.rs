//! A program, not a library: the host starts it and waits for its exit code. Says what it was given
//! on its standard output, and exits with the code in the variable `EXIT_CODE`.

use std::env;
use std::io::{self, Read as _};
use std::process::ExitCode;

fn main() -> ExitCode {
    for argument in env::args().skip(1) {
        println!("argument {argument}");
    }
    let mut variables: Vec<(String, String)> = env::vars().collect();
    variables.sort();
    for (name, value) in variables {
        println!("variable {name}={value}");
    }
    let mut input = String::new();
    match io::stdin().read_to_string(&mut input) {
        Ok(_) => input.lines().for_each(|line| println!("input {line}")),
        Err(error) => eprintln!("failed to read the standard input: {error}"),
    }
    let code = env::var("EXIT_CODE").ok().and_then(|code| code.parse::<u8>().ok());
    code.map_or(ExitCode::SUCCESS, ExitCode::from)
}
