use std::os::unix::fs::PermissionsExt as _;

use super::super::analyzer::Analyzer;
use super::super::compilation::Bench;
use super::super::plan;
use super::*;
use crate::workspace::Workspace;

#[test]
fn what_criterion_says_moves_the_bar() {
    let name = "function_calls/batch_calls/10".to_owned();
    assert_eq!(Event::of("Benchmarking function_calls/batch_calls/10"), Some(Event::Started(name)));
    let prefix = "Benchmarking function_calls/batch_calls/10";
    assert_eq!(Event::of(&format!("{prefix}: Warming up for 1.0000 s")), None);
    assert_eq!(Event::of(&format!("{prefix}: Analyzing")), Some(Event::Analyzed));
    assert_eq!(Event::of("                        time:   [1 ns 2 ns 3 ns]"), None);
}

#[test]
fn only_benchmarks_are_listed() {
    let listing = "a/b: benchmark\na/c: benchmark\n\n2 benchmarks\n";
    assert_eq!(listed(listing).into_iter().collect::<Vec<_>>(), ["a/b", "a/c"]);
}

#[test]
fn results_of_several_programs_end_up_in_one_folder() {
    let temp = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(temp.path()).unwrap();
    for (part, file) in [("one", "g/a/new/sample.json"), ("two", "g/b/new/sample.json")] {
        let path = root.join(part).join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, part).unwrap();
        merge(&root.join(part), &root.join("all")).unwrap();
        assert!(!root.join(part).exists());
    }
    for (file, text) in [("g/a/new/sample.json", "one"), ("g/b/new/sample.json", "two")] {
        assert_eq!(fs::read_to_string(root.join("all").join(file)).unwrap(), text);
    }
}

/// Lists or measures three benchmarks, as a program with Criterion does: those that match its last argument.
/// Fails as often as the file `failures` has lines, once six processes have measured.
const PROGRAM: &str = r#"#!/bin/sh
for filter in "$@"; do :; done
case "$filter" in --*|40) filter=. ;; esac
filter=$(echo "$filter" | sed 's/?://')
case " $* " in *" --list "*) ;; *)
  echo process >> processes
  if [ "$(wc -l < processes)" -gt 6 ] && [ -s failures ]; then
    sed -i 1d failures
    exit 1
  fi
esac
for name in group/noisy group/slower group/steady; do
  echo "$name" | grep -Eq "$filter" || continue
  case " $* " in *" --list "*) echo "$name: benchmark"; continue ;; esac
  echo "Benchmarking $name: Analyzing"
  echo "$name" >> measured
  mkdir -p "$CRITERION_HOME/$name/new"
done
"#;

/// Never knows about `noisy`, and about the others as soon as it is asked.
const ANALYZER: &str = r#"#!/bin/sh
case " $* " in *" report "*) ;; *) exit 0 ;; esac
echo '{ "comparisons": [
  { "benchmark": "group/noisy", "verdict": "inconclusive", "open": true },
  { "benchmark": "group/slower", "verdict": "regression", "open": false },
  { "benchmark": "group/steady", "verdict": "no_change_seen", "open": false } ] }'
"#;

/// Two sides in a folder, each with the same program.
struct Sides {
    folder: tempfile::TempDir,
}

impl Sides {
    fn new() -> Self {
        let sides = Self { folder: tempfile::tempdir().unwrap() };
        for (name, text) in
            [("here/program", PROGRAM), ("against/program", PROGRAM), ("analyzer", ANALYZER)]
        {
            let path = sides.at(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        sides
    }

    fn at(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join(name)
    }

    fn benches(&self, side: &str) -> Benches {
        let executable = self.at(side).join("program");
        Benches {
            programs: vec![Bench { target: "suite".to_owned(), executable }],
            folder: self.at(side),
        }
    }

    /// Measures until it is decided, at most five times.
    fn conduct(&self) -> Result<Conducted> {
        let (here, against) = (self.benches("here"), self.benches("against"));
        let (workspace, program) = (Workspace::at(&self.at("")), self.at("analyzer"));
        let analyzer = Analyzer::new(&workspace, &program);
        let (folder, targets) = (self.at("runs"), ["suite".to_owned()]);
        let measurement = Measurement {
            here: &here,
            against: Some(&against),
            visits: &plan::visits(1, 5, &targets, &targets),
            filter: None,
            arguments: &["--sample-size".to_owned(), "40".to_owned()],
            folder: &folder,
            begins_anew: false,
            until_decided: Some(UntilDecided { analyzer: &analyzer, folder: &folder }),
        };
        measurement.conduct(&list(&here, None)?, Vec::new())
    }

    /// Counts how often a side measured `noisy`, `slower` and `steady`.
    fn measured(&self, side: &str) -> [usize; 3] {
        let measured = fs::read_to_string(self.at(side).join("measured")).unwrap();
        ["group/noisy", "group/slower", "group/steady"]
            .map(|name| measured.lines().filter(|line| *line == name).count())
    }
}

const SAVED: &str = "2 of 3 benchmarks were decided before the 5 runs were made: 11 measurements a side \
                     instead of 15";

#[test]
fn only_what_is_open_is_measured_again_and_what_that_saved_is_told() {
    let sides = Sides::new();
    let conducted = sides.conduct().unwrap();
    assert_eq!(conducted.saved.as_deref(), Some(SAVED));
    assert_eq!((conducted.runs.here.len(), conducted.runs.against.len()), (5, 5));
    for side in ["here", "against"] {
        assert_eq!(sides.measured(side), [5, 3, 3], "{side}");
    }
}

#[test]
fn a_measurement_until_it_is_decided_goes_on_where_it_was_cut_short() {
    let sides = Sides::new();
    // After three runs of either side.
    fs::write(sides.at("here/failures"), "once\n").unwrap();
    fs::write(sides.at("here/processes"), "process\n".repeat(3)).unwrap();
    let error = sides.conduct().err().unwrap().to_string();
    assert!(error.contains("ended with exit status: 1"), "{error}");
    let before = sides.measured("here");
    assert_eq!(before, [3, 3, 3]);
    let conducted = sides.conduct().unwrap();
    assert_eq!(conducted.saved.as_deref(), Some(SAVED));
    for side in ["here", "against"] {
        assert_eq!(sides.measured(side), [5, 3, 3], "{side}");
    }
    // Nothing is left to go on with.
    conducted.state.close().unwrap();
    sides.conduct().unwrap();
    assert_eq!(sides.measured("here"), [10, 6, 6]);
}
