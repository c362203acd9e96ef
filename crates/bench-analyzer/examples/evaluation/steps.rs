//! How often steps are found in a history, and how often there was none.

use bench_stats::detect::steps::{StepSettings, segment};

use crate::noise::Noise;
use crate::pelt;
use crate::real;
use crate::sets;

const SERIES: usize = 2000;
pub(crate) const LENGTH: usize = 100;
pub(crate) const CLOSE: usize = 5;

pub(crate) type Detector = fn(&[f64]) -> Vec<usize>;
type Level = fn(&mut Noise) -> f64;
type Kind = fn(&mut Noise) -> Vec<f64>;

fn ours(values: &[f64]) -> Vec<usize> {
    let steps = segment(values, &StepSettings::default()).steps;
    steps.iter().filter(|step| !step.provisional).map(|step| step.index).collect()
}

pub(crate) const DETECTORS: [(&str, Detector); 3] = [
    ("this program", ours),
    ("PELT, L2, 3 log n, sd of differences", pelt::change_points),
    ("PELT, L2, 3 log n, global sd", pelt::change_points_global),
];

pub(crate) fn print() {
    println!("## Steps in a history\n");
    println!(
        "{SERIES} series of {LENGTH} values a cell, t-distributed noise with 3 degrees of freedom; \
         one step between\n10 and 90. Found = within {CLOSE} values.\n"
    );
    println!("| robust sd of noise | detector | +2% | +5% | +10% | false points a series |");
    println!("|---|---|--:|--:|--:|--:|");
    let levels: [(&str, Level); 3] = [
        ("1.0%", |_| 0.010),
        ("1.8%", |_| 0.018),
        ("median 1.8%, p90 6.3%", Noise::between_run_cv),
    ];
    for (name, level) in levels {
        for (detector_name, detector) in DETECTORS {
            let cells = [0.02, 0.05, 0.10].map(|size: f64| one_step(detector, level, size));
            let false_points: f64 = cells.iter().map(|cell| cell.1).sum::<f64>() / 3.0;
            println!(
                "| {name} | {detector_name} | {:.2} | {:.2} | {:.2} | {false_points:.3} |",
                cells[0].0, cells[1].0, cells[2].0
            );
        }
    }
    print_real();
    print_sets();
    println!("\nNo step at all; false points a series:\n");
    println!("| series | this program | PELT, sd of differences | PELT, global sd |");
    println!("|---|--:|--:|--:|");
    let kinds: [(&str, Kind); 8] = [
        ("heavy tails", |noise| correlated(noise, 0.0)),
        ("lag-1 autocorrelation 0.3", |noise| correlated(noise, 0.3)),
        ("lag-1 autocorrelation 0.45", |noise| correlated(noise, 0.45)),
        ("lag-1 autocorrelation 0.6", |noise| correlated(noise, 0.6)),
        ("steady drift, 5 sd over the series", |noise| drifting(noise, |at| 5.0 * at)),
        ("slow wave, 2 sd up and down once", |noise| {
            drifting(noise, |at| 2.0 * (std::f64::consts::TAU * at).sin())
        }),
        ("drift and autocorrelation 0.3", |noise| {
            let drift = drifting(&mut Noise::new(noise.below(1 << 30) as u64), |at| 3.0 * at);
            correlated(noise, 0.3).iter().zip(drift).map(|(a, b)| a + b).collect()
        }),
        ("random walk of 0.2 sd a value", |noise| {
            let mut level = 0.0;
            (0..LENGTH)
                .map(|_| {
                    level += 0.2 * 0.018 * noise.normal();
                    level + 0.018 * noise.heavy()
                })
                .collect()
        }),
    ];
    for (name, series) in kinds {
        let [ours, pelt, global] = DETECTORS.map(|(_, detector)| {
            let mut noise = Noise::new(7);
            let points: usize = (0..SERIES).map(|_| detector(&series(&mut noise)).len()).sum();
            rate(points)
        });
        println!("| {name} | {ours:.3} | {pelt:.3} | {global:.3} |");
    }
    println!();
}

/// The series that other detectors are given too.
fn print_sets() {
    println!(
        "\nThe series that `evaluation series` prints, which other detectors are given too:\n"
    );
    println!("| series | detector | found | other points a series |");
    println!("|---|---|--:|--:|");
    for set in sets::all() {
        for (name, detector) in DETECTORS {
            let (mut hits, mut steps, mut others) = (0, 0, Vec::new());
            for sample in &set.samples {
                let found = detector(&sample.values);
                let near = |place: &&usize| found.iter().any(|one| one.abs_diff(**place) <= CLOSE);
                let own = sample.steps.iter().filter(near).count();
                hits += own;
                steps += sample.steps.len();
                others.push(found.len().saturating_sub(own));
            }
            let all = set.samples.len();
            let found = if steps > 0 {
                let each = std::iter::repeat_n(1, hits).chain(std::iter::repeat_n(0, steps - hits));
                format!("{:.2}", real::per_series(each))
            } else {
                String::new()
            };
            let others = real::per_series(others);
            println!("| {} ({all}) | {name} | {found} | {others:.3} |", set.name);
        }
    }
}

/// Steps put into series that were measured, and what is found in them as they are.
fn print_real() {
    let series = real::series();
    println!(
        "\nThe same with a step put into {} measured series of {LENGTH} processes each, at {} \
         places.\n",
        series.len(),
        real::PLACES.len()
    );
    println!("| detector | +2% | +5% | +10% | points beside the step | points without a step |");
    println!("|---|--:|--:|--:|--:|--:|");
    for (name, detector) in DETECTORS {
        let cells = [0.02, 0.05, 0.10].map(|size: f64| real::one_step(detector, &series, size));
        let others = cells.iter().map(|cell| cell.1).sum::<f64>() / 3.0;
        let without = real::per_series(series.iter().map(|one| detector(one).len()));
        println!(
            "| {name} | {:.2} | {:.2} | {:.2} | {others:.2} | {without:.2} |",
            cells[0].0, cells[1].0, cells[2].0
        );
    }
}

/// How often one step is found, and how many others are.
fn one_step(detector: Detector, level: Level, size: f64) -> (f64, f64) {
    let mut noise = Noise::new(3);
    let (mut found, mut other) = (0, 0);
    for _ in 0..SERIES {
        let spread = level(&mut noise);
        let at = 10 + noise.below(LENGTH - 20);
        let values: Vec<f64> = (0..LENGTH)
            .map(|index| spread * noise.heavy() + if index < at { 0.0 } else { size.ln_1p() })
            .collect();
        let points = detector(&values);
        let hits = points.iter().filter(|point| point.abs_diff(at) <= CLOSE).count();
        found += usize::from(hits > 0);
        other += points.len() - hits.min(1);
    }
    (rate(found), rate(other))
}

fn correlated(noise: &mut Noise, correlation: f64) -> Vec<f64> {
    let mut previous = 0.0;
    (0..LENGTH)
        .map(|_| {
            previous = correlation * previous + 0.018 * noise.heavy();
            previous
        })
        .collect()
}

fn drifting(noise: &mut Noise, shape: fn(f64) -> f64) -> Vec<f64> {
    (0..LENGTH)
        .map(|index| 0.018 * (shape(rate(index * SERIES / LENGTH)) + noise.heavy()))
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "thousands")]
fn rate(count: usize) -> f64 {
    count as f64 / SERIES as f64
}
