//! Finds where the level of a series of values changed for good.
//!
//! The series is searched for splits at which the ranks before and after differ most, in the
//! whole and in nested windows, so that a level that comes and goes is found as well (seeded
//! binary segmentation of Kovács, Bühlmann, Li and Munk, *Seeded Binary Segmentation*, 2023).
//! Significance is that of the search, not of the split alone: see
//! [`excursion_p_value`](crate::stats::cusum::excursion_p_value).
//!
//! Every candidate then has to survive what makes series look stepped without a step:
//!
//! - neighbouring values that depend on each other: the excursion is measured in the standard
//!   errors of an autocorrelated series, and must be rare among block permutations;
//! - drift: a smooth curve must not explain the values better, and the level has to change near
//!   the split, not over the whole neighbourhood. A sharp jump at the very place overrules that;
//! - moves that nobody cares about: smaller than half of the noise or the practical threshold.
//!
//! Candidates are removed one by one, the least evidence first, and the rest is judged again each
//! time. Where one turns out to be drift, the level bends: what lies beyond is not held against a
//! sharp jump beside it.

mod dependence;
mod drift;
mod search;
mod separation;
mod tail;
mod verify;

pub use tail::VALUES_BEFORE;

use std::ops::Range;

use serde::Serialize;

use self::dependence::Dependence;
use self::verify::Verified;
use crate::stats::cusum::midranks;
use crate::stats::outliers::outlying;
use crate::stats::quantile::{MAD_TO_SIGMA, median, median_absolute_deviation};

/// Rules for what counts as a step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StepSettings {
    /// The probability that a series without any change shows a step.
    pub alpha: f64,
    /// The fewest values that make a level; shorter excursions are spikes.
    pub min_segment: usize,
    /// The smallest step, in standard deviations of the noise around the levels.
    pub min_effect: f64,
    /// The smallest step as a log ratio.
    pub threshold: f64,
}

impl Default for StepSettings {
    /// One series in a hundred may show a false step; three values can be a bad day, four are a
    /// level; half a standard deviation is the least that an eye could see; one percent is
    /// the practical threshold of comparisons.
    fn default() -> Self {
        Self { alpha: 0.01, min_segment: 4, min_effect: 0.5, threshold: 0.01_f64.ln_1p() }
    }
}

/// A lasting change of level.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Step {
    /// The first value of the new level.
    pub index: usize,
    /// The median before, back to where the level last moved.
    pub before: f64,
    /// The median after, up to where it next moves.
    pub after: f64,
    /// The probability of such a step somewhere around here without any change.
    pub p_value: f64,
    /// Whether too few values follow to exclude that it reverts.
    pub provisional: bool,
    /// Whether the level jumps at the very place by more than noise and the slopes around it
    /// explain. Of these, hardly any turns out to be drift when more values are known.
    pub sharp: bool,
    /// Whether the values show it now. One that was [`Held`] may be shown no more.
    pub shown: bool,
}

/// A value far from its level that did not stay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spike {
    /// Which value.
    pub index: usize,
    /// Its distance from its level in robust standard deviations.
    pub score: f64,
}

/// Neighbouring values far from their level that did not stay, and are too few to be a level.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Excursion {
    /// The first of them.
    pub first: usize,
    /// The last of them.
    pub last: usize,
    /// The distance of the farthest from the level, in robust standard deviations.
    pub score: f64,
}

/// What a series looks like.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Segmentation {
    /// Its steps, in order.
    pub steps: Vec<Step>,
    /// Its spikes, in order: single values.
    pub spikes: Vec<Spike>,
    /// Its excursions, in order: several values in a row.
    pub excursions: Vec<Excursion>,
    /// The correlation of neighbouring values around their levels.
    pub autocorrelation: f64,
}

/// A step that was found when fewer values were known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Held {
    /// The first value of the new level, as it was seen then.
    pub index: usize,
    /// How likely such a step was by chance.
    pub p_value: f64,
}

/// Finds the steps and spikes of `values`, which should be logarithms of what was measured, in
/// the order of time. The same values always give the same answer.
pub fn segment(values: &[f64], settings: &StepSettings) -> Segmentation {
    segment_beside(values, &[], settings)
}

/// [`segment`], beside steps that were found before, in their order. They stay, wherever the rest
/// would have them, and are levels that the rest is judged by.
pub fn segment_beside(values: &[f64], held: &[Held], settings: &StepSettings) -> Segmentation {
    let ranks = midranks(values);
    let mut candidates = search::candidates(values, &ranks, settings);
    search::refine(values, &mut candidates, &[], settings);
    hold(&mut candidates, held, values.len(), settings);
    let Verified { mut splits, bends, autocorrelation } =
        verify::verified(values, &ranks, candidates, settings);
    search::refine(values, &mut splits, &bends, settings);
    let mut steps: Vec<Step> = Vec::with_capacity(splits.len());
    let levels = bounds(&splits, values.len());
    let near = stretches(&splits, &bends, values.len());
    let level = |range: &Range<usize>| median(&mut values[range.clone()].to_vec());
    for split in splits {
        let at = near.partition_point(|range| range.start < split.index);
        steps.push(Step {
            index: split.index,
            before: level(&near[at - 1]),
            after: level(&near[at]),
            p_value: split.p_value,
            provisional: false,
            sharp: split.sharp,
            shown: split.shown,
        });
    }
    let last = levels.last().cloned().unwrap_or(0..0);
    let provisional = tail::provisional(values, last, settings);
    let (mut spikes, mut excursions) = spikes(values, &levels);
    if let Some(step) = provisional {
        spikes.retain(|spike| spike.index < step.index);
        excursions.retain(|one| one.last < step.index);
        steps.push(step);
    }
    Segmentation { steps, spikes, excursions, autocorrelation }
}

/// A place where the level may change, and how surely it does.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Split {
    index: usize,
    p_value: f64,
    sharp: bool,
    /// Whether it was found before, so that it stays whatever the values say now.
    held: bool,
    /// Whether the values show it now.
    shown: bool,
}

impl Split {
    fn candidate(index: usize, p_value: f64) -> Self {
        Self { index, p_value, sharp: false, held: false, shown: true }
    }
}

/// By how much sums of these deviations from a level or line vary more than sums of independent values,
/// because neighbours depend on each other.
pub(crate) fn inflation(deviations: &[f64]) -> f64 {
    Dependence::of(deviations).inflation()
}

/// How far a step may be located from where it was first seen and still be the same: as many values
/// as do not yet make a level of their own.
pub fn tolerance(settings: &StepSettings) -> usize {
    settings.min_segment - 1
}

/// Adds to the candidates those that were found before, each in place of the nearest one that may be
/// the same.
fn hold(candidates: &mut Vec<Split>, held: &[Held], length: usize, settings: &StepSettings) {
    for one in held.iter().filter(|one| (1..length).contains(&one.index)) {
        let same = (0..candidates.len())
            .filter(|&at| !candidates[at].held)
            .filter(|&at| candidates[at].index.abs_diff(one.index) <= tolerance(settings))
            .min_by_key(|&at| candidates[at].index.abs_diff(one.index));
        let place = candidates.partition_point(|split| split.index < one.index);
        if let Some(same) = same {
            candidates[same].held = true;
        } else if candidates.get(place).is_none_or(|split| split.index != one.index) {
            let split = Split { held: true, ..Split::candidate(one.index, one.p_value) };
            candidates.insert(place, split);
        }
    }
}

/// The ranges between splits.
fn bounds(splits: &[Split], length: usize) -> Vec<Range<usize>> {
    stretches(splits, &[], length)
}

/// The ranges between splits and bends: what is one level, as far as anybody can see.
fn stretches(splits: &[Split], bends: &[usize], length: usize) -> Vec<Range<usize>> {
    let mut cuts: Vec<usize> =
        splits.iter().map(|split| split.index).chain(bends.iter().copied()).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let starts = std::iter::once(0).chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain(std::iter::once(length));
    starts.zip(ends).map(|(start, end)| start..end).collect()
}

/// The values far from their levels: those that stand alone, and those in a row on one side.
fn spikes(values: &[f64], bounds: &[Range<usize>]) -> (Vec<Spike>, Vec<Excursion>) {
    /// Below this, most values being close together makes any other look far.
    const AT_LEAST: usize = 8;
    /// Of so many levels without any, one has a spike.
    const BY_CHANCE: f64 = 0.005;
    let (mut spikes, mut excursions) = (Vec::new(), Vec::new());
    for range in bounds.iter().filter(|range| range.len() >= AT_LEAST) {
        let far = outlying(&values[range.clone()], BY_CHANCE);
        let in_a_row =
            |a: &(usize, f64), b: &(usize, f64)| b.0 == a.0 + 1 && a.1.signum() == b.1.signum();
        for row in far.chunk_by(in_a_row) {
            let (first, last) = (range.start + row[0].0, range.start + row[row.len() - 1].0);
            let score = row.iter().map(|one| one.1).max_by(|a, b| a.abs().total_cmp(&b.abs()));
            let score = score.unwrap_or_default();
            if first == last {
                spikes.push(Spike { index: first, score });
            } else {
                excursions.push(Excursion { first, last, score });
            }
        }
    }
    (spikes, excursions)
}

/// The deviations of values from the medians of their levels.
fn residuals(values: &[f64], bounds: &[Range<usize>]) -> Vec<f64> {
    let mut residuals = Vec::with_capacity(values.len());
    for range in bounds {
        let level = median(&mut values[range.clone()].to_vec());
        residuals.extend(values[range.clone()].iter().map(|value| value - level));
    }
    residuals
}

/// The robust standard deviation of residuals.
fn noise(residuals: &[f64]) -> f64 {
    MAD_TO_SIGMA * median_absolute_deviation(residuals, 0.0)
}

#[cfg(test)]
mod tests;
