//! How often comparisons raise false alarms, and how often they find real changes.

use bench_stats::detect::compare::compare;
use bench_stats::detect::settings::Settings;
use bench_stats::detect::verdict::Verdict;
use bench_stats::model::{History, HistoryPoint, RunId, Samples, Series};
use bench_stats::stats::difference::Difference;
use bench_stats::stats::spending::Plan;
use bench_stats::stats::summary::Summary;

use crate::noise::Noise;
use crate::reports::{Kind, Pair, counts, results, share, verdicts};

const BENCHMARKS: usize = 10_000;

pub(crate) fn print() {
    println!("## Comparisons\n");
    println!(
        "{BENCHMARKS} simulated benchmarks a cell; between-run spread log-normal (median 1.8%, 90th \
         percentile 6.3%),\nstandard error inside a run smaller by 3.1 in the median and 24 at the \
         90th percentile, 20 samples a\nrun. Found = called a regression; false = called a \
         regression or an improvement.\n"
    );
    println!("| runs a side | rule | false, same code | found +5% | found +10% | found +30% |");
    println!("|---|---|--:|--:|--:|--:|");
    for runs in [1, 3, 5, 10] {
        row(runs, "this program, each alone", |change| share_alone(runs, change, &planned(runs)));
        if runs > 1 {
            row(runs, "the same, looking whenever one likes", |change| {
                share_alone(runs, change, &settings(Plan::Open))
            });
        }
        if runs > 1 {
            row(runs, "Welch, p < .01", |change| share_welch(runs, change));
        }
        row(runs, "mean ratio beyond 5%", |change| share_ratio(runs, change));
    }
    row(1, "this program, with a history of 10 runs", share_borrowed);
    println!("\nReports of 200 benchmarks, of which a tenth got slower:\n");
    println!(
        "| runs a side | false discovery rate | false, same code | found +5% | found +10% | false share of \
         listed |"
    );
    println!("|---|---|--:|--:|--:|--:|");
    for runs in [3, 5, 10] {
        for rate in [0.05, 0.10, 0.20] {
            let settings = Settings { false_discovery_rate: rate, ..planned(runs) };
            mixed_row(runs, &format!("{:.0}%", rate * 100.0), &settings);
        }
        mixed_row(runs, "10%, looking whenever one likes", &settings(Plan::Open));
    }
    println!();
    print_shared();
}

fn mixed_row(runs: usize, rate: &str, settings: &Settings) {
    let (five, ten) = (mixed(runs, 0.05, settings), mixed(runs, 0.10, settings));
    println!(
        "| {runs} | {rate} | {:.2}% | {:.0}% | {:.0}% | {:.1}% |",
        five.false_alarms * 100.0,
        five.found * 100.0,
        ten.found * 100.0,
        five.false_discoveries * 100.0
    );
}

/// What the runs of a side share, their replicates do not show.
fn print_shared() {
    println!(
        "Reports of 40 benchmarks in which the runs of a side share something: every benchmark has \
         an offset on\neach side, so many times as large as its spread between runs. In the last \
         column, three of ten got slower.\n"
    );
    println!(
        "| runs a side | shared | false, judged alone | false, same code | found +10% of a tenth | \
         found +10% of 30% |"
    );
    println!("|---|--:|--:|--:|--:|--:|");
    for runs in [3, 5] {
        for shared in [0.0, 0.5, 1.0] {
            let same = Report { runs, shared, changed: 0, change: 0.0 };
            let tenth = Report { changed: 4, change: 0.10, ..same };
            let thirty = Report { changed: 12, ..tenth };
            println!(
                "| {runs} | {shared} | {:.2}% | {:.2}% | {:.0}% | {:.0}% |",
                same.false_alone() * 100.0,
                same.outcome().false_alarms * 100.0,
                tenth.outcome().found * 100.0,
                thirty.outcome().found * 100.0
            );
        }
    }
    println!();
}

/// Reports of forty benchmarks each.
#[derive(Clone, Copy)]
struct Report {
    runs: usize,
    shared: f64,
    changed: usize,
    change: f64,
}

impl Report {
    const SIZE: usize = 40;
    const REPORTS: usize = 250;

    fn pairs(self, noise: &mut Noise) -> Vec<Pair> {
        let change = |index| if index < self.changed { self.change } else { 0.0 };
        let kind = Kind { shared: self.shared, ..Kind::of(self.runs) };
        (0..Self::SIZE).map(|index| kind.pair(change(index), noise)).collect()
    }

    fn false_alone(self) -> f64 {
        let mut noise = Noise::new(4);
        let pairs = (0..Self::REPORTS).flat_map(|_| self.pairs(&mut noise)).collect::<Vec<_>>();
        let alarms = pairs
            .iter()
            .filter(|pair| {
                counts(verdicts(std::slice::from_ref(*pair), &planned(self.runs))[0], 0.0)
            })
            .count();
        share(alarms, pairs.len())
    }

    fn outcome(self) -> Mixed {
        let mut noise = Noise::new(4);
        let (mut false_alarms, mut found) = (0, 0);
        for _ in 0..Self::REPORTS {
            let verdicts = verdicts(&self.pairs(&mut noise), &planned(self.runs));
            let (changed, same) = verdicts.split_at(self.changed);
            found += changed.iter().filter(|one| **one == Verdict::Regression).count();
            false_alarms += same.iter().filter(|one| counts(**one, 0.0)).count();
        }
        Mixed {
            false_alarms: share(false_alarms, Self::REPORTS * (Self::SIZE - self.changed)),
            found: share(found, Self::REPORTS * self.changed),
            false_discoveries: share(false_alarms, false_alarms + found),
        }
    }
}

fn row(runs: usize, rule: &str, share: impl Fn(f64) -> f64) {
    let cells: Vec<String> = [0.0, 0.05, 0.10, 0.30]
        .map(|change| format!("{:.2}%", share(change) * 100.0))
        .into_iter()
        .collect();
    println!("| {runs} | {rule} | {} |", cells.join(" | "));
}

fn pair(runs: usize, change: f64, noise: &mut Noise) -> Pair {
    Kind::of(runs).pair(change, noise)
}

/// A number of runs that was decided on before, which is what is told of if nothing else is said.
fn planned(runs: usize) -> Settings {
    settings(Plan::Stated(u32::try_from(runs).unwrap_or(u32::MAX)))
}

fn settings(plan: Plan) -> Settings {
    Settings { plan, ..Settings::default() }
}

fn share_alone(runs: usize, change: f64, settings: &Settings) -> f64 {
    let mut noise = Noise::new(1);
    let found = (0..BENCHMARKS)
        .filter(|_| counts(verdicts(&[pair(runs, change, &mut noise)], settings)[0], change))
        .count();
    share(found, BENCHMARKS)
}

/// One run a side, after ten runs of the old code.
fn share_borrowed(change: f64) -> f64 {
    let mut noise = Noise::new(1);
    let series = Series::time("b");
    let found = (0..BENCHMARKS)
        .filter(|_| {
            let mut runs = pair(11, change, &mut noise);
            let points = runs.old.drain(1..).zip(10..).map(|(samples, run)| HistoryPoint {
                run: RunId(run),
                measured_at: jiff::Timestamp::UNIX_EPOCH,
                median: Summary::of(&samples).median,
            });
            let history = History::from([(series.clone(), points.collect())]);
            runs.new.truncate(1);
            let side = |name: &str, runs: &[Samples]| results(name, &[("b".to_owned(), runs)]);
            let (old, new) = (side("old", &runs.old), side("new", &runs.new));
            let compared = compare(&old, &new, &history, &planned(1));
            counts(compared.comparisons[0].verdict, change)
        })
        .count();
    share(found, BENCHMARKS)
}

fn medians(runs: &[Samples]) -> Vec<f64> {
    runs.iter().map(|samples| Summary::of(samples).median).collect()
}

fn share_welch(runs: usize, change: f64) -> f64 {
    let mut noise = Noise::new(1);
    let logs = |runs: &[Samples]| -> Vec<f64> { medians(runs).iter().map(|m| m.ln()).collect() };
    let found = (0..BENCHMARKS)
        .filter(|_| {
            let Pair { old, new } = pair(runs, change, &mut noise);
            let welch = Difference::welch(&logs(&old), &logs(&new));
            welch.p_value() < 0.01 && (change == 0.0 || welch.log_ratio > 0.0)
        })
        .count();
    share(found, BENCHMARKS)
}

fn share_ratio(runs: usize, change: f64) -> f64 {
    let mut noise = Noise::new(1);
    let mean = |runs: &[Samples]| medians(runs).iter().sum::<f64>();
    let found = (0..BENCHMARKS)
        .filter(|_| {
            let Pair { old, new } = pair(runs, change, &mut noise);
            let ratio = mean(&new) / mean(&old);
            ratio > 1.05 || (change == 0.0 && ratio < 1.0 / 1.05)
        })
        .count();
    share(found, BENCHMARKS)
}

/// What reports came to in which only some benchmarks changed.
struct Mixed {
    false_alarms: f64,
    found: f64,
    false_discoveries: f64,
}

fn mixed(runs: usize, change: f64, settings: &Settings) -> Mixed {
    const SIZE: usize = 200;
    const CHANGED: usize = 20;
    let mut noise = Noise::new(2);
    let (mut false_alarms, mut found, reports) = (0, 0, BENCHMARKS / SIZE);
    for _ in 0..reports {
        let pairs: Vec<Pair> = (0..SIZE)
            .map(|index| pair(runs, if index < CHANGED { change } else { 0.0 }, &mut noise))
            .collect();
        let verdicts = verdicts(&pairs, settings);
        found += verdicts[..CHANGED].iter().filter(|v| **v == Verdict::Regression).count();
        false_alarms += verdicts[CHANGED..].iter().filter(|v| counts(**v, 0.0)).count();
    }
    Mixed {
        false_alarms: share(false_alarms, reports * (SIZE - CHANGED)),
        found: share(found, reports * CHANGED),
        false_discoveries: share(false_alarms, false_alarms + found),
    }
}
