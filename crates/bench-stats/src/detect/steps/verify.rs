//! What a candidate has to survive to be called a step.

use std::ops::Range;

use super::dependence::{Dependence, permuted_p_value};
use super::drift::Surroundings;
use super::separation::separation_p_value;
use super::{Split, StepSettings, bounds, noise, residuals, stretches};
use crate::stats::cusum::{excursion_p_value, largest_excursion};
use crate::stats::mean::to_f64;
use crate::stats::quantile::median;

/// The steps that are left, and what the values between them are like.
pub(super) struct Verified {
    pub(super) splits: Vec<Split>,
    /// Where the level moves on without a step: candidates that turned out to be drift.
    pub(super) bends: Vec<usize>,
    pub(super) autocorrelation: f64,
}

/// Removes candidates that do not hold, one by one, until all do. Of those that fail, the one
/// with the least evidence goes first: without it, its neighbours are judged between longer levels,
/// and a strong step must not be given up for a weak one beside it.
pub(super) fn verified(
    values: &[f64],
    ranks: &[f64],
    mut splits: Vec<Split>,
    settings: &StepSettings,
) -> Verified {
    let mut bends: Vec<usize> = Vec::new();
    loop {
        let levels = bounds(&splits, values.len());
        let near = stretches(&splits, &bends, values.len());
        let residuals_of_levels = residuals(values, &levels);
        let judge = Judge {
            values,
            ranks,
            noise: noise(&residuals_of_levels),
            swing: Dependence::of(&residuals(values, &near)).swing(),
            settings,
        };
        let mut weakest: Option<(usize, f64, Judgement)> = None;
        for (position, wide) in levels.windows(2).enumerate() {
            let at = near.partition_point(|stretch| stretch.start < wide[1].start);
            let candidate = judge.candidate(&near[at - 1..=at], wide);
            let split = &mut splits[position];
            split.sharp = candidate.sharp;
            let judgement = judge.judge(&candidate);
            split.shown =
                matches!(judgement, Judgement::Significance(p_value) if p_value <= settings.alpha);
            if let (true, Judgement::Significance(p_value)) = (split.shown, judgement) {
                split.p_value = p_value;
            } else if !split.held {
                let evidence = judge.evidence(candidate.sides());
                if weakest.is_none_or(|(_, least, _)| evidence < least) {
                    weakest = Some((position, evidence, judgement));
                }
            }
        }
        let Some((position, _, failure)) = weakest else {
            let autocorrelation = Dependence::of(&residuals_of_levels).correlation;
            return Verified { splits, bends, autocorrelation };
        };
        let removed = splits.remove(position);
        if failure == Judgement::Drift {
            let place = bends.partition_point(|bend| *bend < removed.index);
            bends.insert(place, removed.index);
        }
    }
}

/// Kind of a candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Judgement {
    /// Too small to matter.
    Small,
    /// A level that moves all the time.
    Drift,
    /// A step with this probability of being chance.
    Significance(f64),
}

/// The values on both sides of a candidate.
#[derive(Debug)]
struct Sides {
    before: Range<usize>,
    after: Range<usize>,
}

/// A place where the level may change.
#[derive(Debug)]
struct Candidate {
    /// The values up to the next places where the level moves at all.
    near: Sides,
    /// The values up to the next steps.
    wide: Sides,
    /// Whether the level jumps at the very place.
    sharp: bool,
}

impl Candidate {
    /// What it is judged by. A sharp jump is judged by what is near; anything else has to hold up to
    /// the next steps.
    fn sides(&self) -> &Sides {
        if self.sharp { &self.near } else { &self.wide }
    }
}

/// Ground that all candidates are judged by.
struct Judge<'v> {
    values: &'v [f64],
    ranks: &'v [f64],
    noise: f64,
    swing: f64,
    settings: &'v StepSettings,
}

impl Judge<'_> {
    fn candidate(&self, near: &[Range<usize>], wide: &[Range<usize>]) -> Candidate {
        let sides =
            |ranges: &[Range<usize>]| Sides { before: ranges[0].clone(), after: ranges[1].clone() };
        let (near, wide) = (sides(near), sides(wide));
        let sharp = self.surroundings(&near).jump_is_sharp(self.swing);
        Candidate { near, wide, sharp }
    }

    fn judge(&self, candidate: &Candidate) -> Judgement {
        let (sides, wide) = (candidate.sides(), &candidate.wide);
        if self.is_small(&candidate.near) {
            return Judgement::Small;
        }
        // What moves here and is made up for elsewhere is drift too.
        if !candidate.sharp && (self.is_small(wide) || self.surroundings(wide).are_drift()) {
            return Judgement::Drift;
        }
        // Only around the candidate: a wave far away says nothing about neighbours here.
        let around = [sides.before.clone(), sides.after.clone()];
        let mut dependence = Dependence::of(&residuals(self.values, &around));
        if candidate.sharp {
            // Nor does the slope of what follows a jump.
            let straightened = Dependence::of(&self.surroundings(wide).straightened());
            if straightened.correlation < dependence.correlation {
                dependence = straightened;
            }
        }
        Judgement::Significance(self.p_value(sides, dependence))
    }

    fn p_value(&self, sides: &Sides, dependence: Dependence) -> f64 {
        let scores = &self.ranks[sides.before.start..sides.after.end];
        let margin = self.settings.min_segment;
        let Some(excursion) = largest_excursion(scores, margin) else { return 1.0 };
        let size = excursion.size / dependence.inflation().sqrt();
        let alpha = self.settings.alpha;
        let mut p_value = excursion_p_value(size, scores.len(), margin);
        if dependence.real && p_value <= alpha {
            p_value =
                p_value.max(permuted_p_value(scores, excursion.size, dependence, self.settings));
        }
        if p_value <= alpha {
            return p_value;
        }
        // Too few ranks or blocks to be sure, but maybe far enough apart.
        let (before, after) = self.values_of(sides);
        let apart = separation_p_value(before, after, dependence.inflation());
        apart.filter(|apart| *apart <= alpha).unwrap_or(p_value)
    }

    fn is_small(&self, sides: &Sides) -> bool {
        let effect = self.effect(sides).abs();
        effect < self.settings.threshold || effect < self.settings.min_effect * self.noise
    }

    fn values_of(&self, sides: &Sides) -> (&[f64], &[f64]) {
        (&self.values[sides.before.clone()], &self.values[sides.after.clone()])
    }

    fn surroundings(&self, sides: &Sides) -> Surroundings<'_> {
        let (before, after) = self.values_of(sides);
        Surroundings { before, after, noise: self.noise, level: self.settings.min_segment }
    }

    fn effect(&self, sides: &Sides) -> f64 {
        let (before, after) = self.values_of(sides);
        median(&mut after.to_vec()) - median(&mut before.to_vec())
    }

    /// The difference of the levels in standard errors, were neighbours independent and the noise
    /// one.
    fn evidence(&self, sides: &Sides) -> f64 {
        let widths = 1.0 / to_f64(sides.before.len()) + 1.0 / to_f64(sides.after.len());
        self.effect(sides).abs() / widths.sqrt()
    }
}
