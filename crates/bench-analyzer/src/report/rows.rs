//! Rows of a list of comparisons: benchmarks, and families of them on one row each.

use std::collections::HashMap;

use super::quantity::trimmed;
use super::words::{WORST_FIRST, worst_first};
use super::{format_change, text};
use bench_stats::analysis::AnalysisReport;
use bench_stats::detect::scaling::{Family, Growth};
use bench_stats::detect::verdict::{Comparison, Verdict};
use bench_stats::model::Series;

/// All that came to one verdict.
#[derive(Debug)]
pub(crate) struct Section<'r> {
    /// The verdict.
    pub(crate) verdict: Verdict,
    /// How many benchmarks came to it.
    pub(crate) benchmarks: usize,
    /// Worst first.
    pub(crate) rows: Vec<Row<'r>>,
}

/// One row.
#[derive(Debug)]
pub(crate) enum Row<'r> {
    /// A benchmark without siblings.
    One(&'r Comparison),
    /// A family, whatever its members came to.
    Family(FamilyRow<'r>),
}

/// A family with the comparisons of its members, by their numbers.
#[derive(Debug)]
pub(crate) struct FamilyRow<'r> {
    pub(crate) family: &'r Family,
    pub(crate) members: Vec<&'r Comparison>,
}

/// Sorts everything that was compared into sections, worst first. A family stands where its worst member does, or
/// higher, if it is judged so as a whole.
pub(crate) fn sections(report: &AnalysisReport) -> Vec<Section<'_>> {
    let known: HashMap<&Series, &Comparison> =
        report.comparisons.iter().map(|one| (&one.series, one)).collect();
    let mut homes: HashMap<&Series, usize> = HashMap::new();
    let families: Vec<(Verdict, FamilyRow<'_>)> =
        report.families.iter().map(|family| FamilyRow::of(family, &known)).collect();
    for (index, (_, row)) in families.iter().enumerate() {
        homes.extend(row.members.iter().map(|one| (&one.series, index)));
    }
    let mut waiting: Vec<Option<(Verdict, FamilyRow<'_>)>> =
        families.into_iter().map(Some).collect();
    let mut sections = Vec::new();
    for verdict in WORST_FIRST {
        let members = worst_first(report, verdict);
        let mut rows = Vec::new();
        // A family that is judged as a whole before any of its members is comes first.
        for place in &mut waiting {
            let alone = |(at, row): &(Verdict, FamilyRow<'_>)| {
                *at == verdict && row.members.iter().all(|one| one.verdict != verdict)
            };
            if place.as_ref().is_some_and(alone) {
                rows.extend(place.take().map(|(_, row)| Row::Family(row)));
            }
        }
        for one in &members {
            match homes.get(&one.series) {
                None => rows.push(Row::One(one)),
                Some(&home) => {
                    let here = waiting[home].take_if(|(at, _)| *at == verdict);
                    rows.extend(here.map(|(_, row)| Row::Family(row)));
                }
            }
        }
        if !rows.is_empty() {
            sections.push(Section { verdict, benchmarks: members.len(), rows });
        }
    }
    sections
}

impl<'r> FamilyRow<'r> {
    fn of(family: &'r Family, known: &HashMap<&Series, &'r Comparison>) -> (Verdict, Self) {
        let series = |benchmark| Series {
            benchmark,
            metric: family.metric.clone(),
            unit: family.unit.clone(),
            direction: family.direction,
        };
        let members: Vec<&Comparison> = family
            .members
            .iter()
            .filter_map(|one| known.get(&series(one.benchmark.clone())).copied())
            .collect();
        let whole = match family.scaling.map(|scaling| scaling.growth) {
            Some(Growth::GrowsWorse) => Verdict::Regression,
            _ => family.verdict,
        };
        let decided = matches!(whole, Verdict::Regression | Verdict::Improvement);
        let worst = WORST_FIRST.into_iter().find(|verdict| {
            (decided && whole == *verdict) || members.iter().any(|one| one.verdict == *verdict)
        });
        (worst.unwrap_or(Verdict::Inconclusive), Self { family, members })
    }

    /// The name, with the metric where that is no time.
    pub(crate) fn name(&self) -> String {
        let Family { name, metric, .. } = self.family;
        let metric = if metric.is_time() { String::new() } else { format!(" [{metric}]") };
        text::visible(&format!("{name}{metric}"))
    }

    /// The change of each member: `n=100 +0.0%, 1k +8.1%, 10k +16.0%, 100k +25.3%`.
    pub(crate) fn changes(&self) -> Vec<(String, &'r Comparison)> {
        let label = |(index, one): (usize, &bench_stats::detect::scaling::FamilyMember)| {
            let number = number(one.parameter);
            if index == 0 { format!("n={number}") } else { number }
        };
        let labels = self.family.members.iter().enumerate().map(label);
        labels.zip(self.members.iter().copied()).collect()
    }

    /// Remark about the family as a whole, beside its mean.
    pub(crate) fn remark(&self) -> Option<String> {
        let scaling = self.family.scaling?;
        let (old, new) = (scaling.baseline.exponent, scaling.current.exponent);
        Some(match scaling.growth {
            Growth::GrowsWorse => format!("grows with n (~n^{old:.2} -> n^{new:.2})"),
            Growth::GrowsBetter => format!("the better the larger n (~n^{old:.2} -> n^{new:.2})"),
            Growth::Even => return None,
        })
    }

    /// How little the family can have changed, if none of it seems to.
    pub(crate) fn within(&self) -> Option<String> {
        let calm = self
            .members
            .iter()
            .all(|one| matches!(one.verdict, Verdict::NoChangeSeen | Verdict::Unchanged));
        let widest =
            self.members.iter().copied().max_by(|a, b| {
                a.within.unwrap_or(f64::MAX).total_cmp(&b.within.unwrap_or(f64::MAX))
            })?;
        if calm { super::words::within(widest) } else { None }
    }

    /// All members in a line, and what is said of the family.
    pub(crate) fn line(&self) -> String {
        let changes = self.changes();
        let changes =
            changes.iter().map(|(label, one)| format!("{label} {}", format_change(one.change())));
        let mut parts: Vec<String> = vec![changes.collect::<Vec<_>>().join(" ")];
        parts.extend(self.remark());
        parts.extend(self.within());
        parts.join(", ")
    }
}

/// A parameter as people write it: `100`, `10k`, `64Ki`.
pub(crate) fn number(value: f64) -> String {
    const MULTIPLES: [(f64, &str); 6] = [
        (1024.0 * 1024.0 * 1024.0, "Gi"),
        (1e9, "G"),
        (1024.0 * 1024.0, "Mi"),
        (1e6, "M"),
        (1024.0, "Ki"),
        (1e3, "k"),
    ];
    let whole = |multiple: f64| value >= multiple && (value / multiple).fract() == 0.0;
    match MULTIPLES.into_iter().find(|(multiple, _)| whole(*multiple)) {
        Some((multiple, unit)) => format!("{}{unit}", trimmed(value / multiple)),
        None => trimmed(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_as_short_as_people_write_them() {
        let cases = [
            (100.0, "100"),
            (1000.0, "1k"),
            (65_536.0, "64Ki"),
            (1e6, "1M"),
            (1500.0, "1500"),
            (0.5, "0.5"),
        ];
        for (value, said) in cases {
            assert_eq!(number(value), said);
        }
    }
}
