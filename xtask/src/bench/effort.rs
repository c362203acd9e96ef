//! How long to measure.

/// How often, and how long each time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Effort {
    pub(super) runs: u32,
    /// Arguments for Criterion.
    pub(super) criterion: &'static [&'static str],
}

/// Runs of a benchmark, unless told otherwise. Five against five find a change of 10% with high
/// probability and hardly ever raise a false alarm; three is the least that shows a spread.
const RUNS: u32 = 5;
const QUICK_RUNS: u32 = 3;

/// A fifth of Criterion's own times, because each of the runs adds its samples. Plots of single runs
/// nobody looks at.
const CRITERION: &[&str] =
    &["--warm-up-time", "1", "--measurement-time", "2", "--sample-size", "50", "--noplot"];

/// Just enough for a stable median. Criterion's least sample size is 10, and its bootstrap is for
/// intervals that the analyzer computes from the runs instead.
const QUICK_CRITERION: &[&str] = &[
    "--warm-up-time",
    "0.3",
    "--measurement-time",
    "1",
    "--sample-size",
    "20",
    "--nresamples",
    "1001",
    "--noplot",
];

impl Effort {
    pub(super) fn of(quick: bool, runs: Option<u32>) -> Self {
        let (default, criterion) =
            if quick { (QUICK_RUNS, QUICK_CRITERION) } else { (RUNS, CRITERION) };
        Self { runs: runs.unwrap_or(default), criterion }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_runs_overrides_the_default() {
        assert_eq!(Effort::of(true, None).runs, 3);
        assert_eq!(Effort::of(true, Some(7)), Effort { runs: 7, ..Effort::of(true, None) });
        assert_eq!(Effort::of(false, None).runs, 5);
    }
}
