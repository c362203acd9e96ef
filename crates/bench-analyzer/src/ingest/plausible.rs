//! Which numbers of a file can have been measured.
//!
//! Numbers are kept as floats, which hold every whole number up to 2^53. What is counted beyond that is
//! another number here than in its file, so it is not believed; nobody has waited for as many iterations
//! either.

use bench_stats::model::{Exactness, InvalidSamples, Sample, Series, Throughput};

/// The largest count that is believed, 2^53.
const MOST: u64 = 1 << 53;

/// Why a number is not believed.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub(super) enum Implausible {
    /// No clock and no counter gives it.
    #[error(transparent)]
    Sample(#[from] InvalidSamples),
    /// It cannot be divided by.
    #[error("{0} is not a number of iterations")]
    Iterations(f64),
    /// It is counted, and its last digits would be lost.
    #[error("{0:?} is more than can be counted exactly (2^53)")]
    Counted(f64),
    /// No iteration does as much.
    #[error("an iteration handles no {0} of anything (at most 2^53)")]
    Work(u64),
}

/// A sample from the two numbers that a file gives; `index` is its place among others of `series`.
pub(super) fn sample(
    series: &Series,
    index: usize,
    iterations: f64,
    total: f64,
) -> Result<Sample, Implausible> {
    #[expect(clippy::cast_precision_loss, reason = "a power of two")]
    let most = MOST as f64;
    if iterations.fract() != 0.0 || !(1.0..=most).contains(&iterations) {
        return Err(Implausible::Iterations(iterations));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked above to be whole and in range"
    )]
    let sample = Sample { iterations: iterations as u64, total };
    check(series, series.metric.exactness(), sample, index)?;
    Ok(sample)
}

/// Whether a sample can have been measured.
pub(super) fn check(
    series: &Series,
    exactness: Exactness,
    sample: Sample,
    index: usize,
) -> Result<(), Implausible> {
    sample.check(index)?;
    if series.metric.is_time() && sample.total == 0.0 {
        return Err(InvalidSamples::ZeroTime { index }.into());
    }
    #[expect(clippy::cast_precision_loss, reason = "what is beyond 2^53 is refused whatever it is")]
    let (most, iterations) = (MOST as f64, sample.iterations as f64);
    if sample.iterations > MOST {
        return Err(Implausible::Iterations(iterations));
    }
    // 2^53 itself may be the number after it, which no float holds.
    if exactness == Exactness::Exact && sample.total >= most {
        return Err(Implausible::Counted(sample.total));
    }
    Ok(())
}

/// Whether an iteration can have handled as much.
pub(super) fn check_work(work: Throughput) -> Result<(), Implausible> {
    if work.amount > MOST { Err(Implausible::Work(work.amount)) } else { Ok(()) }
}
