//! Steps that were found before, beside what the values show now.
//!
//! A step that jumped at its very place holds: it stays where it was found, and only a person
//! withdraws it. One without a jump was told from many values together, and more values may tell it
//! to have been drift; then it stays listed, with that as the reason for which it counts no more.

use std::ops::Range;

use super::{ChangePoint, News, SeriesChanges, relative_change};
use crate::detect::steps::{Held, Step};
use crate::detect::verdict::Verdict;
use crate::model::{FoundStep, TimelinePoint, Withdrawal};

/// The steps of a series that were found before, by the place of their first run.
#[derive(Debug)]
pub(super) struct Remembered<'m> {
    /// In the order of places.
    left: Vec<(usize, &'m FoundStep)>,
}

impl<'m> Remembered<'m> {
    /// Those among some points that are of interest: a threshold that was raised since counts for what was
    /// found before too.
    pub(super) fn among(points: &[TimelinePoint], found: &[&'m FoundStep], threshold: f64) -> Self {
        let place = |one: &FoundStep| points.iter().position(|point| point.runs.contains(&one.run));
        let mut left: Vec<(usize, &FoundStep)> = found
            .iter()
            .filter(|one| size(one.before, one.after).abs() >= threshold)
            .filter_map(|one| Some((place(one)?, *one)))
            .collect();
        left.sort_by_key(|(place, _)| *place);
        Self { left }
    }

    /// Those that hold their place among some points.
    pub(super) fn held(&self, points: Range<usize>) -> Vec<Held> {
        self.left
            .iter()
            .filter(|(place, one)| points.contains(place) && one.sharp && one.withdrawn.is_none())
            .map(|(place, one)| Held { index: place - points.start, p_value: one.p_value })
            .collect()
    }

    /// The one that is nearest to a step, if it may be the same.
    pub(super) fn take(&mut self, index: usize, tolerance: usize) -> Option<&'m FoundStep> {
        let nearest = (0..self.left.len())
            .filter(|&at| self.left[at].0.abs_diff(index) <= tolerance)
            .min_by_key(|&at| self.left[at].0.abs_diff(index))?;
        Some(self.left.remove(nearest).1)
    }
}

impl ChangePoint {
    /// Turns the change into one that was found before.
    pub(super) fn found_before(self, found: &FoundStep) -> Self {
        let by_values = found.withdrawn.as_ref().is_some_and(|one| one.author.is_none());
        let withdrawn = if self.shown && by_values {
            // The values show it again.
            None
        } else if self.shown || found.withdrawn.is_some() {
            found.withdrawn.clone()
        } else {
            self.reverted(found)
        };
        let sharp = self.sharp || found.sharp;
        let revised = sharp != found.sharp || withdrawn != found.withdrawn;
        Self {
            found_at: Some(found.found_at),
            found_as: found.run,
            news: if revised { News::Revised } else { News::None },
            withdrawn,
            sharp,
            provisional: false,
            ..self
        }
    }

    /// What speaks against a step that was found and is shown no more: that most of it is gone.
    fn reverted(&self, found: &FoundStep) -> Option<Withdrawal> {
        let (then, now) = (size(found.before, found.after), size(self.before, self.after));
        (now * then.signum() < then.abs() / 2.0).then(|| by_values("its level went back since"))
    }
}

impl SeriesChanges {
    /// Adds what was found before and is neither shown nor held now.
    pub(super) fn add_withdrawn(&mut self, remembered: Remembered<'_>) {
        for (index, found) in remembered.left {
            let step = Step {
                index,
                before: found.before,
                after: found.after,
                p_value: found.p_value,
                provisional: false,
                sharp: found.sharp,
                shown: false,
            };
            let withdrawn = found.withdrawn.clone().unwrap_or_else(|| {
                by_values("with what was measured since, no step is seen here: its level moves on")
            });
            let revised = found.withdrawn.is_none();
            let change = ChangePoint {
                found_at: Some(found.found_at),
                found_as: found.run,
                news: if revised { News::Revised } else { News::None },
                withdrawn: Some(withdrawn),
                change: relative_change(found.before, found.after),
                verdict: Verdict::of_change(
                    self.timeline.series.direction,
                    found.after - found.before,
                ),
                ..self.change_point(&step)
            };
            self.change_points.push(change);
        }
        self.change_points.sort_by_key(|change| change.index);
    }
}

/// How large a step is: a log ratio, or a difference where a level is zero.
fn size(before: f64, after: f64) -> f64 {
    if before > 0.0 && after > 0.0 { (after / before).ln() } else { after - before }
}

/// A withdrawal that follows from the values.
fn by_values(reason: &str) -> Withdrawal {
    Withdrawal { reason: reason.to_owned(), author: None, withdrawn_at: None }
}
