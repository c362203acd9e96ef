//! Advice about a report: a line for each rule that spoke, however many benchmarks it spoke of.

use bench_stats::analysis::{AnalysisReport, PerformanceRecommendation};
use bench_stats::detect::recommend::Rule;

use crate::report::text::visible;

/// Advice of one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Advice {
    /// The benchmark that it is about, or the worst of several.
    pub(crate) name: Option<String>,
    /// How many others it is about.
    pub(crate) others: usize,
    /// The measure to take.
    pub(crate) what: String,
    /// Why, for the benchmark that is named.
    pub(crate) why: String,
}

impl Advice {
    /// Says how many others it is about, to stand behind the name: ` and 107 more`.
    pub(crate) fn more(&self) -> String {
        if self.others == 0 { String::new() } else { format!(" and {} more", self.others) }
    }
}

/// Gathers what is recommended, one entry a rule. A report that compares nothing only describes: what it says of
/// single benchmarks is left for their own pages.
pub(crate) fn advice(report: &AnalysisReport) -> Vec<Advice> {
    let mut rules: Vec<(Rule, Vec<&PerformanceRecommendation>)> = Vec::new();
    let wanted =
        |one: &&PerformanceRecommendation| report.baseline.is_some() || one.test_name.is_none();
    for one in report.recommendations.iter().filter(wanted) {
        match rules.iter_mut().find(|(rule, _)| *rule == one.rule) {
            Some((_, members)) => members.push(one),
            None => rules.push((one.rule, vec![one])),
        }
    }
    rules.iter().filter_map(|(rule, members)| together(*rule, members)).collect()
}

fn together(rule: Rule, members: &[&PerformanceRecommendation]) -> Option<Advice> {
    let first = members.first()?;
    let same = members.iter().all(|one| one.advice == first.advice);
    let what = match rule {
        Rule::NoisyBenchmark if !same => "measure more runs, or on a quieter machine".to_owned(),
        _ => visible(&first.advice),
    };
    Some(Advice {
        name: first.test_name.clone(),
        others: members.len() - 1,
        what,
        why: visible(&first.evidence),
    })
}
