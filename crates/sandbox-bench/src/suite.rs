//! The entry point of a bench target.

mod html;

use std::collections::BTreeMap;
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};
use criterion::Criterion;

use crate::figures::{self, Figure, Value};
use crate::resources::{self, Resources};

/// Runs the groups of a bench target with Criterion's command line, and stores what they used of the machine and
/// how they compare with each other.
///
/// Beside Criterion's arguments this understands `--output-format html`: Criterion's own output, and the
/// analyzer's report as a page.
pub fn run(target: &str, groups: &[fn(&mut Criterion)], figures: &[Figure]) {
    if html::is_wanted() {
        html::run(criterion_root);
        return;
    }
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
        warn(&error);
    }
    match compare(&root, started, target, figures) {
        Ok(values) => show(&collected, &values),
        Err(error) => warn(&error),
    }
}

/// Ends the benchmark process because what it was to measure does not work.
pub fn give_up(error: &dyn std::error::Error) -> ! {
    eprintln!("error: {}", with_causes(error));
    std::process::exit(1);
}

/// The value of an operation without which there is nothing to measure.
pub fn expect<T, E: std::error::Error>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| give_up(&error))
}

fn warn(error: &dyn std::error::Error) {
    eprintln!("warning: {}", with_causes(error));
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Computes what can be computed from what was measured, and keeps it.
fn compare(
    root: &Utf8Path,
    started: SystemTime,
    target: &str,
    figures: &[Figure],
) -> Result<Vec<Value>, figures::FiguresError> {
    let medians = figures::medians(root, started)?;
    let values: Vec<Value> = figures.iter().filter_map(|figure| figure.value(&medians)).collect();
    if !values.is_empty() {
        figures::write(root, target, &values)?;
    }
    Ok(values)
}

fn show(collected: &BTreeMap<String, Resources>, values: &[Value]) {
    for (full_id, resources) in collected {
        if let Some(percentiles) = &resources.percentiles {
            println!("{full_id}: {percentiles}");
        }
    }
    if !values.is_empty() {
        println!("Compared with each other, by their medians in this run:");
        values.iter().for_each(|value| println!("  {value}"));
    }
}

/// Where Criterion writes, by its own rules, if it has written anything there.
fn criterion_root() -> Option<Utf8PathBuf> {
    let variable = |name| std::env::var(name).ok().map(Utf8PathBuf::from);
    let root = variable("CRITERION_HOME")
        .or_else(|| variable("CARGO_TARGET_DIR").map(|target| target.join("criterion")))
        .or_else(|| Some(target_folder()?.join("criterion")))?;
    root.is_dir().then_some(root)
}

/// The target folder that this program lies in: the one above its profile's.
fn target_folder() -> Option<Utf8PathBuf> {
    Some(profile_folder()?.parent()?.to_owned())
}

/// The folder of the profile that this program was compiled with, in which programs lie.
fn profile_folder() -> Option<Utf8PathBuf> {
    let program = Utf8PathBuf::from_path_buf(std::env::current_exe().ok()?).ok()?;
    Some(program.parent()?.parent()?.to_owned())
}
