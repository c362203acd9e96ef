//! Candidates for steps, by significance under the assumption that values are independent.

use std::ops::Range;

use super::separation::{separated, separation_p_value};
use super::{Split, StepSettings, stretches};
use crate::stats::cusum::{excursion_p_value, largest_excursion};
use crate::stats::mean::to_f64;
use crate::stats::quantile::median;

/// All splits that the search finds, in order.
pub(super) fn candidates(values: &[f64], ranks: &[f64], settings: &StepSettings) -> Vec<Split> {
    let mut found = Vec::new();
    let mut open: Vec<Range<usize>> = Vec::new();
    open.push(0..ranks.len());
    while let Some(range) = open.pop() {
        if let Some(split) = best_split(values, ranks, &range, settings) {
            open.push(range.start..split.index);
            open.push(split.index..range.end);
            found.push(split);
        }
    }
    found.sort_by_key(|split| split.index);
    found
}

/// The most significant split of a range, if it is significant: half of the error rate is spent
/// on the range as a whole, and half on windows inside it.
fn best_split(
    values: &[f64],
    ranks: &[f64],
    range: &Range<usize>,
    settings: &StepSettings,
) -> Option<Split> {
    let whole = split_of(ranks, range.clone(), settings.min_segment)?;
    let half = settings.alpha / 2.0;
    if whole.p_value <= half {
        return Some(whole);
    }
    let apart_in = |window: Range<usize>| {
        let apart = separated(&values[window.clone()], settings)?;
        Some(Split { index: window.start + apart.index, ..apart })
    };
    if let Some(apart) = apart_in(range.clone()).filter(|apart| apart.p_value <= half) {
        return Some(apart);
    }
    let layers = Layers::of(range, settings.min_segment);
    let looks = to_f64(layers.lengths.len());
    layers
        .windows()
        .flat_map(|(window, siblings)| {
            // The ranks are those of all values: levels far away leave those in a window too close together.
            let found = [split_of(ranks, window.clone(), settings.min_segment), apart_in(window)];
            found.into_iter().flatten().map(move |split| Split {
                p_value: split.p_value * to_f64(siblings) * looks,
                ..split
            })
        })
        .chain(jump(values, range, settings))
        .filter(|split| split.p_value <= half)
        .min_by(|a, b| a.p_value.total_cmp(&b.p_value))
}

/// The place of a range where the nearest values on both sides are farthest apart. Windows lie where
/// they lie, and what comes and goes within one hides from it.
fn jump(values: &[f64], range: &Range<usize>, settings: &StepSettings) -> Option<Split> {
    // With fewer values, what is seldom but comes in pairs or threes would be a level.
    let near = 2 * settings.min_segment;
    let places = range.start + near..=range.end.saturating_sub(near);
    let looks = to_f64(range.len());
    let apart = places.filter_map(|at| {
        let p_value = separation_p_value(&values[at - near..at], &values[at..at + near], 1.0)?;
        Some(Split::candidate(at, p_value * looks))
    });
    apart.min_by(|a, b| a.p_value.total_cmp(&b.p_value))
}

/// Moves every split to where the values on both sides are nearest to their own level (least
/// absolute deviations). Ranks find that there is a step, but once two levels do not overlap they
/// cannot tell its place exactly: the excursion favours the middle.
pub(super) fn refine(
    values: &[f64],
    splits: &mut [Split],
    bends: &[usize],
    settings: &StepSettings,
) {
    for position in 0..splits.len() {
        // What the values do not show has no place but the one where it was found.
        if !splits[position].shown {
            continue;
        }
        let ranges = stretches(splits, bends, values.len());
        let at = ranges.partition_point(|range| range.start < splits[position].index);
        let (before, after) = (&ranges[at - 1], &ranges[at]);
        let level = |range: &Range<usize>| median(&mut values[range.clone()].to_vec());
        let (old, new) = (level(before), level(after));
        let movable = before.start + settings.min_segment
            ..(after.end + 1).saturating_sub(settings.min_segment);
        let mut gain = 0.0;
        let mut best = (f64::NEG_INFINITY, splits[position].index);
        for (index, value) in (before.start..).zip(&values[before.start..after.end]) {
            if movable.contains(&index) && gain > best.0 {
                best = (gain, index);
            }
            gain += (value - new).abs() - (value - old).abs();
        }
        splits[position].index = best.1;
    }
}

fn split_of(ranks: &[f64], range: Range<usize>, min_segment: usize) -> Option<Split> {
    let excursion = largest_excursion(&ranks[range.clone()], min_segment)?;
    let p_value = excursion_p_value(excursion.size, range.len(), min_segment);
    Some(Split::candidate(range.start + excursion.split, p_value))
}

/// Windows of half, a quarter, ... of a range, each layer overlapping by half.
struct Layers {
    range: Range<usize>,
    lengths: Vec<usize>,
}

impl Layers {
    fn of(range: &Range<usize>, min_segment: usize) -> Self {
        // A window needs twice the margin on both sides for any split to become significant.
        let shortest = 4 * min_segment;
        let lengths = std::iter::successors(Some(range.len() / 2), |length| Some(length / 2))
            .take_while(|&length| length >= shortest)
            .collect();
        Self { range: range.clone(), lengths }
    }

    /// Every window, and how many there are in its layer.
    fn windows(&self) -> impl Iterator<Item = (Range<usize>, usize)> + '_ {
        self.lengths.iter().flat_map(|&length| {
            let shift = length / 2;
            let last = self.range.end - length;
            let starts: Vec<usize> =
                (self.range.start..last).step_by(shift).chain(std::iter::once(last)).collect();
            let siblings = starts.len();
            starts.into_iter().map(move |start| (start..start + length, siblings))
        })
    }
}
