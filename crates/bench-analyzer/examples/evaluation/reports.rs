//! Simulated reports whose truth is known.

use bench_stats::detect::compare::{Compared, compare};
use bench_stats::detect::settings::Settings;
use bench_stats::detect::verdict::Verdict;
use bench_stats::model::{
    BenchmarkResults, Fingerprint, History, Measurement, Run, RunId, Sample, Samples, Series,
};
use bench_stats::stats::summary::Summary;
use jiff::Timestamp;

use crate::noise::Noise;

/// What the benchmarks of a report have in common.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// How many runs either side has.
    pub(crate) runs: (usize, usize),
    /// How large the offset is that each side of a benchmark has for itself, in spreads between runs.
    pub(crate) shared: f64,
    /// How many times as large the spread of the current side is.
    pub(crate) ratio: f64,
}

/// One benchmark's samples on both sides, a list for each run.
pub(crate) struct Pair {
    pub(crate) old: Vec<Samples>,
    pub(crate) new: Vec<Samples>,
}

impl Kind {
    pub(crate) fn of(runs: usize) -> Self {
        Self { runs: (runs, runs), shared: 0.0, ratio: 1.0 }
    }

    /// A benchmark that got slower by this share.
    pub(crate) fn pair(self, change: f64, noise: &mut Noise) -> Pair {
        let spread = noise.between_run_cv();
        let within = noise.between_over_within();
        let mut side = |runs: usize, level: f64, spread: f64| -> Vec<Samples> {
            let error = spread / within;
            let offset =
                if self.shared > 0.0 { self.shared * spread * noise.normal() } else { 0.0 };
            let level = level * offset.exp();
            (0..runs)
                .map(|_| {
                    // Twenty samples whose median has an error, which is part of the spread that run
                    // medians show.
                    let between = (spread * spread - error * error).max(0.0).sqrt();
                    let run = level * (between * noise.normal()).exp();
                    let inside = error * 20_f64.sqrt() / 1.2533;
                    let samples = (0..20).map(|_| Sample {
                        iterations: 1,
                        total: run * (inside * noise.normal()).exp(),
                    });
                    Samples::of_time(samples.collect()).expect("exponentials are positive")
                })
                .collect()
        };
        let (quiet, noisy) = (spread / self.ratio.sqrt(), spread * self.ratio.sqrt());
        Pair {
            old: side(self.runs.0, 1e6, quiet),
            new: side(self.runs.1, 1e6 * (1.0 + change), noisy),
        }
    }
}

pub(crate) fn results(name: &str, benchmarks: &[(String, &[Samples])]) -> BenchmarkResults {
    let mut results = BenchmarkResults::new(name);
    for (benchmark, runs) in benchmarks {
        let series = Series::time(benchmark.clone());
        for (run, samples) in (1..).zip(runs.iter()) {
            let summary = Summary::of(samples);
            let measurement = Measurement { run: RunId(run), summary, samples: samples.clone() };
            results.add(&series, measurement);
        }
    }
    results
}

/// When the runs of both sides were made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Unknown,
    InTurns,
}

pub(crate) fn compared(pairs: &[Pair], settings: &Settings, order: Order) -> Compared {
    let named = |side: fn(&Pair) -> &[Samples]| -> Vec<(String, &[Samples])> {
        pairs.iter().enumerate().map(|(at, pair)| (format!("b{at:04}"), side(pair))).collect()
    };
    let mut old = results("old", &named(|pair| &pair.old));
    let mut new = results("new", &named(|pair| &pair.new));
    if order == Order::InTurns {
        let count = pairs.first().map_or(0, |pair| pair.old.len());
        let runs = |first: usize| {
            let second = |run: usize| 2 * run + (first + run) % 2;
            (0..count).map(|run| run_at(second(run))).collect::<Vec<Run>>()
        };
        (old.runs, new.runs) = (runs(0), runs(1));
    }
    compare(&old, &new, &History::new(), settings)
}

fn run_at(second: usize) -> Run {
    let second = i64::try_from(second).unwrap_or_default();
    Run::new(
        RunId(second),
        Timestamp::from_second(second).unwrap_or_default(),
        Fingerprint::default(),
    )
}

pub(crate) fn verdicts(pairs: &[Pair], settings: &Settings) -> Vec<Verdict> {
    let compared = compared(pairs, settings, Order::Unknown);
    compared.comparisons.into_iter().map(|comparison| comparison.verdict).collect()
}

/// Whether a verdict is what was looked for: a regression, or where nothing changed a change.
pub(crate) fn counts(verdict: Verdict, change: f64) -> bool {
    verdict == Verdict::Regression || (change == 0.0 && verdict == Verdict::Improvement)
}

#[expect(clippy::cast_precision_loss, reason = "thousands")]
pub(crate) fn share(count: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { count as f64 / of as f64 }
}
