//! Families: benchmarks of one thing that differ in a number, such as the size of its input.
//!
//! Each member is judged by itself as any benchmark is. Together they say more: whether the whole family moved,
//! which small moves of its members do not show, and whether what changed grows with the number. The exponent `e`
//! of `value ~ n^e` is fitted to every run by least squares on logarithms, so that runs are what replicates it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::compare::REPLICATED;
use super::settings::Settings;
use super::verdict::{Comparison, RatioInterval, Replication, Reservation, Verdict};
use crate::model::{BenchmarkId, BenchmarkResults, Direction, Metric, RunId, Unit};
use crate::stats::difference::{Difference, t_quantile};
use crate::stats::mean::{mean, to_f64, variance};
use crate::stats::multiplicity::benjamini_hochberg;

mod parameter;

pub use parameter::Parameter;

/// Benchmarks that differ in a number, compared together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Family {
    /// The name that its members share.
    pub name: String,
    /// The quantity.
    pub metric: Metric,
    /// The unit of all its values.
    pub unit: Unit,
    /// Which way is better.
    pub direction: Direction,
    /// Its members, by their numbers.
    pub members: Vec<FamilyMember>,
    /// The verdict about all of them together. It adds to those of the members, and fails no gate.
    pub verdict: Verdict,
    /// Why that was left open, if it was.
    pub reservation: Option<Reservation>,
    /// The geometric mean of the ratios, current over baseline.
    pub ratio: f64,
    /// The interval of that; none where fewer than three runs of a side measured all members.
    pub interval: Option<RatioInterval>,
    /// How values grow with the number; none for fewer than three members.
    pub scaling: Option<Scaling>,
}

/// One member of a family.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FamilyMember {
    /// The benchmark.
    pub benchmark: BenchmarkId,
    /// The number that tells it from its siblings.
    pub parameter: f64,
    /// Current over baseline.
    pub ratio: f64,
}

/// How the values of a family grow: `value ~ n^exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Scaling {
    /// The exponent of the old side.
    pub baseline: Exponent,
    /// The exponent of the new side.
    pub current: Exponent,
    /// The p-value of "the exponent is the same", valid whenever somebody stops and adjusted for the number of
    /// families; none where fewer than three runs of a side measured all members.
    pub p_value: Option<f64>,
    /// Course of the change as the number grows.
    pub growth: Growth,
}

/// A fitted exponent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Exponent {
    /// The estimate.
    pub exponent: f64,
    /// Its interval, at the level of the report, by what runs show; none for fewer than three of them.
    pub interval: Option<(f64, f64)>,
}

/// Course of a change as the number grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Growth {
    /// It gets worse with the number.
    GrowsWorse,
    /// It gets better with the number.
    GrowsBetter,
    /// It shows no dependence on the number.
    Even,
}

type Key<'c> = (String, &'c Metric, &'c Unit, Direction);

/// Gathers the families among what was compared, by name. `baseline` and `current` are what the comparisons were
/// made from.
pub fn families(
    comparisons: &[Comparison],
    (baseline, current): (&BenchmarkResults, &BenchmarkResults),
    settings: &Settings,
) -> Vec<Family> {
    let mut members: BTreeMap<Key<'_>, Vec<(Parameter, &Comparison)>> = BTreeMap::new();
    for one in comparisons.iter().filter(|one| has_ratio(one)) {
        if let Some(parameter) = Parameter::of(&one.series.benchmark) {
            let series = &one.series;
            let key = (parameter.family.clone(), &series.metric, &series.unit, series.direction);
            members.entry(key).or_default().push((parameter, one));
        }
    }
    let mut found: Vec<(Family, Tests)> = members
        .into_iter()
        .filter_map(|(key, mut members)| {
            members.sort_by(|(a, _), (b, _)| a.value.total_cmp(&b.value));
            members.dedup_by(|(a, _), (b, _)| a.value == b.value);
            (members.len() > 1).then(|| family(key, &members, baseline, current, settings))
        })
        .collect();
    let adjusted = |of: fn(&Tests) -> Option<Test>| -> Vec<f64> {
        let p_values: Vec<f64> =
            found.iter().map(|(_, tests)| of(tests).map_or(1.0, |test| test.p_value)).collect();
        benjamini_hochberg(&p_values)
    };
    let (together, growing) = (adjusted(|tests| tests.together), adjusted(|tests| tests.growing));
    for (index, (family, tests)) in found.iter_mut().enumerate() {
        family.judge(tests, (together[index], growing[index]), settings);
    }
    found.into_iter().map(|(family, _)| family).collect()
}

fn has_ratio(one: &Comparison) -> bool {
    one.baseline.value > 0.0
        && one.current.value > 0.0
        && one.series.direction != Direction::Neutral
}

/// A difference between the runs of both sides, and how likely it is by chance.
#[derive(Debug, Clone, Copy)]
struct Test {
    difference: Difference,
    runs: usize,
    /// Valid whenever somebody stops.
    p_value: f64,
}

/// Hypothesis that is tested of a family.
#[derive(Debug, Clone, Copy)]
struct Tests {
    /// Whether its members moved, in the mean.
    together: Option<Test>,
    /// Whether its exponent did.
    growing: Option<Test>,
}

impl Test {
    fn of(old: &[f64], new: &[f64], excess: f64, settings: &Settings) -> Option<Self> {
        let runs = old.len().min(new.len());
        if runs < REPLICATED {
            return None;
        }
        let difference = Difference::welch(old, new).widened_by(excess);
        let p_value = settings.plan.always_valid(difference.p_value(), runs);
        Some(Self { difference, runs, p_value })
    }

    /// Whether it is significant, with its p-value adjusted for the number of families.
    fn is_significant(&self, adjusted: f64, settings: &Settings) -> bool {
        self.p_value <= settings.alpha && adjusted <= settings.false_discovery_rate
    }
}

fn family(
    (name, metric, unit, direction): Key<'_>,
    members: &[(Parameter, &Comparison)],
    baseline: &BenchmarkResults,
    current: &BenchmarkResults,
    settings: &Settings,
) -> (Family, Tests) {
    let logs: Vec<f64> = members.iter().map(|(_, one)| one.ratio.ln()).collect();
    let (old, new) = (Runs::of(members, baseline), Runs::of(members, current));
    let exact = members.iter().all(|(_, one)| one.replication == Replication::Exact);
    let excess = members.iter().map(|(_, one)| one.excess).fold(1.0, f64::max);
    let together = Test::of(&old.means, &new.means, excess, settings);
    let growing = Test::of(&old.slopes, &new.slopes, excess, settings);
    let exponent = |of: &Runs| Exponent::of(&of.slopes, settings.level);
    let scaling =
        (members.len() > 2 && !old.slopes.is_empty() && !new.slopes.is_empty()).then(|| Scaling {
            baseline: exponent(&old),
            current: exponent(&new),
            p_value: None,
            growth: Growth::Even,
        });
    let interval =
        together.map(|test| RatioInterval::of_logs(test.difference.interval(settings.level)));
    let family = Family {
        name,
        metric: metric.clone(),
        unit: unit.clone(),
        direction,
        members: members
            .iter()
            .map(|(parameter, one)| FamilyMember {
                benchmark: one.series.benchmark.clone(),
                parameter: parameter.value,
                ratio: one.ratio,
            })
            .collect(),
        verdict: Verdict::Inconclusive,
        reservation: members.iter().find_map(|(_, one)| one.reservation),
        ratio: mean(&logs).exp(),
        interval: interval.filter(|_| !exact),
        scaling,
    };
    (family, Tests { together, growing })
}

impl Family {
    fn judge(&mut self, tests: &Tests, (together, growing): (f64, f64), settings: &Settings) {
        let threshold = settings.relative_threshold.ln_1p();
        if let (Some(test), None) = (tests.together, self.reservation) {
            let (low, high) = test.difference.interval(settings.level);
            let significant = test.is_significant(together, settings);
            let inside = 1.0 - (1.0 - settings.level) * settings.plan.share_inside(test.runs);
            let reach = RatioInterval::reach_of_logs(test.difference.interval(inside))
                .max(RatioInterval::reach_of_logs((low, high)));
            self.verdict = if significant && (low > threshold || high < -threshold) {
                Verdict::of_change(self.direction, test.difference.log_ratio)
            } else if reach.ln_1p() <= threshold {
                Verdict::Unchanged
            } else if !significant && reach <= settings.of_use {
                Verdict::NoChangeSeen
            } else {
                Verdict::Inconclusive
            };
        }
        let (Some(test), Some(scaling)) = (tests.growing, &mut self.scaling) else { return };
        scaling.p_value = Some(growing);
        if test.is_significant(growing, settings)
            && self.reservation != Some(Reservation::OtherMachine)
        {
            scaling.growth = match Verdict::of_change(self.direction, test.difference.log_ratio) {
                Verdict::Regression => Growth::GrowsWorse,
                _ => Growth::GrowsBetter,
            };
        }
    }
}

impl Exponent {
    fn of(slopes: &[f64], level: f64) -> Self {
        let exponent = mean(slopes);
        let interval = (slopes.len() >= REPLICATED).then(|| {
            let count = to_f64(slopes.len());
            let reach = t_quantile(f64::midpoint(1.0, level), count - 1.0)
                * (variance(slopes) / count).sqrt();
            (exponent - reach, exponent + reach)
        });
        Self { exponent, interval }
    }
}

/// Sums a family up for each run that measured all its members.
#[derive(Debug, Default)]
struct Runs {
    /// The means of the logarithms.
    means: Vec<f64>,
    /// The exponents.
    slopes: Vec<f64>,
}

impl Runs {
    fn of(members: &[(Parameter, &Comparison)], side: &BenchmarkResults) -> Self {
        let mut runs: BTreeMap<RunId, Vec<(f64, f64)>> = BTreeMap::new();
        for (parameter, one) in members {
            for measurement in side.results.get(&one.series).iter().flat_map(|of| &of.measurements)
            {
                let point = (parameter.value.ln(), measurement.summary.median.ln());
                runs.entry(measurement.run).or_default().push(point);
            }
        }
        let whole = || runs.values().filter(|points| points.len() == members.len());
        Self {
            means: whole().map(|points| mean_of(points, |(_, log)| log)).collect(),
            slopes: whole().map(|points| slope(points)).collect(),
        }
    }
}

fn mean_of(points: &[(f64, f64)], of: fn((f64, f64)) -> f64) -> f64 {
    mean(&points.iter().map(|&point| of(point)).collect::<Vec<f64>>())
}

/// The slope of a line through points, by least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let (x, y) = (mean_of(points, |(x, _)| x), mean_of(points, |(_, y)| y));
    let (both, across) = points.iter().fold((0.0, 0.0), |(both, across), point| {
        (both + (point.0 - x) * (point.1 - y), across + (point.0 - x).powi(2))
    });
    both / across
}

#[cfg(test)]
mod tests;
