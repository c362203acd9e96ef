//! What counts as a change, and how sure one has to be.

use serde::Serialize;

use crate::detect::steps::StepSettings;
use crate::model::{Series, Unit};
use crate::stats::difference::Rule;
use crate::stats::spending::Plan;
use crate::stats::spread::Spread;

pub use super::pattern::Pattern;

/// The rules of a comparison. The defaults are argued for field by field.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// Relative changes inside this are of no practical interest: 0.01 is one percent, about
    /// what the layout of unrelated code in memory moves a benchmark by (Mytkowicz et al.,
    /// *Producing Wrong Data Without Doing Anything Obviously Wrong*, 2009, report more).
    pub relative_threshold: f64,
    /// Times that differ by less than this many nanoseconds an iteration are the same: it is
    /// less than one cycle of a 5 GHz processor.
    pub absolute_threshold_ns: f64,
    /// The largest p-value of a change between replicated runs.
    pub alpha: f64,
    /// The same where one run stands for a side. Such findings are hints and never fail a
    /// build, so a false one in fifty is acceptable.
    pub alpha_unreplicated: f64,
    /// Of all changes that a report lists from replicated runs, at most this share may be false. One in
    /// ten: at three runs a side, one in twenty would find half as many of the changes by 5%.
    pub false_discovery_rate: f64,
    /// The probability that a gate fails although nothing changed at all.
    pub gate_error_rate: f64,
    /// The level of all intervals.
    pub level: f64,
    /// When somebody looks: after a number of runs that was decided on before, or whenever.
    pub plan: Plan,
    /// That a change is no larger than this is of use; an interval that reaches further is too wide. A tenth is
    /// what most people would want to hear of.
    pub of_use: f64,
    /// Benchmarks that no change of the code can touch: what they did, the machine did.
    pub controls: Vec<Pattern>,
    /// Seed of draws at random, so that they can be repeated.
    pub seed: u64,
    /// Spread between runs that is assumed where nothing is known.
    pub unreplicated: Spread,
    /// Prior that observed spreads are moderated with.
    pub moderating: Spread,
    /// Which ratios make a recommendation.
    pub advice: AdviceSettings,
    /// Other rules for some benchmarks; later ones win.
    pub overrides: Vec<Override>,
}

/// Which ratios make a recommendation. They are matters of taste, so a configuration may say others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AdviceSettings {
    /// Runs that differ by more than this make a benchmark noisy: 0.05 is five percent, close to
    /// the 90th percentile of benchmarks in general.
    pub noisy: f64,
    /// Several instances that do less than this share of what perfect scaling would are worth a
    /// look.
    pub scaling_efficiency: f64,
    /// A cache that saves less than this share of the time saves nothing worth having.
    pub cache_saving: f64,
    /// A variant that costs more than this share on top of the plain one is costly.
    pub variant_cost: f64,
}

impl Default for AdviceSettings {
    fn default() -> Self {
        Self { noisy: 0.05, scaling_efficiency: 0.5, cache_saving: 0.1, variant_cost: 0.25 }
    }
}

/// Rules for the benchmarks whose names match.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Override {
    /// Their names.
    pub pattern: Pattern,
    /// The metric that is meant, if not all.
    pub metric: Option<Pattern>,
    /// Their relative threshold.
    pub relative_threshold: Option<f64>,
    /// Their absolute threshold, if they are times.
    pub absolute_threshold_ns: Option<f64>,
    /// Their absolute threshold in whatever unit they have.
    pub absolute_threshold: Option<f64>,
    /// Whether they may fail a build.
    pub gate: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            relative_threshold: 0.01,
            absolute_threshold_ns: 0.2,
            alpha: 0.01,
            alpha_unreplicated: 0.02,
            false_discovery_rate: 0.10,
            gate_error_rate: 0.05,
            level: 0.95,
            plan: Plan::Open,
            of_use: 0.10,
            controls: Vec::new(),
            seed: 0,
            unreplicated: Spread::UNREPLICATED,
            moderating: Spread::MODERATING,
            advice: AdviceSettings::default(),
            overrides: Vec::new(),
        }
    }
}

impl Settings {
    /// The practical threshold as a log ratio, for values around `value`.
    pub fn threshold(&self, series: &Series, value: f64) -> f64 {
        let rules = || self.matching(series).rev();
        let relative =
            rules().find_map(|one| one.relative_threshold).unwrap_or(self.relative_threshold);
        let nanoseconds =
            rules().find_map(|one| one.absolute_threshold_ns).unwrap_or(self.absolute_threshold_ns);
        let of_unit = rules().find_map(|one| one.absolute_threshold);
        let absolute = match of_unit {
            Some(absolute) => absolute,
            None if series.unit == Unit::nanoseconds() => nanoseconds,
            None => 0.0,
        };
        let absolute = if value > 0.0 { absolute / value } else { 0.0 };
        relative.max(absolute).ln_1p()
    }

    /// Returns what counts as a step in the history of `series`.
    pub fn steps(&self, series: &Series) -> StepSettings {
        // A history moves around no single value, so the absolute threshold has no say.
        let relative = self.matching(series).rev().find_map(|one| one.relative_threshold);
        let threshold = relative.unwrap_or(self.relative_threshold).ln_1p();
        StepSettings { threshold, ..StepSettings::default() }
    }

    /// Whether changes of `series` may fail a build.
    pub fn gates(&self, series: &Series) -> bool {
        self.matching(series).next_back().is_none_or(|one| one.gate)
    }

    fn matching(&self, series: &Series) -> impl DoubleEndedIterator<Item = &Override> {
        self.overrides.iter().filter(|one| {
            let is_metric =
                one.metric.as_ref().is_none_or(|metric| metric.matches(series.metric.as_str()));
            is_metric && one.pattern.matches(series.benchmark.as_str())
        })
    }

    /// Returns what it takes for a change of `series` to be one, around `value`.
    pub fn rule(
        &self,
        series: &Series,
        value: f64,
        replication: super::verdict::Replication,
    ) -> Rule {
        let alpha = match replication {
            super::verdict::Replication::Unreplicated => self.alpha_unreplicated,
            _ => self.alpha,
        };
        let plan = match replication {
            // Hints are no verdicts, so no error is spent on them.
            super::verdict::Replication::Unreplicated => Plan::Once,
            _ => self.plan,
        };
        Rule { alpha, level: self.level, threshold: self.threshold(series, value), plan }
    }

    /// Whether no change of the code can touch `series`.
    pub fn is_control(&self, series: &Series) -> bool {
        self.controls.iter().any(|one| one.matches(series.benchmark.as_str()))
    }
}
