//! The end of a series, where too few values follow to tell a step from a spike.

use std::ops::Range;

use super::{Step, StepSettings};
use crate::stats::outliers::OUTLYING_Z;
use crate::stats::quantile::{MAD_TO_SIGMA, median, median_absolute_deviation};

/// How many values there have to be before the newest ones: with fewer, nobody knows what is far.
pub const VALUES_BEFORE: usize = 8;

/// A step that may have happened just now: the last values, fewer than make a level, all lie
/// far out on the same side of the last level.
pub(super) fn provisional(
    values: &[f64],
    last: Range<usize>,
    settings: &StepSettings,
) -> Option<Step> {
    (1..settings.min_segment).rev().find_map(|count| {
        let index = last.end.checked_sub(count)?;
        if index < last.start + VALUES_BEFORE {
            return None;
        }
        let level = &values[last.start..index];
        let before = median(&mut level.to_vec());
        let scale = MAD_TO_SIGMA * median_absolute_deviation(level, before);
        let after = median(&mut values[index..last.end].to_vec());
        let side = (after - before).signum();
        let far = values[index..last.end].iter().all(|value| {
            let distance = (value - before) * side;
            distance > OUTLYING_Z * scale && distance > settings.threshold
        });
        let p_value = settings.alpha;
        far.then_some(Step {
            index,
            before,
            after,
            p_value,
            provisional: true,
            sharp: false,
            shown: true,
        })
    })
}
