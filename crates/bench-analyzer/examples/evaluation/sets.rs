//! Sets of series for several detectors: ours and PELT here, others from their own packages by
//! `peers.py`, which reads what `evaluation series` prints.

use crate::noise::Noise;

/// One series and where it steps.
pub(crate) struct Sample {
    pub(crate) steps: Vec<usize>,
    pub(crate) values: Vec<f64>,
}

/// Series of one kind.
pub(crate) struct Set {
    pub(crate) name: &'static str,
    pub(crate) samples: Vec<Sample>,
}

/// How many series a set has.
const SERIES: usize = 300;
const LENGTH: usize = 100;
const SPREAD: f64 = 0.018;

type Kind = fn(&mut Noise) -> Sample;

const KINDS: [(&str, Kind); 12] = [
    ("+2% in noise of 1.8%", |noise| one_step(noise, 0.02, SPREAD, LENGTH, 10)),
    ("+5%", |noise| one_step(noise, 0.05, SPREAD, LENGTH, 10)),
    ("+10%", |noise| one_step(noise, 0.10, SPREAD, LENGTH, 10)),
    ("doubling in 16 values, noise of 1%", |noise| one_step(noise, 1.0, 0.01, 16, 4)),
    ("doubling in 24 values, noise of 1%", |noise| one_step(noise, 1.0, 0.01, 24, 4)),
    ("steps, then a rise that levels off", eventful),
    ("no step", |noise| without_step(dependent(noise, 0.0))),
    ("no step, autocorrelation 0.3", |noise| without_step(dependent(noise, 0.3))),
    ("no step, autocorrelation 0.6", |noise| without_step(dependent(noise, 0.6))),
    ("no step, autocorrelation 0.8", |noise| without_step(dependent(noise, 0.8))),
    ("steady drift, 5 sd over the series", |noise| {
        let drift = |index: usize| 5.0 * SPREAD * place(index, LENGTH);
        without_step((0..LENGTH).map(|index| drift(index) + SPREAD * noise.heavy()).collect())
    }),
    ("ten parts of 0.8%, noise of 1%", |noise| {
        let part = |index: usize| 0.008_f64.ln_1p() * count(index / 10);
        without_step((0..LENGTH).map(|index| part(index) + 0.01 * noise.heavy()).collect())
    }),
];

/// All sets, the same every time.
pub(crate) fn all() -> Vec<Set> {
    KINDS
        .iter()
        .map(|(name, kind)| {
            let mut noise = Noise::new(11);
            Set { name, samples: (0..SERIES).map(|_| kind(&mut noise)).collect() }
        })
        .collect()
}

/// Prints every series in a line: its set, where it steps, its values as ratios.
pub(crate) fn print() {
    for set in all() {
        for Sample { steps, values } in set.samples {
            let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
            let values: Vec<String> = values.iter().map(|value| value.exp().to_string()).collect();
            println!("{};{};{}", set.name, steps.join(","), values.join(","));
        }
    }
}

fn one_step(noise: &mut Noise, size: f64, spread: f64, length: usize, margin: usize) -> Sample {
    let at = margin + noise.below(length - 2 * margin);
    let level = |index: usize| if index < at { 0.0 } else { size.ln_1p() };
    let values = (0..length).map(|index| level(index) + spread * noise.heavy()).collect();
    Sample { steps: vec![at], values }
}

/// 365 values with two large steps and a small one, then a rise that levels off, over noise whose
/// neighbours depend on each other a little: the shape of a database's public history.
pub(crate) fn eventful(noise: &mut Noise) -> Sample {
    const STEPS: [(usize, f64); 3] = [(15, -0.12), (71, 0.16), (95, -0.045)];
    let mut dependent = 0.0;
    let values = (0..365_usize)
        .map(|index| {
            dependent = 0.3 * dependent + 0.008 * noise.heavy();
            let level: f64 =
                STEPS.iter().filter(|(at, _)| index >= *at).map(|(_, size)| size).sum();
            let rise = 0.05 * place(index.saturating_sub(110).min(110), 110);
            level + rise + dependent
        })
        .collect();
    Sample { steps: STEPS.map(|(at, _)| at).to_vec(), values }
}

pub(crate) fn dependent(noise: &mut Noise, correlation: f64) -> Vec<f64> {
    let mut previous = 0.0;
    (0..LENGTH + 30)
        .map(|_| {
            previous = correlation * previous + SPREAD * noise.heavy();
            previous
        })
        .skip(30)
        .collect()
}

pub(crate) fn without_step(values: Vec<f64>) -> Sample {
    Sample { steps: Vec::new(), values }
}

fn place(index: usize, length: usize) -> f64 {
    count(index) / count(length)
}

#[expect(clippy::cast_precision_loss, reason = "hundreds")]
fn count(number: usize) -> f64 {
    number as f64
}
