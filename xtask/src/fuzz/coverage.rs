//! Compiling with counters at each branch, by which libFuzzer knows what an input reaches.
//!
//! Cargo starts this program instead of the compiler (`RUSTC_WRAPPER`), and it starts the compiler, with more options if the crate is
//! one that is searched. Only those: with counters in it, the compiler for guests would be several times slower, and what
//! branches there are in it is not of interest.

use std::env;
use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

/// Says that this program is started in place of the compiler.
const VARIABLE: &str = "WASM_SANDBOX_COUNT_BRANCHES";

/// Crates that get counters.
const COUNTED: [&str; 5] =
    ["bench_analyzer", "bench_stats", "sandbox_core", "sandbox_fuzz", "wasmparser"];

/// Options of the compiler, all of them stable.
const OPTIONS: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

/// Has a build compile with counters.
pub(crate) fn set_up(build: &mut Command) -> Result<()> {
    let this = env::current_exe().context("failed to find this program")?;
    build.env("RUSTC_WRAPPER", this).env(VARIABLE, "1").env("CARGO_INCREMENTAL", "0");
    Ok(())
}

/// Does the compiler's work, if that is what this program was started for.
pub(crate) fn as_compiler() -> Option<ExitCode> {
    env::var_os(VARIABLE)?;
    let mut arguments = env::args_os().skip(1);
    let mut compiler = Command::new(arguments.next()?);
    let arguments: Vec<OsString> = arguments.collect();
    compiler.args(&arguments);
    if is_counted(&arguments) {
        compiler.args(OPTIONS);
    }
    Some(match compiler.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!(
                "error: failed to start {}: {error}",
                compiler.get_program().to_string_lossy()
            );
            ExitCode::FAILURE
        }
    })
}

fn is_counted(arguments: &[OsString]) -> bool {
    let name = arguments.windows(2).find(|pair| pair[0] == "--crate-name").map(|pair| &pair[1]);
    name.is_some_and(|name| COUNTED.iter().any(|counted| name == counted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_crates_that_are_searched_get_counters() {
        let of = |name: &str| ["--crate-name", name, "--edition=2024"].map(OsString::from);
        assert!(is_counted(&of("sandbox_core")));
        assert!(!is_counted(&of("cranelift_codegen")));
        assert!(!is_counted(&[OsString::from("-vV")]));
    }
}
