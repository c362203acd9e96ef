//! How long the large cases take.

use std::time::{Duration, Instant};

use bench_analyzer::detect::steps::{StepSettings, segment};

use crate::noise::Noise;

pub(crate) fn print() {
    println!("## Speed of step detection, one thread\n");
    println!("| series | values each | with a step | time |");
    println!("|--:|--:|---|--:|");
    for (series, length, step) in [
        (1000, 100, 0.0),
        (1000, 1000, 0.0),
        (1000, 1000, 0.05),
        (100, 10_000, 0.05),
        (10, 100_000, 0.05),
    ] {
        let time = detect(series, length, step);
        let with = if step > 0.0 { "yes" } else { "no" };
        println!("| {series} | {length} | {with} | {:.2} s |", time.as_secs_f64());
    }
}

fn detect(series: usize, length: usize, step: f64) -> Duration {
    let mut noise = Noise::new(11);
    let mut spent = Duration::ZERO;
    for _ in 0..series {
        let values: Vec<f64> = (0..length)
            .map(|index| 0.018 * noise.heavy() + if 2 * index < length { 0.0 } else { step })
            .collect();
        let start = Instant::now();
        std::hint::black_box(segment(&values, &StepSettings::default()));
        spent += start.elapsed();
    }
    spent
}
