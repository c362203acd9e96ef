//! How far the latest level of a history is from a place in it that stays.

use super::SeriesChanges;
use crate::detect::reference::{LEVEL, Reference, SinceReference};
use crate::detect::steps::{StepSettings, inflation};
use crate::detect::verdict::Verdict;
use crate::stats::difference::t_quantile;
use crate::stats::mean::to_f64;
use crate::stats::quantile::{MAD_TO_SIGMA, median};
use crate::stats::trend::deviations_from_line;

/// With fewer points, nobody knows the noise.
const AT_LEAST: usize = 12;

impl SeriesChanges {
    /// How the latest level differs from that of a reference; `None` if the machine that measured last
    /// never measured it, or if too little is known.
    pub fn since(&self, reference: &Reference, settings: &StepSettings) -> Option<SinceReference> {
        let start = *self.epochs.last()?;
        let epoch = &self.timeline.points[start..];
        if epoch.len() < AT_LEAST || epoch.iter().any(|point| point.value <= 0.0) {
            return None;
        }
        let logs: Vec<f64> = epoch.iter().map(|point| point.value.ln()).collect();
        let places = reference.places(epoch);
        let at = *places.last()?;
        let steps: Vec<(usize, f64)> = self
            .change_points
            .iter()
            .filter(|one| one.index > start && !one.provisional && one.withdrawn.is_none())
            .map(|one| (one.index - start, (one.after / one.before).ln()))
            .collect();
        let last_step = steps.last().map_or(0, |(index, _)| *index);
        // The latest level begins with the latest step, but for one that is too young to be a level.
        let first = logs.len().saturating_sub(LEVEL).max(at + 1);
        let first = if logs.len() - last_step >= settings.min_segment {
            first.max(last_step)
        } else {
            first
        };
        let latest = logs.get(first..).filter(|latest| !latest.is_empty())?;
        let mut old: Vec<f64> = places.iter().map(|&place| logs[place]).collect();
        let widths = 1.0 / to_f64(old.len()) + 1.0 / to_f64(latest.len());
        let (before, after) = (median(&mut old), median(&mut latest.to_vec()));
        let deviations = deviations_between(&logs, &steps);
        let mut sizes: Vec<f64> = deviations.iter().map(|one| one.abs()).collect();
        let noise = MAD_TO_SIGMA * median(&mut sizes);
        // The standard error of a median is 1.2533 times that of a mean.
        let error = 1.2533 * noise * (widths * inflation(&deviations)).sqrt();
        let level = 1.0 - settings.alpha;
        let reach = error * t_quantile(f64::midpoint(1.0, level), to_f64(logs.len() - 2));
        let explained: f64 =
            steps.iter().filter(|(index, _)| *index > at).map(|(_, size)| size).sum();
        let direction = self.timeline.series.direction;
        let verdict = |moved: f64| {
            if moved.abs() > reach && moved.abs() >= settings.threshold {
                Verdict::of_change(direction, moved)
            } else {
                Verdict::Unchanged
            }
        };
        let around = |moved: f64| ((moved - reach).exp_m1(), (moved + reach).exp_m1());
        let whole = after - before;
        let rest = whole - explained;
        Some(SinceReference {
            reference: reference.name().to_owned(),
            at: start + at,
            before: before.exp(),
            after: after.exp(),
            change: whole.exp_m1(),
            interval: around(whole),
            level,
            beside_steps: rest.exp_m1(),
            beside_steps_interval: around(rest),
            verdict: verdict(whole),
            beside_steps_verdict: verdict(rest),
        })
    }
}

/// The deviations of values from lines between steps: noise, without what moves slowly.
fn deviations_between(logs: &[f64], steps: &[(usize, f64)]) -> Vec<f64> {
    let starts = std::iter::once(0).chain(steps.iter().map(|(index, _)| *index));
    let ends = steps.iter().map(|(index, _)| *index).chain(std::iter::once(logs.len()));
    starts.zip(ends).flat_map(|(start, end)| deviations_from_line(&logs[start..end])).collect()
}

#[cfg(test)]
mod tests;
