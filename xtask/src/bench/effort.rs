//! Length of a measurement: runs, samples and time.

use clap::Args;

/// Options of every command that measures.
#[derive(Args)]
pub(crate) struct Pace {
    /// Take a first look: fewer and shorter samples, some minutes in all
    #[arg(long)]
    quick: bool,
    /// Number of runs of each benchmark, each in a process of its own [default: 5, with --quick 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
    /// Visit what is measured in the order that this number gives
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// Begin anew, even if the same measurement was cut short and could go on
    #[arg(long)]
    pub(super) restart: bool,
    /// More arguments for Criterion
    #[arg(last = true, value_name = "CRITERION ARGUMENTS")]
    criterion: Vec<String>,
}

impl Pace {
    /// Says what a first look does and how long that takes, before anything is done.
    pub(super) fn announcement(&self) -> Option<String> {
        let runs = self.runs();
        self.quick.then(|| {
            format!(
                "A first look: compiles the guests, the benchmarks and their analyzer, measures every benchmark {runs} \
                 times, and prints a report. The first compilation takes some 12 minutes on two idle cores, and \
                 later ones what was changed; three runs of everything take 6 to 9 minutes. With --group calls a minute"
            )
        })
    }

    /// Number of runs of each benchmark.
    pub(super) fn runs(&self) -> u32 {
        self.effort().runs
    }

    /// Largest number of runs of a benchmark while it is undecided.
    pub(super) fn most_runs(&self) -> u32 {
        self.runs.unwrap_or(MOST_RUNS)
    }

    /// All arguments for Criterion.
    pub(super) fn criterion(&self) -> Vec<String> {
        self.effort().arguments(&self.criterion)
    }

    fn effort(&self) -> Effort {
        Effort::of(self.quick, self.runs)
    }
}

/// Number of runs, and the length of each.
#[derive(Debug, PartialEq, Eq)]
struct Effort {
    runs: u32,
    options: &'static [CriterionOption],
}

/// An option of Criterion and its value.
type CriterionOption = (&'static str, Option<&'static str>);

/// Runs of a benchmark, unless told otherwise. Five against five find a change of 10% with high
/// probability and hardly ever raise a false alarm; three is the least that shows a spread.
const RUNS: u32 = 5;
const QUICK_RUNS: u32 = 3;

/// Runs of a benchmark that nothing decides, unless told otherwise: what ten do not decide is rarely worth
/// ten more.
const MOST_RUNS: u32 = 10;

/// Short runs, because each of them adds its samples, and because what differs between processes is
/// seen only by more of them: with some 120 benchmarks, five runs end in less than half an hour. Plots of
/// single runs nobody looks at, and the analyzer computes intervals from the runs, so that Criterion need
/// not spend more time on its own than on measuring.
const OPTIONS: &[CriterionOption] = &[
    ("--warm-up-time", Some("0.5")),
    ("--measurement-time", Some("1")),
    ("--sample-size", Some("40")),
    ("--nresamples", Some("1001")),
    ("--noplot", None),
];

/// Just enough for a stable median, in about five minutes for three runs of everything. Criterion's
/// least sample size is 10.
const QUICK_OPTIONS: &[CriterionOption] = &[
    ("--warm-up-time", Some("0.1")),
    ("--measurement-time", Some("0.4")),
    ("--sample-size", Some("15")),
    ("--nresamples", Some("1001")),
    ("--noplot", None),
];

impl Effort {
    fn of(quick: bool, runs: Option<u32>) -> Self {
        let (default, options) = if quick { (QUICK_RUNS, QUICK_OPTIONS) } else { (RUNS, OPTIONS) };
        Self { runs: runs.unwrap_or(default), options }
    }

    /// The arguments for Criterion: the user's, and of these the ones that the user has not set,
    /// because Criterion takes no option twice.
    fn arguments(&self, users: &[String]) -> Vec<String> {
        let is_set =
            |option: &str| users.iter().any(|users| users.split('=').next() == Some(option));
        let ours = self.options.iter().filter(|(option, _)| !is_set(option));
        let ours = ours.flat_map(|&(option, value)| [Some(option), value]).flatten();
        ours.map(str::to_owned).chain(users.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_sets_is_set_once() {
        let users = ["--sample-size=10".to_owned(), "--warm-up-time".to_owned(), "9".to_owned()];
        let arguments = Effort::of(false, None).arguments(&users).join(" ");
        assert_eq!(
            arguments,
            "--measurement-time 1 --nresamples 1001 --noplot --sample-size=10 --warm-up-time 9"
        );
    }

    #[test]
    fn a_number_of_runs_overrides_the_default() {
        assert_eq!(Effort::of(true, None).runs, 3);
        assert_eq!(Effort::of(true, Some(7)), Effort { runs: 7, ..Effort::of(true, None) });
        assert_eq!(Effort::of(false, None).runs, 5);
    }
}
