//! What a report comes to, in a sentence or two.

use std::collections::BTreeMap;

use super::worst_first;
use crate::report::format_change;
use crate::report::text::{self, plural};
use bench_stats::analysis::AnalysisReport;
use bench_stats::detect::verdict::{Comparison, Replication, Reservation, Verdict};

/// Says what the report comes to: what changed, how little the rest can have changed, what is worth watching, and
/// what cannot be told.
pub fn summary(report: &AnalysisReport) -> String {
    if report.baseline.is_none() {
        return described(report);
    }
    if report.comparisons.is_empty() {
        return "nothing to compare: the two sides have no benchmark in common".to_owned();
    }
    let mut parts: Vec<String> = changed(report).into_iter().collect();
    let found_changes = !parts.is_empty();
    parts.extend(calm(report, found_changes));
    parts.extend(to_watch(report));
    parts.extend(cannot_be_told(report));
    let all = parts.join("; ");
    match caveat(report) {
        Some(caveat) => format!("{caveat}: {all}"),
        None => all,
    }
}

/// A first measurement, which is compared with nothing.
fn described(report: &AnalysisReport) -> String {
    let resources = report.measured.iter().filter(|one| one.series.metric.is_resource()).count();
    let own = plural(report.measured.len() - resources, "benchmark", "benchmarks");
    let runs = plural(report.current.runs.len(), "run", "runs");
    match resources {
        0 => format!("{own} in {runs}"),
        1 => format!("{own} and 1 value of resources in {runs}"),
        more => format!("{own} and {more} values of resources in {runs}"),
    }
}

/// What comes before everything else where too few runs were made to be sure of anything.
pub(crate) fn caveat(report: &AnalysisReport) -> Option<String> {
    let sampled = || report.comparisons.iter().filter(|one| one.replication != Replication::Exact);
    let hints = sampled().filter(|one| one.replication == Replication::Unreplicated).count();
    let runs = |side: fn(&Comparison) -> usize| sampled().map(side).max().unwrap_or(0);
    let least = runs(|one| one.baseline.runs).min(runs(|one| one.current.runs));
    let how_many = plural(least, "run", "runs");
    (hints > 0 && hints == sampled().count()).then(|| format!("only hints, from {how_many} a side"))
}

/// The words for worse and better: those of times, if there is nothing else.
pub(crate) fn worse_and_better<'c>(
    comparisons: impl IntoIterator<Item = &'c Comparison>,
) -> (&'static str, &'static str) {
    let times = comparisons.into_iter().all(|one| one.series.metric.is_time());
    if times { ("slower", "faster") } else { ("worse", "better") }
}

/// How many changed, and the worst of them: `2 slower (worst: parse/large +40.1%, +38.2% to +42.0%), 1 faster (...)`.
fn changed(report: &AnalysisReport) -> Option<String> {
    let (worse, better) =
        (worst_first(report, Verdict::Regression), worst_first(report, Verdict::Improvement));
    let words = worse_and_better(worse.iter().chain(&better).copied());
    let said = |members: &[&Comparison], word: &str, extreme: &str| {
        let first = members.first()?;
        let extreme = if members.len() > 1 { format!("{extreme}: ") } else { String::new() };
        let (name, change) = (text::name(&first.series), format_change(first.change()));
        let sure = super::interval(first.interval);
        Some(format!("{} {word} ({extreme}{name} {change}, {sure})", members.len()))
    };
    let parts = [said(&worse, words.0, "worst"), said(&better, words.1, "most")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// How many show no change, and how little they can have changed.
fn calm(report: &AnalysisReport, beside_changes: bool) -> Option<String> {
    let calm: Vec<&Comparison> = report.comparisons.iter().filter(|one| is_calm(one)).collect();
    if calm.is_empty() {
        return None;
    }
    let (count, all) = (calm.len(), report.comparisons.len());
    let reach = reach(&calm).map(|reach| format!(": {reach}")).unwrap_or_default();
    let open = all - count - report.count(Verdict::Regression) - report.count(Verdict::Improvement);
    let who = match (beside_changes, open) {
        (true, 0) if count == 1 => "the other one shows no change".to_owned(),
        (true, 0) => format!("the other {count} show no change"),
        (false, 0) => format!("no change seen in {}", plural(all, "benchmark", "benchmarks")),
        _ => format!("{count} of {all} show no change"),
    };
    Some(who + &reach)
}

fn is_calm(one: &Comparison) -> bool {
    matches!(one.verdict, Verdict::NoChangeSeen | Verdict::Unchanged)
}

/// How little all of these can have changed: `290 within ±3%, the rest within ±5%`.
fn reach(calm: &[&Comparison]) -> Option<String> {
    let mut within: Vec<f64> = calm.iter().filter_map(|one| one.within).collect();
    within.sort_by(f64::total_cmp);
    let widest = rounded_up(*within.last()?);
    let most = rounded_up(within[within.len() * 9 / 10]);
    let inside = within.iter().filter(|one| **one <= most).count();
    Some(if most >= widest || inside == within.len() {
        format!("{}within ±{}", if within.len() > 1 { "all " } else { "" }, percent(widest))
    } else {
        format!("{inside} within ±{}, the rest within ±{}", percent(most), percent(widest))
    })
}

/// The next number that people would say.
fn rounded_up(share: f64) -> f64 {
    const SAID: [f64; 12] = [0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5];
    SAID.into_iter().find(|said| share <= *said).unwrap_or_else(|| share.ceil())
}

fn percent(share: f64) -> String {
    format!("{}%", crate::report::quantity::trimmed(share * 100.0))
}

/// How little one benchmark can have changed, rounded up: `within ±3.1%`.
pub fn within(one: &Comparison) -> Option<String> {
    let reach = one.within.filter(|reach| *reach > 0.0 && *reach < 10.0)?;
    Some(format!("within ±{:.1}%", (reach * 1000.0 - 1e-9).ceil() / 10.0))
}

/// What is likely real.
fn to_watch(report: &AnalysisReport) -> Option<String> {
    let mut watched: Vec<&Comparison> =
        report.comparisons.iter().filter(|one| one.is_to_watch()).collect();
    watched.sort_by(|a, b| b.factor_worse().total_cmp(&a.factor_worse()));
    let first = watched.first()?;
    let more = match watched.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let (name, change) = (text::name(&first.series), format_change(first.change()));
    let tell = runs_that_tell(&watched).map(|tell| format!("; {tell}")).unwrap_or_default();
    Some(format!("{} to watch: {name} {change}{more} (likely real{tell})", watched.len()))
}

/// What cannot be told, by reason.
fn cannot_be_told(report: &AnalysisReport) -> Option<String> {
    let open = || report.comparisons.iter().filter(|one| one.verdict == Verdict::Inconclusive);
    let wide: Vec<&Comparison> =
        open().filter(|one| one.reservation.is_none() && !one.is_to_watch()).collect();
    let mut parts = Vec::new();
    if !wide.is_empty() {
        let tell = runs_that_tell(&wide).map(|tell| format!("; {tell}")).unwrap_or_default();
        parts.push(format!("{} cannot be told: their intervals are too wide{tell}", wide.len()));
    }
    let mut reserved: BTreeMap<usize, usize> = BTreeMap::new();
    for one in open() {
        let place = Reservation::ALL.iter().position(|known| one.reservation == Some(*known));
        if let Some(place) = place {
            *reserved.entry(place).or_default() += 1;
        }
    }
    parts.extend(
        reserved.iter().map(|(place, count)| format!("{count} {}", Reservation::ALL[*place])),
    );
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// How many more runs would tell: `about 2 to 7 more runs a side would tell`.
fn runs_that_tell(open: &[&Comparison]) -> Option<String> {
    let needed = || open.iter().filter_map(|one| one.runs_to_decide);
    let (least, most) = (needed().min()?, needed().max()?);
    let runs = match (least, most) {
        (1, 1) => "1 more run".to_owned(),
        (least, most) if least == most => format!("{most} more runs"),
        (least, most) => format!("{least} to {most} more runs"),
    };
    Some(format!("about {runs} a side would tell"))
}

/// Says in a few words which way the report went: `10 benchmarks are slower, 1 is faster`.
pub(crate) fn headline(report: &AnalysisReport) -> String {
    let (worse, better) = (report.count(Verdict::Regression), report.count(Verdict::Improvement));
    let changed =
        |one: &&Comparison| matches!(one.verdict, Verdict::Regression | Verdict::Improvement);
    let words = worse_and_better(report.comparisons.iter().filter(changed));
    let are = |count: usize| if count == 1 { "is" } else { "are" };
    match (worse, better) {
        _ if report.baseline.is_none() => described(report),
        _ if report.comparisons.is_empty() => "nothing was compared".to_owned(),
        (0, 0) => {
            let calm = report.comparisons.iter().filter(|one| is_calm(one)).count();
            let all = plural(report.comparisons.len(), "benchmark", "benchmarks");
            if calm == report.comparisons.len() {
                format!("no change seen in {all}")
            } else {
                format!("no change seen in {calm} of {all}, and none is sure")
            }
        }
        (0, better) => {
            format!("{} {} {}", plural(better, "benchmark", "benchmarks"), are(better), words.1)
        }
        (worse, 0) => {
            format!("{} {} {}", plural(worse, "benchmark", "benchmarks"), are(worse), words.0)
        }
        (worse, better) => format!(
            "{} {} {}, {better} {} {}",
            plural(worse, "benchmark", "benchmarks"),
            are(worse),
            words.0,
            are(better),
            words.1
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_size_is_never_too_little() {
        assert_eq!([0.0301, 0.03, 0.0999, 0.4].map(rounded_up), [0.05, 0.03, 0.1, 0.5]);
        assert_eq!(rounded_up(1.2), 2.0);
        assert_eq!(percent(0.005), "0.5%");
    }
}
