//! Writes the seeds of a target to a folder, a file each: `seeds TARGET FOLDER`. Without arguments, lists the targets with
//! what each tries to break.

use std::path::Path;
use std::process::ExitCode;

// Counters of branches end in it.
use libfuzzer_sys as _;
use sandbox_fuzz::{TARGETS, target};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, folder] = &arguments[..] else {
        for target in &TARGETS {
            println!("{:15} {}", target.name, target.promise);
        }
        return if arguments.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    };
    let Some(target) = target(name) else {
        eprintln!("error: there is no target `{name}`");
        return ExitCode::FAILURE;
    };
    for (number, seed) in (target.seeds)().iter().enumerate() {
        if let Err(error) =
            std::fs::write(Path::new(folder).join(format!("seed-{number:03}")), seed)
        {
            eprintln!("error: failed to write a seed to {folder}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
