//! What a gate makes of benchmarks that all moved together, and of what is counted.

use std::time::Duration;

use crate::workspace::Workspace;

const RUNS: usize = 5;
const BENCHMARKS: usize = 8;

/// The order in which both sides were measured.
#[derive(Clone, Copy)]
enum Order {
    InTurns,
    OneAfterTheOther,
}

/// Runs of eight benchmarks, of which those from `kept` on got slower by two fifths, imported as the
/// baseline `base` and the latest results.
fn everything_slower(order: Order, kept: usize) -> Workspace {
    let workspace = Workspace::new();
    let mut folders = [Vec::new(), Vec::new()];
    for run in 0..RUNS {
        for (side, name) in ["base", "head"].into_iter().enumerate() {
            let place = match order {
                Order::InTurns => 2 * run + side,
                Order::OneAfterTheOther => run + RUNS * side,
            };
            let age = Duration::from_secs(60 * (2 * RUNS - place) as u64);
            let folder = format!("runs/{name}/{run}");
            let criterion = workspace.criterion_at(&folder);
            for benchmark in 0..BENCHMARKS {
                let factor = if side == 1 && benchmark >= kept { 1.4 } else { 1.0 };
                let wobble = 1.0 + ((run * 7 + benchmark * 3 + side * 5) % 11) as f64 / 1000.0;
                let name = format!("group/b{benchmark}");
                criterion.save(&name, "new", 1000.0 * factor * wobble, run + benchmark + side);
                criterion.age(&name, "new", age);
            }
            folders[side].push(folder);
        }
    }
    let import = |arguments: &[&str], folders: &[String]| {
        let folders = folders.iter().map(String::as_str);
        workspace.run(&arguments.iter().copied().chain(folders).collect::<Vec<_>>(), 0);
    };
    import(&["import", "--baseline", "base"], &folders[0]);
    import(&["import"], &folders[1]);
    workspace
}

const GATE: [&str; 6] = ["report", "--no-import", "--baseline", "base", "--fail-on", "regression"];

#[test]
fn everything_slower_in_turns_fails_the_gate() {
    let finished = everything_slower(Order::InTurns, 0).run(&GATE, 1);
    assert!(finished.stdout.contains("8 slower (worst: "), "{}", finished.stdout);
    assert!(
        finished.stdout.contains("measured in turns, so it is the code"),
        "{}",
        finished.stdout
    );
}

#[test]
fn everything_slower_not_in_turns_has_an_exit_code_of_its_own_and_advice() {
    let workspace = everything_slower(Order::OneAfterTheOther, 0);
    let finished = workspace.run(&GATE, 4);
    assert!(finished.stderr.contains("8 benchmarks could not be judged"), "{}", finished.stderr);
    assert!(finished.stderr.contains("--control"), "{}", finished.stderr);
    assert!(
        finished.stdout.contains("could not be judged: machine or code"),
        "{}",
        finished.stdout
    );
    // Without a gate it is told, and fails nothing.
    workspace.run(&GATE[..4], 0);
}

#[test]
fn a_control_that_stayed_settles_it() {
    let workspace = everything_slower(Order::OneAfterTheOther, 1);
    workspace.run(&GATE, 4);
    let with_control: Vec<&str> = GATE.into_iter().chain(["--control", "group/b0"]).collect();
    let finished = workspace.run(&with_control, 1);
    assert!(finished.stdout.contains("7 slower (worst: "), "{}", finished.stdout);
    let configure = |text: &str| {
        std::fs::write(workspace.path().join("bench-analyzer.toml"), text).unwrap();
    };
    configure("controls = [\"*/b0\"]\n");
    let finished = workspace.run(&GATE, 1);
    assert!(!finished.stderr.contains("references"), "{}", finished.stderr);
    // What it was called before is read, and said.
    configure("references = [\"*/b0\"]\n");
    let finished = workspace.run(&GATE, 1);
    assert!(
        finished.stderr.contains("`references` is called `controls` now"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_count_that_grew_fails_the_gate_after_one_run_a_side() {
    let workspace = Workspace::new();
    let csv = |name: &str, instructions: u32| {
        let text =
            format!("benchmark,metric,unit,value\nparse,instructions,count,{instructions}\n");
        std::fs::write(workspace.path().join(name), text).unwrap();
    };
    csv("old.csv", 10_000);
    csv("new.csv", 11_000);
    workspace.run(&["import", "--baseline", "base", "old.csv"], 0);
    workspace.run(&["import", "new.csv"], 0);
    let finished = workspace.run(&GATE, 1);
    assert!(finished.stdout.contains("exact"), "{}", finished.stdout);
}

#[test]
fn the_report_says_how_much_of_its_list_may_be_false() {
    let workspace = everything_slower(Order::InTurns, 7);
    let report = |arguments: &[&str]| {
        let arguments: Vec<&str> =
            GATE[..4].iter().copied().chain(arguments.iter().copied()).collect();
        workspace.run(&arguments, 0).stdout
    };
    assert!(report(&[]).contains("at most 10% of the changes listed are false"));
    let planned = report(&["--fdr", "0.05", "--planned-runs", "5"]);
    assert!(planned.contains("at most 5% of the changes listed are false"), "{planned}");
    assert!(planned.contains("after the 5 runs a side that were planned"), "{planned}");
}
