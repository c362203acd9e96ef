//! Configuration, filters, and the commands that look after the rest.

use crate::workspace::Workspace;

/// Five replicate runs a side of three benchmarks that all got 4% slower.
fn slower() -> Workspace {
    let workspace = Workspace::new();
    for index in 0..5 {
        let wobble = 1.0 + index as f64 / 2000.0;
        for (side, factor) in [("old", 1.0), ("new", 1.04)] {
            let folder = workspace.criterion_at(&format!("{side}{index}"));
            for benchmark in ["core/a", "core/b", "extra/c"] {
                folder.save(benchmark, "new", 1000.0 * wobble * factor, index);
            }
        }
    }
    let import = ["import", "--baseline", "main", "old0", "old1", "old2", "old3", "old4"];
    workspace.run(&import, 0);
    workspace.run(&["import", "new0", "new1", "new2", "new3", "new4"], 0);
    workspace
}

fn regressions(workspace: &Workspace, more: &[&str]) -> Vec<String> {
    let arguments = [&["report", "--baseline", "main", "--format", "json"], more].concat();
    let report = workspace.run(&arguments, 0).json();
    let names = report["regressions"].as_array().unwrap().iter();
    let mut names: Vec<String> =
        names.map(|one| one["test_name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn configuration_sets_thresholds_for_all_and_for_some() {
    let workspace = slower();
    assert_eq!(regressions(&workspace, &[]), ["core/a", "core/b", "extra/c"]);
    let path = workspace.path().join("bench-analyzer.toml");
    std::fs::write(&path, "[[benchmark]]\nname = \"core/*\"\nthreshold = 0.1\n").unwrap();
    assert_eq!(regressions(&workspace, &[]), ["extra/c"]);
    assert_eq!(regressions(&workspace, &["--threshold", "0.01"]).len(), 3);
    std::fs::write(&path, "threshold = 0.2\n").unwrap();
    assert_eq!(regressions(&workspace, &[]), Vec::<String>::new());
}

#[test]
fn a_benchmark_can_be_kept_from_failing_builds() {
    let workspace = slower();
    let gate = ["report", "--baseline", "main", "--fail-on", "regression", "--filter", "extra"];
    workspace.run(&gate, 1);
    let path = workspace.path().join("bench-analyzer.toml");
    std::fs::write(path, "[[benchmark]]\nname = \"extra/*\"\ngate = false\n").unwrap();
    workspace.run(&gate, 0);
}

#[test]
fn filters_leave_only_what_they_name() {
    let workspace = slower();
    assert_eq!(regressions(&workspace, &["--filter", "core"]), ["core/a", "core/b"]);
    assert_eq!(regressions(&workspace, &["--filter", "*/c"]), ["extra/c"]);
}

#[test]
fn wrong_configuration_names_the_place() {
    let workspace = Workspace::new();
    let path = workspace.path().join("bench-analyzer.toml");
    for (content, complaint) in [
        ("treshold = 0.1", "unknown field `treshold`"),
        ("threshold = -1.0", "threshold has to be a ratio"),
        ("alpha = 2.0", "alpha has to be a probability"),
        ("threshold = ", "line 1"),
    ] {
        std::fs::write(&path, content).unwrap();
        let finished = workspace.run(&["runs"], 3);
        assert!(finished.stderr.contains(complaint), "{}", finished.stderr);
        assert!(finished.stderr.contains("bench-analyzer.toml"), "{}", finished.stderr);
    }
}

#[test]
fn identical_code_is_compared_with_itself() {
    let workspace = slower();
    let finished = workspace.run(&["aa", "--baseline", "main"], 0);
    assert!(finished.stdout.contains("5 runs of the same code"), "{}", finished.stdout);
    assert!(finished.stdout.contains("0 of 600 comparisons"), "{}", finished.stdout);
    assert!(finished.stdout.contains("\nspread = 0.0"), "{}", finished.stdout);
    let finished = workspace.run(&["aa", "--baseline", "run:1"], 3);
    assert!(finished.stderr.contains("fewer than 4"), "{}", finished.stderr);
}

#[test]
fn aa_calibrates_the_configuration_and_keeps_the_rest_of_it() {
    let workspace = slower();
    let path = workspace.path().join("bench-analyzer.toml");
    let config =
        "# ours\n\"spread\" = 0.5 # measured\n\n[[benchmark]]\nname = \"x\"\nthreshold = 0.3\n";
    std::fs::write(&path, config).unwrap();
    let finished = workspace.run(&["aa", "--baseline", "main", "--save"], 0);
    assert!(finished.stdout.contains("in time order"), "{}", finished.stdout);
    let saved = std::fs::read_to_string(&path).unwrap();
    assert!(saved.starts_with("# ours\n\"spread\" = 0.0"), "{saved}");
    assert!(saved.contains(" # measured\n"), "{saved}");
    assert!(saved.ends_with("\n\n[[benchmark]]\nname = \"x\"\nthreshold = 0.3\n"), "{saved}");
    workspace.run(&["report", "--baseline", "main"], 0);
}

#[test]
fn history_follows_the_configuration() {
    let workspace = Workspace::new();
    let mut rows = String::from("benchmark,value,run,time\n");
    for index in 0..60_i64 {
        let wobble = 1.0 + ((index * 7919) % 97) as f64 / 97.0 * 0.02;
        let level = if index < 40 { 100.0 } else { 110.0 };
        let time = 1_700_000_000 + index * 3600;
        for benchmark in ["core/a", "extra/b"] {
            rows.push_str(&format!("{benchmark},{},r{index},{time}\n", level * wobble));
        }
    }
    std::fs::write(workspace.path().join("history.csv"), rows).unwrap();
    workspace.run(&["import", "history.csv"], 0);
    let gate = ["history", "--fail-on", "regression"];
    workspace.run(&gate, 1);
    let path = workspace.path().join("bench-analyzer.toml");
    let config = "[[benchmark]]\nname = \"core/*\"\nthreshold = 0.2\n\n\
                  [[benchmark]]\nname = \"extra/*\"\ngate = false\n";
    std::fs::write(path, config).unwrap();
    workspace.run(&gate, 0);
    let changed = |more: &[&str]| {
        let arguments = [&["history", "--changed", "--format", "json"], more].concat();
        let history = workspace.run(&arguments, 0).json();
        let names = history["series"].as_array().unwrap().iter();
        names.map(|one| one["benchmark"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(changed(&[]), ["extra/b"]);
    assert_eq!(changed(&["--threshold", "0.01"]), ["core/a", "extra/b"]);
    assert_eq!(changed(&["--threshold", "0.01", "--filter", "core"]), ["core/a"]);
    let bless = ["bless", "core/a", "--reason", "fine", "--by", "Ada"];
    let finished = workspace.run(&bless, 3);
    assert!(finished.stderr.contains("no change that is not accepted"), "{}", finished.stderr);
}

#[test]
fn every_command_explains_itself_with_examples_and_exit_codes() {
    let workspace = Workspace::new();
    for command in ["report", "compare", "history", "import", "accept", "export"] {
        let help = workspace.run(&[command, "--help"], 0).stdout;
        assert!(help.contains("Examples:"), "{command}: {help}");
        assert!(help.contains("Exit codes:"), "{command}: {help}");
        assert!(help.contains(&format!("bench-analyzer {command}")), "{command}: {help}");
    }
}

#[cfg(unix)]
#[test]
fn aa_measures_with_a_command() {
    let workspace = Workspace::new();
    workspace.criterion_at("made").save("a", "new", 100.0, 1);
    // Stands in for `cargo bench`: a result of its own for every run.
    let script = "mkdir -p $CRITERION_HOME && cp -r made/a $CRITERION_HOME/ && \
                  sed -i \"s/\\\"times\\\":\\[[0-9.]*/\\\"times\\\":[10$(basename $CRITERION_HOME)0.0/\" \
                  $CRITERION_HOME/a/new/sample.json";
    let finished = workspace.run(&["aa", "--runs", "4", "--", "sh", "-c", script], 0);
    assert!(finished.stdout.contains("4 runs of the same code"), "{}", finished.stdout);
    let finished = workspace.run(&["aa", "--runs", "4", "--", "false"], 3);
    assert!(finished.stderr.contains("`false` ended with"), "{}", finished.stderr);
}

#[test]
fn doctor_says_what_is_in_order_and_what_is_not() {
    let workspace = slower();
    let finished = workspace.run(&["doctor"], 0);
    assert!(finished.stdout.contains("10 runs, 1 baselines"), "{}", finished.stdout);
    std::fs::write(workspace.path().join("broken.db"), "no database at all".repeat(50)).unwrap();
    let finished = workspace.run(&["doctor", "--db", "broken.db"], 3);
    assert!(finished.stdout.contains("PROBLEM database:"), "{}", finished.stdout);
    let content = std::fs::read(workspace.database()).unwrap();
    let mut damaged = content.clone();
    // Everything after the first page, which says what the file is.
    damaged[4096..].iter_mut().for_each(|byte| *byte = 0xa5);
    std::fs::write(workspace.path().join("damaged.db"), damaged).unwrap();
    let finished = workspace.run(&["doctor", "--db", "damaged.db"], 3);
    assert!(finished.stdout.contains("is damaged"), "{}", finished.stdout);
}

#[test]
fn completions_are_written_for_every_shell() {
    let workspace = Workspace::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = workspace.run(&["completions", shell], 0).stdout;
        assert!(script.contains("bench-analyzer") && script.contains("baseline"), "{shell}");
    }
    assert!(!workspace.path().join(".bench").exists());
}

#[test]
fn each_command_has_a_man_page() {
    let workspace = Workspace::new();
    let help = workspace.run(&["--help"], 0).stdout;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands: Vec<&str> = listed
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|command| !command.is_empty() && *command != "help")
        .collect();
    assert!(commands.contains(&"import") && commands.contains(&"completions"), "{commands:?}");
    assert!(!commands.contains(&"man"), "{commands:?}");

    workspace.run(&["man", "share/man1"], 0);
    let pages = workspace.path().join("share/man1");
    let page = |name: &str| std::fs::read_to_string(pages.join(format!("{name}.1"))).unwrap();
    let of_commands = commands.iter().map(|command| format!("bench-analyzer-{command}"));
    let others = ["bench-analyzer", "bench-analyzer-baseline-list"].map(str::to_owned);
    for name in of_commands.chain(others) {
        let text = page(&name);
        for section in ["NAME", "SYNOPSIS", "OPTIONS"] {
            assert!(text.contains(&format!("\n.SH {section}\n")), "{name} has no {section}");
        }
    }
    assert!(!workspace.path().join(".bench").exists());
    std::fs::write(workspace.path().join("file"), "").unwrap();
    let finished = workspace.run(&["man", "file/man1"], 3);
    assert!(finished.stderr.contains("file/man1"), "{}", finished.stderr);
}
