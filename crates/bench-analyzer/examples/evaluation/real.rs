//! Series that were measured: medians of forty small C programs' kernels (arithmetic, memory,
//! system calls, threads) in a hundred processes each, one process after the other, on a virtual
//! machine with two processors that compiled other programs at the same time.

use crate::steps::{CLOSE, Detector, LENGTH};

/// One kernel a line: its name, then the medians in nanoseconds in the order of time.
const MEASURED: &str = include_str!("real.csv");

/// Where steps are put.
pub(crate) const PLACES: [usize; 5] = [15, 30, 50, 70, 85];

/// The logarithms of all series.
pub(crate) fn series() -> Vec<Vec<f64>> {
    let values = |line: &str| {
        let values: Vec<f64> = line
            .split(',')
            .skip(1)
            .filter_map(|text| text.parse::<f64>().ok())
            .map(f64::ln)
            .collect();
        assert_eq!(values.len(), LENGTH, "every line has as many values");
        values
    };
    MEASURED.lines().map(values).collect()
}

/// How often one step is found, and how many other points are.
pub(crate) fn one_step(detector: Detector, series: &[Vec<f64>], size: f64) -> (f64, f64) {
    let (mut found, mut other, mut all) = (0, Vec::new(), 0);
    for values in series {
        for at in PLACES {
            let mut stepped = values.clone();
            stepped[at..].iter_mut().for_each(|value| *value += size.ln_1p());
            let points = detector(&stepped);
            let hits = points.iter().filter(|point| point.abs_diff(at) <= CLOSE).count();
            found += usize::from(hits > 0);
            other.push(points.len() - hits.min(1));
            all += 1;
        }
    }
    (
        per_series(std::iter::repeat_n(1, found).chain(std::iter::repeat_n(0, all - found))),
        per_series(other),
    )
}

/// The mean of counts.
#[expect(clippy::cast_precision_loss, reason = "thousands")]
pub(crate) fn per_series(counts: impl IntoIterator<Item = usize>) -> f64 {
    let counts: Vec<usize> = counts.into_iter().collect();
    counts.iter().sum::<usize>() as f64 / counts.len() as f64
}
