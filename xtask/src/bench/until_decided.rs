//! Measuring two commits in turns for as long as something is undecided.
//!
//! Most benchmarks need few runs: what got much worse shows at once, and so does that nothing
//! changed where runs agree. After every run, the analyzer is asked what is still open, and only that is
//! measured again. Its verdicts hold whenever one stops, so looking often is no way to be wrong more
//! often.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use camino::Utf8Path;

use super::analyzer::Analyzer;
use super::plan::Runs;

/// Asks the analyzer after every run.
pub(super) struct UntilDecided<'a> {
    pub(super) analyzer: &'a Analyzer<'a>,
    /// Where it may keep what it looks at.
    pub(super) folder: &'a Utf8Path,
}

/// The names of benchmarks.
pub(super) type Names = BTreeSet<String>;

/// Three runs a side are the least that show a spread, so there is nothing to ask before.
const RUNS_BEFORE_LOOKING: u32 = 3;

impl UntilDecided<'_> {
    /// Returns the benchmarks that are still open after so many runs; all of `listed` while it is too early to tell.
    pub(super) fn open(&self, runs: &Runs, made: u32, listed: &Names) -> Result<Names> {
        if made < RUNS_BEFORE_LOOKING {
            return Ok(listed.clone());
        }
        let report = self.analyzer.look(runs, self.folder)?;
        let open = undecided(&report).context("failed to understand the analyzer's report")?;
        Ok(open.intersection(listed).cloned().collect())
    }
}

/// The benchmarks of a report that more runs would decide.
fn undecided(report: &str) -> Result<Names> {
    let report: serde_json::Value = serde_json::from_str(report)?;
    let comparisons = report["comparisons"].as_array().context("it compares nothing")?;
    let open = comparisons.iter().filter(|one| one["open"] == true);
    Ok(open.filter_map(|one| one["benchmark"].as_str()).map(str::to_owned).collect())
}

/// A regular expression that matches these names and no others, for Criterion.
pub(super) fn exactly(names: &Names) -> String {
    let mut pattern = String::from("^(?:");
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            pattern.push('|');
        }
        for character in name.chars() {
            if matches!(
                character,
                '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$'
            ) {
                pattern.push('\\');
            }
            pattern.push(character);
        }
    }
    pattern + ")$"
}

/// Count of the measurements made, to compare with those that a fixed number of runs would have taken.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    made: BTreeMap<String, u32>,
}

impl Tally {
    /// Notes one more run of each of these.
    pub(super) fn note(&mut self, names: &Names) {
        for name in names {
            *self.made.entry(name.clone()).or_default() += 1;
        }
    }

    /// Says in a sentence how many measurements were saved against as many runs of everything.
    pub(super) fn saved(&self, most: u32) -> String {
        let made: u64 = self.made.values().copied().map(u64::from).sum();
        let fixed = u64::from(most) * self.made.len() as u64;
        let decided = self.made.values().filter(|runs| **runs < most).count();
        format!(
            "{decided} of {} benchmarks were decided before the {most} runs were made: {made} \
             measurements a side instead of {fixed}",
            self.made.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Names {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn only_what_more_runs_would_decide_is_open() {
        let report = serde_json::json!({ "comparisons": [
            { "benchmark": "a", "verdict": "inconclusive", "open": true },
            { "benchmark": "b", "verdict": "regression", "open": false },
            { "benchmark": "c", "verdict": "no_change_seen", "open": true },
            { "benchmark": "d", "verdict": "inconclusive", "open": false },
        ]});
        assert_eq!(undecided(&report.to_string()).unwrap(), names(&["a", "c"]));
        assert!(undecided("{}").is_err());
    }

    #[test]
    fn a_pattern_matches_the_names_and_nothing_else() {
        assert_eq!(exactly(&names(&["a/b c", "x.y(1)"])), r"^(?:a/b c|x\.y\(1\))$");
    }

    #[test]
    fn what_was_saved_is_told() {
        let mut tally = Tally::default();
        for open in [&["a", "b"][..], &["a", "b"], &["a", "b"], &["b"]] {
            tally.note(&names(open));
        }
        assert_eq!(
            tally.saved(4),
            "1 of 2 benchmarks were decided before the 4 runs were made: 7 measurements a side instead of 8"
        );
    }
}
