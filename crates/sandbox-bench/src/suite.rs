//! The entry point of a bench target.

use std::time::SystemTime;

use camino::Utf8PathBuf;
use criterion::Criterion;

use crate::resources;

/// Runs the groups of a bench target with Criterion's command line, and stores what they used of the machine.
pub fn run(groups: &[fn(&mut Criterion)]) {
    let started = SystemTime::now();
    let mut criterion = Criterion::default().configure_from_args();
    for group in groups {
        group(&mut criterion);
    }
    criterion.final_summary();
    let collected = resources::take_collected();
    if collected.is_empty() {
        return;
    }
    // In test mode Criterion runs each benchmark once and stores nothing.
    let Some(root) = criterion_root() else { return };
    if let Err(error) = resources::write_beside_criterion(&root, started, &collected) {
        eprintln!("warning: {error}");
    }
}

/// Ends the benchmark process because what it was to measure does not work.
pub fn give_up(error: &dyn std::error::Error) -> ! {
    eprintln!("error: {error}");
    std::process::exit(1);
}

/// Where Criterion writes, by its own rules, if it has written anything there.
fn criterion_root() -> Option<Utf8PathBuf> {
    let variable = |name| std::env::var(name).ok().map(Utf8PathBuf::from);
    let root = variable("CRITERION_HOME")
        .or_else(|| variable("CARGO_TARGET_DIR").map(|target| target.join("criterion")))
        .or_else(target_of_this_program)?;
    root.is_dir().then_some(root)
}

/// `criterion` in the target folder, which is the one above the profile's that this program lies in.
fn target_of_this_program() -> Option<Utf8PathBuf> {
    let program = Utf8PathBuf::from_path_buf(std::env::current_exe().ok()?).ok()?;
    let deps = program.parent()?;
    Some(deps.parent()?.parent()?.join("criterion"))
}
