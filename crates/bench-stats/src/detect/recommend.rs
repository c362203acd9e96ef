//! Advice that follows from numbers by rules. Each rule is a function that names its evidence; none
//! knows what is being benchmarked, only how people name such benchmarks.

use serde::Serialize;

use super::outliers::OutlierDetection;
use super::settings::AdviceSettings;
use super::verdict::{Comparison, Verdict};
use crate::model::{BenchmarkResult, BenchmarkResults};
use crate::stats::spread::Spread;

/// Advice, with the numbers that made it speak.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PerformanceRecommendation {
    /// The rule that spoke.
    pub rule: Rule,
    /// The benchmark it is about; none if it is about all.
    pub test_name: Option<String>,
    /// What to do.
    pub advice: String,
    /// Why.
    pub evidence: String,
}

/// Subjects of advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Runs of a benchmark differ a lot.
    NoisyBenchmark,
    /// The machine disturbed most benchmarks.
    BusyMachine,
    /// More instances take over-proportionally more time.
    PoorScaling,
    /// What a cache should speed up is no faster.
    UselessCache,
    /// A variant costs much more than the plain one.
    CostlyVariant,
    /// More memory is used for the same time.
    MemoryGrewAlone,
    /// A benchmark got slower without computing more.
    WaitsLonger,
}

/// Everything that the rules look at.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'f> {
    /// The present results.
    pub current: &'f BenchmarkResults,
    /// Comparisons of times and other primary metrics.
    pub comparisons: &'f [Comparison],
    /// Comparisons of resources.
    pub resources: &'f [Comparison],
    /// Outliers of the present results.
    pub outliers: &'f [OutlierDetection],
    /// Which ratios are worth a word.
    pub limits: AdviceSettings,
}

/// Lists what all rules have to say.
pub fn recommend(facts: &Facts<'_>) -> Vec<PerformanceRecommendation> {
    let mut advice = Vec::new();
    advice.extend(busy_machine(facts));
    advice.extend(noisy_benchmarks(facts));
    advice.extend(poor_scaling(facts));
    advice.extend(useless_caches(facts));
    advice.extend(costly_variants(facts));
    advice.extend(memory_grew_alone(facts));
    advice.extend(waits_longer(facts));
    advice
}

fn times<'f>(facts: &Facts<'f>) -> impl Iterator<Item = &'f BenchmarkResult> {
    facts.current.results.values().filter(|result| result.series.metric.is_time())
}

/// Lists the benchmarks whose runs differ a lot, which need many to decide anything, the worst first.
fn noisy_benchmarks(facts: &Facts<'_>) -> Vec<PerformanceRecommendation> {
    let noisy = |result: &BenchmarkResult| {
        let logs: Vec<f64> = result.medians().iter().map(|median| median.ln()).collect();
        let spread = (logs.len() >= 3).then(|| Spread::pooled(&[&logs]).relative)?;
        let name = result.series.to_string();
        let compared = facts.comparisons.iter().find(|one| one.series == result.series);
        let needed = compared.and_then(|one| one.runs_to_decide);
        let advice = || PerformanceRecommendation {
            rule: Rule::NoisyBenchmark,
            test_name: Some(name),
            advice: match needed {
                Some(runs) => format!("measure about {runs} more runs, or on a quieter machine"),
                None => "measure longer, or on a quieter machine".to_owned(),
            },
            evidence: format!("its {} runs differ by {:.1}%", logs.len(), spread * 100.0),
        };
        (spread > facts.limits.noisy).then(|| (spread, advice()))
    };
    let mut noisy: Vec<(f64, PerformanceRecommendation)> = times(facts).filter_map(noisy).collect();
    noisy.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    noisy.into_iter().map(|(_, advice)| advice).collect()
}

/// When most benchmarks have many outlying samples, it is not the benchmarks.
fn busy_machine(facts: &Facts<'_>) -> Option<PerformanceRecommendation> {
    const AT_LEAST: usize = 4;
    let benchmarks = times(facts).count();
    let disturbed = facts
        .outliers
        .iter()
        .filter(|one| one.series.metric.is_time() && one.is_disturbed())
        .count();
    (benchmarks >= AT_LEAST && 2 * disturbed > benchmarks).then(|| PerformanceRecommendation {
        rule: Rule::BusyMachine,
        test_name: None,
        advice: "stop other programs, or measure on a machine of its own".to_owned(),
        evidence: format!(
            "{disturbed} of {benchmarks} benchmarks have more than 10% outlying samples"
        ),
    })
}

/// Benchmarks whose names end in a number of instances, on a known number of processors.
fn poor_scaling(facts: &Facts<'_>) -> Vec<PerformanceRecommendation> {
    const CONCURRENT: [&str; 5] = ["concurren", "parallel", "thread", "instances", "workers"];
    let cores = facts.current.runs.last().map_or(1, |run| run.fingerprint.cores);
    let mut advice = Vec::new();
    for single in times(facts) {
        let Some(family) = single.series.benchmark.as_str().strip_suffix("/1") else { continue };
        if !CONCURRENT.iter().any(|word| family.contains(word)) {
            continue;
        }
        let most = times(facts)
            .filter_map(|result| {
                let name = result.series.benchmark.as_str();
                let count: u32 = name.strip_prefix(family)?.strip_prefix('/')?.parse().ok()?;
                (2..=cores).contains(&count).then_some((count, result))
            })
            .max_by_key(|(count, _)| *count);
        let Some((count, result)) = most else { continue };
        // As many instances as processors, or fewer, should take no longer than one.
        let efficiency = single.typical() / result.typical();
        if efficiency < facts.limits.scaling_efficiency {
            advice.push(PerformanceRecommendation {
                rule: Rule::PoorScaling,
                test_name: Some(result.series.to_string()),
                advice: "look for what the instances wait for: a lock, memory, a shared pool"
                    .to_owned(),
                evidence: format!(
                    "{count} at once take {:.1} times as long as one on {cores} cores: {:.0}% \
                     efficiency",
                    efficiency.recip(),
                    efficiency * 100.0
                ),
            });
        }
    }
    advice
}

/// Siblings of which one says that it is cached and the other that it is not.
fn useless_caches(facts: &Facts<'_>) -> Vec<PerformanceRecommendation> {
    const CACHED: [&str; 4] = ["with_cache", "cached", "warm", "cache_hit"];
    const UNCACHED: [&str; 6] =
        ["from_scratch", "without_cache", "uncached", "no_cache", "cold", "cache_miss"];
    let named = |result: &BenchmarkResult, words: &[&str]| {
        words.iter().any(|word| last(result).contains(word))
    };
    let mut advice = Vec::new();
    for cached in times(facts).filter(|one| named(one, &CACHED) && !named(one, &UNCACHED)) {
        let siblings = times(facts).filter(|one| group(one) == group(cached));
        for uncached in siblings.filter(|one| named(one, &UNCACHED)) {
            let ratio = cached.typical() / uncached.typical();
            if ratio > 1.0 - facts.limits.cache_saving {
                advice.push(PerformanceRecommendation {
                    rule: Rule::UselessCache,
                    test_name: Some(cached.series.to_string()),
                    advice: "check that the cache is hit, and what a hit costs".to_owned(),
                    evidence: format!(
                        "it takes {:.0}% of the time of {}",
                        ratio * 100.0,
                        uncached.series
                    ),
                });
            }
        }
    }
    advice
}

/// Siblings of one that says to be without.
fn costly_variants(facts: &Facts<'_>) -> Vec<PerformanceRecommendation> {
    const PLAIN: [&str; 4] = ["none", "off", "disabled", "plain"];
    let mut advice = Vec::new();
    for plain in times(facts).filter(|one| PLAIN.contains(&last(one))) {
        for variant in times(facts).filter(|one| group(one) == group(plain)) {
            let ratio = variant.typical() / plain.typical();
            if ratio > 1.0 + facts.limits.variant_cost {
                advice.push(PerformanceRecommendation {
                    rule: Rule::CostlyVariant,
                    test_name: Some(variant.series.to_string()),
                    advice: "see which part of it costs that much, and whether it is needed"
                        .to_owned(),
                    evidence: format!(
                        "it costs {:.0}% more than {}",
                        (ratio - 1.0) * 100.0,
                        plain.series
                    ),
                });
            }
        }
    }
    advice
}

/// Memory that grew while the time did not tell.
fn memory_grew_alone(facts: &Facts<'_>) -> Vec<PerformanceRecommendation> {
    const MEMORY: [&str; 3] = ["peak_resident", "guest_memory", "allocated_bytes"];
    let grew = |one: &&Comparison| {
        MEMORY.contains(&one.series.metric.as_str()) && one.verdict == Verdict::Regression
    };
    let both = facts.resources.iter().chain(facts.comparisons);
    both.filter(grew)
        .filter(|memory| {
            facts.comparisons.iter().any(|one| {
                one.series.benchmark == memory.series.benchmark
                    && one.series.metric.is_time()
                    && one.verdict != Verdict::Regression
            })
        })
        .map(|memory| PerformanceRecommendation {
            rule: Rule::MemoryGrewAlone,
            test_name: Some(memory.series.benchmark.to_string()),
            advice: "see what is allocated now that was not before".to_owned(),
            evidence: format!(
                "{} grew by {:.0}% while the time did not",
                memory.series.metric,
                memory.change() * 100.0
            ),
        })
        .collect()
}

/// Time that grew while the processor worked no longer: the benchmark waits for something.
fn waits_longer(facts: &Facts<'_>) -> Vec<PerformanceRecommendation> {
    let slower = facts
        .comparisons
        .iter()
        .filter(|one| one.series.metric.is_time() && one.verdict == Verdict::Regression);
    let waits = |time: &Comparison| {
        let of = |metric: &str| {
            let same = |one: &&Comparison| {
                one.series.benchmark == time.series.benchmark
                    && one.series.metric.as_str() == metric
            };
            facts.resources.iter().chain(facts.comparisons).find(same)
        };
        let (user, system) = (of("cpu_user"), of("cpu_system"));
        let sum = |side: fn(&Comparison) -> f64| -> f64 {
            user.into_iter().chain(system).map(side).sum()
        };
        let (before, now) = (sum(|one| one.baseline.value), sum(|one| one.current.value));
        if before <= 0.0 {
            return None;
        }
        // Less than half of the slowdown is computed.
        let computed = now / before - 1.0;
        if computed > time.change() / 2.0 {
            return None;
        }
        let switches =
            of("involuntary_switches").filter(|one| one.current.value > one.baseline.value);
        let interrupted = switches.map(|one| {
            format!(
                "; it was interrupted {:.3} times an iteration instead of {:.3}",
                one.current.value, one.baseline.value
            )
        });
        Some(PerformanceRecommendation {
            rule: Rule::WaitsLonger,
            test_name: Some(time.series.to_string()),
            advice: match interrupted {
                Some(_) => {
                    "measure again on a quieter machine; if it stays, look for what it waits \
                            for"
                    .to_owned()
                }
                None => "look for what it waits for: a lock, a disk, another thread".to_owned(),
            },
            evidence: format!(
                "it takes {:.0}% longer, and the processor works {:+.0}% for it{}",
                time.change() * 100.0,
                computed * 100.0,
                interrupted.unwrap_or_default()
            ),
        })
    };
    slower.filter_map(waits).collect()
}

fn group(result: &BenchmarkResult) -> &str {
    let name = result.series.benchmark.as_str();
    name.rsplit_once('/').map_or("", |(group, _)| group)
}

fn last(result: &BenchmarkResult) -> &str {
    let name = result.series.benchmark.as_str();
    name.rsplit_once('/').map_or(name, |(_, last)| last)
}

#[cfg(test)]
mod tests;
