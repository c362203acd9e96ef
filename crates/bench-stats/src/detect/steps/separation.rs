//! Levels that are so far apart that no order of ranks has to be counted.
//!
//! Ranks cannot tell a doubling from a change by one percent: four values after twelve say no more
//! than that they are the four largest. How far out they are says the rest.

use super::{Split, StepSettings};
use crate::stats::mean::to_f64;
use crate::stats::outliers::OUTLYING_Z;
use crate::stats::quantile::{MAD_TO_SIGMA, median, median_absolute_deviation};

/// With fewer values on the longer side, nobody knows what is far.
const AT_LEAST: usize = 8;

/// How often a single value lies this far out on one side: with tails as heavy as those of Student's
/// t with three degrees of freedom, which measured series have.
const OUTLYING: f64 = 0.015;

/// The split between two levels of which every value is far from every value of the other.
pub(super) fn separated(values: &[f64], settings: &StepSettings) -> Option<Split> {
    let n = values.len();
    let margin = settings.min_segment;
    if n < AT_LEAST + margin {
        return None;
    }
    let extremes = |so_far: &mut (f64, f64), value: &f64| {
        *so_far = (so_far.0.min(*value), so_far.1.max(*value));
        Some(*so_far)
    };
    let none = (f64::INFINITY, f64::NEG_INFINITY);
    let heads: Vec<(f64, f64)> = values.iter().scan(none, extremes).collect();
    let mut tails: Vec<(f64, f64)> = values.iter().rev().scan(none, extremes).collect();
    tails.reverse();
    let gap = |at: usize| (tails[at].0 - heads[at - 1].1).max(heads[at - 1].0 - tails[at].1);
    let at = (margin..=n - margin).max_by(|a, b| gap(*a).total_cmp(&gap(*b)))?;
    let p_value = separation_p_value(&values[..at], &values[at..], 1.0)?;
    Some(Split::candidate(at, p_value))
}

/// The probability that the shorter of two sides lies as far out by chance, wherever the split is;
/// `None` unless the two are far apart as a whole. Where neighbours depend on each other, so many of
/// them as `inflation` says count as one.
pub(super) fn separation_p_value(before: &[f64], after: &[f64], inflation: f64) -> Option<f64> {
    let (shorter, longer) =
        if before.len() < after.len() { (before, after) } else { (after, before) };
    if longer.len() < AT_LEAST {
        return None;
    }
    let least = |side: &[f64]| side.iter().copied().fold(f64::INFINITY, f64::min);
    let most = |side: &[f64]| side.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let gap = (least(after) - most(before)).max(least(before) - most(after));
    if gap <= 0.0 {
        return None;
    }
    let spread =
        |side: &[f64]| MAD_TO_SIGMA * median_absolute_deviation(side, median(&mut side.to_vec()));
    let scale = spread(longer).max(spread(shorter));
    if gap < OUTLYING_Z * scale {
        return None;
    }
    let chance = OUTLYING.powf(to_f64(shorter.len()) / inflation);
    Some((to_f64(before.len() + after.len()) * chance).min(1.0))
}
