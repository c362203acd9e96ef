//! The sum of a report, in a sentence or two.

use std::collections::BTreeMap;

use super::worst_first;
use crate::report::format_change;
use crate::report::text::{self, plural};
use bench_stats::analysis::AnalysisReport;
use bench_stats::detect::compare::CommonMove;
use bench_stats::detect::scaling::{Family, Growth};
use bench_stats::detect::verdict::{Comparison, Replication, Reservation, Verdict};
use bench_stats::model::Series;

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
    parts.extend(growing(report));
    parts.extend(to_watch(report));
    parts.extend(cannot_be_told(report));
    parts.extend(drifting(report));
    parts.extend(came_and_went(report));
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

/// The warning that comes before everything else where too few runs were made to be sure of anything.
pub(crate) fn caveat(report: &AnalysisReport) -> Option<String> {
    let sampled = || report.comparisons.iter().filter(|one| one.replication != Replication::Exact);
    let hints = sampled().filter(|one| one.replication == Replication::Unreplicated).count();
    let runs = |side: fn(&Comparison) -> usize| sampled().map(side).max().unwrap_or(0);
    let least = runs(|one| one.baseline.runs).min(runs(|one| one.current.runs));
    let how_many = plural(least, "run", "runs");
    (hints > 0 && hints == sampled().count()).then(|| format!("only hints, from {how_many} a side"))
}

/// The words for worse and better: those of times, if there is nothing else.
fn worse_and_better<'c>(
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

/// How little all of these can have changed, but for what is too small to matter: `290 within ±3%, the rest within ±5%`.
fn reach(calm: &[&Comparison]) -> Option<String> {
    let mut within: Vec<f64> =
        calm.iter().filter(|one| !is_tiny(one)).filter_map(|one| one.within).collect();
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

/// Whether what can have changed is large as a share of next to nothing, and too small to matter all the same.
fn is_tiny(one: &Comparison) -> bool {
    const LARGE: f64 = 0.1;
    one.verdict == Verdict::Unchanged && one.within.is_some_and(|reach| reach > LARGE)
}

/// How little one benchmark can have changed, rounded up: `within ±3.1%`.
pub fn within(one: &Comparison) -> Option<String> {
    if is_tiny(one) {
        return Some("too small to matter".to_owned());
    }
    let reach = one.within.filter(|reach| *reach > 0.0 && *reach < 10.0)?;
    Some(format!("within ±{:.1}%", (reach * 1000.0 - 1e-9).ceil() / 10.0))
}

/// The families that get worse the larger their number is.
fn growing(report: &AnalysisReport) -> Option<String> {
    let grows =
        |one: &&Family| one.scaling.is_some_and(|scaling| scaling.growth == Growth::GrowsWorse);
    let names: Vec<String> =
        report.families.iter().filter(grows).map(|one| text::visible(&one.name)).collect();
    let (first, rest) = names.split_first()?;
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    let grow = if rest.is_empty() { "gets worse" } else { "get worse" };
    Some(format!("{first}{more} {grow} with n"))
}

/// Tells of series that move slowly.
fn drifting(report: &AnalysisReport) -> Option<String> {
    let drifts: Vec<_> = report.slow_moves.iter().filter(|one| one.trend.is_some()).collect();
    let first = drifts.first()?;
    let trend = first.trend.as_ref()?;
    let (name, change) = (text::name(&first.series), format_change(trend.change));
    let drift = if drifts.len() == 1 { "drifts" } else { "drift" };
    let over = format!("{name} {change} over the last {} points", trend.points);
    Some(format!("{} {drift} ({over})", drifts.len()))
}

/// Tells of benchmarks that only one side has: renamed, new or gone.
fn came_and_went(report: &AnalysisReport) -> Option<String> {
    let renamed = renamed(report);
    let is_old = |one: &Series| renamed.iter().any(|(old, _)| *old == one);
    let is_new = |one: &Series| renamed.iter().any(|(_, new)| *new == one);
    let gone: Vec<&Series> = report.only_in_baseline.iter().filter(|one| !is_old(one)).collect();
    let fresh: Vec<&Series> = report.only_in_current.iter().filter(|one| !is_new(one)).collect();
    let some = |all: &[&Series], word: &str| {
        let first = text::name(all.first()?);
        let more =
            if all.len() > 1 { format!(" and {} more", all.len() - 1) } else { String::new() };
        Some(format!("{} {word} ({first}{more})", all.len()))
    };
    let mut parts: Vec<String> =
        [some(&fresh, "new"), some(&gone, "gone")].into_iter().flatten().collect();
    if let Some((old, new)) = renamed.first() {
        let (old, new) = (text::name(old), text::name(new));
        let more = match renamed.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        parts.push(format!("{} renamed, it seems ({old} -> {new}{more})", renamed.len()));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Benchmarks of either side that seem to be one under two names: each resembles no other as much.
pub(crate) fn renamed(report: &AnalysisReport) -> Vec<(&Series, &Series)> {
    /// Below this, names are different names.
    const ALIKE: f64 = 0.85;
    /// With more, a suite was replaced, and nobody would look at pairs.
    const MOST: usize = 200;
    let (old, new) = (&report.only_in_baseline, &report.only_in_current);
    if old.len() > MOST || new.len() > MOST {
        return Vec::new();
    }
    let alike = |a: &Series, b: &Series| {
        let same = a.metric == b.metric && a.unit == b.unit && a.direction == b.direction;
        let (a, b) = (a.benchmark.as_str(), b.benchmark.as_str());
        if same && a != b {
            strsim::normalized_damerau_levenshtein(a, b).max(same_last(a, b))
        } else {
            0.0
        }
    };
    let nearest = |one: &Series, of: &[Series]| {
        let likeness = of.iter().map(|other| alike(one, other)).enumerate();
        likeness.max_by(|(_, a), (_, b)| a.total_cmp(b)).filter(|(_, like)| *like >= ALIKE)
    };
    old.iter()
        .enumerate()
        .filter_map(|(at, one)| {
            let (place, _) = nearest(one, new)?;
            let (back, _) = nearest(&new[place], old)?;
            (back == at).then(|| (one, &new[place]))
        })
        .collect()
}

/// Likeness of names that end in the same part, where their groups resemble each other: `parse/x` and `parser/x`.
fn same_last(a: &str, b: &str) -> f64 {
    match (a.rsplit_once('/'), b.rsplit_once('/')) {
        (Some((before, last)), Some((other, same))) if last == same => {
            strsim::jaro_winkler(before, other)
        }
        (Some((group, last)), Some((same, other))) if group == same => {
            strsim::jaro_winkler(last, other)
        }
        _ => 0.0,
    }
}

/// Tells of changes that are likely real.
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

/// Counts benchmarks that could not be judged, by reason.
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
    parts.extend(reserved.iter().map(|(place, count)| {
        let reservation = Reservation::ALL[*place];
        let common = report.common_move.filter(|_| reservation == Reservation::MachineOrCode);
        format!("{count} {reservation}{}", common.map(together).unwrap_or_default())
    }));
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Tells how most benchmarks moved together: ` (most got worse together, by 30.1% in the median)`.
fn together(common: CommonMove) -> String {
    let way = if common.median_ratio > 1.0 { "worse" } else { "better" };
    let by = (common.median_ratio - 1.0).abs() * 100.0;
    format!(" (most got {way} together, by {by:.1}% in the median)")
}

/// How many more runs would tell: `about 2 to 7 more runs a side would tell`.
fn runs_that_tell(open: &[&Comparison]) -> Option<String> {
    let needed = || open.iter().filter_map(|one| one.runs_to_decide);
    let (least, most) = (needed().min()?, needed().max()?);
    if most > super::FEW_RUNS {
        return Some("a few more runs a side narrow them".to_owned());
    }
    let runs = match (least, most) {
        (1, 1) => "1 more run".to_owned(),
        (least, most) if least == most => format!("{most} more runs"),
        (least, most) => format!("{least} to {most} more runs"),
    };
    Some(format!("about {runs} a side would tell"))
}

/// Says in a few words which way the report went: `10 benchmarks are slower, 1 is faster`. Hints are told as such.
pub(crate) fn headline(report: &AnalysisReport) -> String {
    if report.baseline.is_none() {
        return described(report);
    }
    match caveat(report) {
        Some(caveat) => format!("{caveat}: {}", outcome(report, ["seems", "seem"])),
        None => outcome(report, ["is", "are"]),
    }
}

/// The outcome of a comparison, with the verb of one benchmark and that of several.
fn outcome(report: &AnalysisReport, [is, are]: [&str; 2]) -> String {
    let (worse, better) = (report.count(Verdict::Regression), report.count(Verdict::Improvement));
    let changed =
        |one: &&Comparison| matches!(one.verdict, Verdict::Regression | Verdict::Improvement);
    let words = worse_and_better(report.comparisons.iter().filter(changed));
    let verb = |count: usize| if count == 1 { is } else { are };
    let benchmarks = |count: usize| plural(count, "benchmark", "benchmarks");
    match (worse, better) {
        _ if report.comparisons.is_empty() => "nothing was compared".to_owned(),
        (0, 0) => {
            let calm = report.comparisons.iter().filter(|one| is_calm(one)).count();
            let all = benchmarks(report.comparisons.len());
            if calm == 0 {
                format!("nothing can be told of {all}")
            } else if calm == report.comparisons.len() {
                format!("no change seen in {all}")
            } else {
                format!("no sure change: {calm} of {all} show none")
            }
        }
        (0, better) => format!("{} {} {}", benchmarks(better), verb(better), words.1),
        (worse, 0) => format!("{} {} {}", benchmarks(worse), verb(worse), words.0),
        (worse, better) => format!(
            "{} {} {}, {better} {} {}",
            benchmarks(worse),
            verb(worse),
            words.0,
            verb(better),
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
