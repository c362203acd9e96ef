//! Sentences that several formats share.

mod advice;
mod summary;

use super::text::{plural, visible};
use super::{format_change, format_quantity, text};
use bench_stats::analysis::{AnalysisReport, SideInfo};
use bench_stats::detect::changes::ChangePoint;
use bench_stats::detect::changes::SlowMove;
use bench_stats::detect::geometric_mean::{GeometricMean, LeftOut};
use bench_stats::detect::onset::{Onset, OnsetEvidence};
use bench_stats::detect::outliers::OutlierDetection;
use bench_stats::detect::reference::SinceReference;
use bench_stats::detect::settings::Settings;
use bench_stats::detect::shape::{RunModes, ShapeChange};
use bench_stats::detect::trend::Trend;
use bench_stats::detect::verdict::{Comparison, RatioInterval, Replication, Verdict};
use bench_stats::detect::work::WorkStep;
use bench_stats::model::TimelinePoint;

pub(crate) use advice::advice;
pub(crate) use summary::{caveat, headline};
pub use summary::{summary, within};

/// A geometric mean in a line: `geometric mean of 12 benchmarks in calls: +1.3% (95% interval ...)`.
pub(crate) fn geometric_mean(one: &GeometricMean, settings: &Settings) -> String {
    let group = one.group.as_deref().map(|group| format!(" in {}", text::shortened(group)));
    let metric = if one.metric.is_time() {
        String::new()
    } else {
        let (metric, unit) = (one.metric.as_str(), one.unit.as_str());
        format!(" [{}, {}]", text::shortened(metric), text::shortened(unit))
    };
    let mut said = format!(
        "geometric mean of {}{}{metric}: {} ",
        plural(one.benchmarks, "benchmark", "benchmarks"),
        group.unwrap_or_default(),
        format_change(one.ratio - 1.0),
    );
    said.push_str(&if one.interval.low == one.interval.high {
        "(exactly)".to_owned()
    } else {
        format!("({:.0}% interval {})", settings.level * 100.0, interval(one.interval))
    });
    let LeftOut { zero, on_one_side } = one.left_out;
    let left = [(zero, "zero on a side"), (on_one_side, "on one side only")];
    let left: Vec<String> = left
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, why)| format!("{count} {why}"))
        .collect();
    if !left.is_empty() {
        said.push_str(&format!(", without {}", left.join(" and ")));
    }
    said
}

/// The comparisons that came to a verdict: regressions and what is undecided worst first,
/// improvements best first, what is unchanged by name.
pub fn worst_first(report: &AnalysisReport, verdict: Verdict) -> Vec<&Comparison> {
    let mut members: Vec<&Comparison> =
        report.comparisons.iter().filter(|one| one.verdict == verdict).collect();
    match verdict {
        Verdict::Regression | Verdict::Inconclusive => {
            members.sort_by(|a, b| b.factor_worse().total_cmp(&a.factor_worse()));
        }
        Verdict::Improvement => {
            members.sort_by(|a, b| a.factor_worse().total_cmp(&b.factor_worse()));
        }
        Verdict::NoChangeSeen | Verdict::Unchanged => {}
    }
    members
}

/// The order in which verdicts are shown.
pub(crate) const WORST_FIRST: [Verdict; 5] = [
    Verdict::Regression,
    Verdict::Improvement,
    Verdict::Inconclusive,
    Verdict::NoChangeSeen,
    Verdict::Unchanged,
];

/// The verdict of many.
pub(crate) fn title(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Regression => "Regressions",
        Verdict::Improvement => "Improvements",
        Verdict::Inconclusive => "Inconclusive",
        Verdict::NoChangeSeen => "No change seen",
        Verdict::Unchanged => "Unchanged",
    }
}

/// A sign that stands beside the word, so that a list can be skimmed without colours.
pub(crate) fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Regression => "✗",
        Verdict::Improvement => "✓",
        Verdict::Inconclusive => "?",
        Verdict::NoChangeSeen => "~",
        Verdict::Unchanged => "=",
    }
}

/// A side in a few words: its name, its runs and when and of what they were.
pub fn describe_side(side: &SideInfo) -> String {
    let mut parts = vec![plural(side.runs.len(), "run", "runs")];
    if let Some(newest) = side.runs.last() {
        parts.push(newest.measured_at.strftime("%Y-%m-%d %H:%M UTC").to_string());
        parts.extend(newest.revision.short());
        parts.extend(newest.revision.branch.clone());
    }
    visible(&format!("{} ({})", side.name, parts.join(", ")))
}

/// Says what a comparison comes to, in a sentence.
pub(crate) fn conclusion(one: &Comparison, onset: Option<&Onset>, settings: &Settings) -> String {
    let size = size(one, settings);
    let mut said = match one.verdict {
        Verdict::Regression => format!("Worse by {size}"),
        Verdict::Improvement => format!("Better by {size}"),
        Verdict::Unchanged => format!("No change that matters: {size}"),
        Verdict::NoChangeSeen => format!("No change seen: {size}"),
        Verdict::Inconclusive => format!("Not decided: {size}"),
    };
    for part in [remark(one), onset.map(since).unwrap_or_default()] {
        if !part.is_empty() {
            said.push_str(&format!("; {part}"));
        }
    }
    if one.fails_gate(settings.gate_error_rate) {
        said.push_str("; fails a build that must not regress");
    }
    said + "."
}

/// A comparison in a line, where no table has a head that explains its numbers: how much, how sure
/// that is, from what to what, and since when.
pub(crate) fn line(one: &Comparison, report: &AnalysisReport) -> String {
    let mut parts = vec![size(one, &report.settings), values(one)];
    parts.extend(report.onset(&one.series).map(since));
    parts.push(remark(one));
    parts.retain(|part| !part.is_empty());
    parts.join(", ")
}

/// From what to what.
pub(crate) fn values(one: &Comparison) -> String {
    let value = |value| format_quantity(value, &one.series.unit);
    format!("{} -> {}", value(one.baseline.value), value(one.current.value))
}

/// How much, and how sure that is.
pub(crate) fn size(one: &Comparison, settings: &Settings) -> String {
    let (change, level) = (format_change(one.change()), settings.level * 100.0);
    if one.interval.low == one.interval.high {
        return format!("{change} (exactly)");
    }
    format!("{change} ({level:.0}% interval {})", interval(one.interval))
}

/// An interval of changes, from one end to the other.
pub(crate) fn interval(interval: RatioInterval) -> String {
    if interval.low == interval.high {
        return "exact".to_owned();
    }
    format!("{} to {}", format_change(interval.low - 1.0), format_change(interval.high - 1.0))
}

/// Says what has to be said about a comparison beside its numbers.
pub fn remark(comparison: &Comparison) -> String {
    remarks(comparison, Some(comparison.replication))
}

/// Says what has to be said about a comparison in a report whose summary says already what holds of all.
pub(crate) fn row_remark(comparison: &Comparison, report: &AnalysisReport) -> String {
    let said = caveat(report).is_some() && comparison.replication == Replication::Unreplicated;
    remarks(comparison, (!said).then_some(comparison.replication))
}

fn remarks(comparison: &Comparison, replication: Option<Replication>) -> String {
    let mut parts = Vec::new();
    if let Some(accepted) = &comparison.acknowledged {
        let (author, reason) = (visible(&accepted.author), visible(&accepted.reason));
        parts.push(format!("accepted by {author}: {reason}"));
    }
    match comparison.verdict {
        Verdict::Regression | Verdict::Improvement => {}
        Verdict::NoChangeSeen | Verdict::Unchanged => parts.extend(within(comparison)),
        Verdict::Inconclusive => parts.push(open(comparison)),
    }
    let others = |one: &Replication| *one != Replication::Replicated;
    parts.extend(replication.filter(others).map(|one| one.to_string()));
    parts.join(", ")
}

/// More runs than this nobody makes to settle one benchmark; a few narrow its interval to something of use.
const FEW_RUNS: u32 = 20;

/// Why a comparison is open, and what would settle it.
fn open(comparison: &Comparison) -> String {
    if let Some(reservation) = comparison.reservation {
        return reservation.to_string();
    }
    let state = if comparison.is_to_watch() { "likely real" } else { "too wide to tell" };
    match comparison.runs_to_decide {
        Some(runs @ 1..=FEW_RUNS) => {
            format!("{state}; about {} a side would tell", more_runs(runs))
        }
        _ => state.to_owned(),
    }
}

/// How likely something is by chance, as people say it: `1 in 2,000`.
pub(crate) fn odds(p_value: f64) -> String {
    if p_value < 1e-6 {
        return "less than 1 in a million".to_owned();
    }
    if p_value > 0.3 {
        return format!("{:.0} in 10", (p_value * 10.0).round());
    }
    let one_in = p_value.recip();
    let digits = 10_f64.powf((one_in.log10().floor() - 1.0).max(0.0));
    let mut number = format!("{:.0}", (one_in / digits).round() * digits);
    let mut place = number.len();
    while place > 3 {
        place -= 3;
        number.insert(place, ',');
    }
    format!("1 in {number}")
}

fn more_runs(runs: u32) -> String {
    format!("{runs} more {}", if runs == 1 { "run" } else { "runs" })
}

/// Says what has to be said about a change of a history beside its numbers.
pub(crate) fn change_remarks(change: &ChangePoint) -> String {
    let mut remarks = Vec::new();
    if change.provisional {
        remarks.push("provisional: too few later points".to_owned());
    }
    if change.machine_event {
        remarks.push("with most other benchmarks".to_owned());
    }
    if let Some(withdrawn) = &change.withdrawn {
        let who = withdrawn.author.as_deref();
        let by = who.map(|author| format!(" by {}", visible(author))).unwrap_or_default();
        let day = withdrawn.withdrawn_at.map(|at| at.strftime(" on %Y-%m-%d").to_string());
        let reason = visible(&withdrawn.reason);
        remarks.push(format!("withdrawn{by}{}: {reason}", day.unwrap_or_default()));
    } else if !change.shown {
        let day = change.found_at.map(|at| at.strftime(" on %Y-%m-%d").to_string());
        remarks.push(format!(
            "found{}, and kept although later values hide it (`withdraw` takes it back)",
            day.unwrap_or_default()
        ));
    }
    if let Some(accepted) = &change.acknowledged {
        let (author, reason) = (visible(&accepted.author), visible(&accepted.reason));
        remarks.push(format!("accepted by {author}: {reason}"));
    }
    remarks.extend(change.circumstances.iter().map(|one| visible(&one.to_string())));
    remarks.join("; ")
}

/// Where a history goes on with other work.
pub(crate) fn work_step(step: &WorkStep, points: &[TimelinePoint]) -> String {
    let WorkStep { index, kind, before, now } = step;
    let run = points.get(*index).and_then(|point| point.runs.first());
    let run = run.map(|run| format!(" ({run})")).unwrap_or_default();
    format!(
        "other work from point {index}{run} on: {now} {} an iteration instead of {before}; values before it \
         are shown for as much work, so it is the rate that is followed",
        kind.things()
    )
}

/// A slow move in a line, without the name of its series.
pub(crate) fn slow_move(one: &SlowMove) -> String {
    let mut parts: Vec<String> = one.trend.iter().map(trend).collect();
    parts.extend(one.since.iter().map(since_reference));
    parts.join("; ")
}

/// A trend: `trend +14.8% over the last 100 points (99% interval +12.9% to +16.8%)`.
pub(crate) fn trend(trend: &Trend) -> String {
    let (low, high) = trend.interval;
    format!(
        "trend {} over the last {} points ({:.0}% interval {} to {})",
        format_change(trend.change),
        trend.points,
        trend.level * 100.0,
        format_change(low),
        format_change(high)
    )
}

/// Says what became of the level since the reference.
pub(crate) fn since_reference(since: &SinceReference) -> String {
    let (low, high) = since.beside_steps_interval;
    format!(
        "{} since {}, of which no step explains {} ({:.0}% interval {} to {})",
        format_change(since.change),
        visible(&since.reference),
        format_change(since.beside_steps),
        since.level * 100.0,
        format_change(low),
        format_change(high)
    )
}

/// Since when a change is there: `since c039..c040 (2023-11-16)`.
pub fn since(onset: &Onset) -> String {
    let day = onset.measured_at.strftime("%Y-%m-%d");
    let how = match onset.evidence {
        OnsetEvidence::Step => "since",
        OnsetEvidence::ProvisionalStep => "since about",
        OnsetEvidence::Sides => "somewhere in",
    };
    let (after, up_to) = (onset.after_commit.as_deref(), onset.up_to_commit.as_deref());
    match commits(after, up_to) {
        Some(commit) if after == up_to => format!("on top of {commit} ({day})"),
        Some(commits) => format!("{how} {commits} ({day})"),
        None => match onset.evidence {
            OnsetEvidence::Sides => format!("first seen in {} ({day})", onset.first_run),
            _ => format!("{how} {} ({day})", onset.first_run),
        },
    }
}

/// The onset that all changes of a report share: most are of one range of commits, which is said once then.
pub(crate) fn shared_onset(report: &AnalysisReport) -> Option<&Onset> {
    let changed =
        |one: &&Comparison| matches!(one.verdict, Verdict::Regression | Verdict::Improvement);
    let mut onsets = report.comparisons.iter().filter(changed).map(|one| report.onset(&one.series));
    let first = onsets.next()??;
    let place = |one: &Onset| {
        let run = one.up_to_commit.is_none().then_some(one.first_run);
        (one.after_commit.clone(), one.up_to_commit.clone(), run)
    };
    let same = |one: Option<&Onset>| one.is_some_and(|one| place(one) == place(first));
    onsets.all(same).then_some(first)
}

/// A range of commits as git writes it.
pub(crate) fn commits(after: Option<&str>, up_to: Option<&str>) -> Option<String> {
    let short = |sha: &str| visible(&sha.chars().take(10).collect::<String>());
    match (after.map(short), up_to.map(short)) {
        (Some(after), Some(up_to)) if after == up_to => Some(format!("commit {after}")),
        (Some(after), Some(up_to)) => Some(format!("{after}..{up_to}")),
        (None, Some(up_to)) => Some(format!("..{up_to}")),
        _ => None,
    }
}

/// How the slow samples of a benchmark changed.
pub(crate) fn shape(one: &ShapeChange) -> String {
    let percent = |share: f64| format!("{:.0}%", share * 100.0);
    format!(
        "the slowest tenth of the samples took {:.2} times the median before, {:.2} times now; {} of \
         them were slow before, {} are now, and the mean is {:.2} times the median instead of {:.2}",
        one.tail_before,
        one.tail_now,
        percent(one.slow_before),
        percent(one.slow_now),
        one.mean_now,
        one.mean_before
    )
}

/// The two modes that the runs of a benchmark fall into.
pub(crate) fn modes(one: &RunModes) -> String {
    let value = |value| format_quantity(value, &one.series.unit);
    let upper = |(upper, all): (usize, usize)| format!("{upper} of {all}");
    format!(
        "its runs take about {} or about {}: {} the latter before, {} now",
        value(one.low),
        value(one.high),
        upper(one.high_before),
        upper(one.high_now)
    )
}

/// Says which outliers a series has, where they are worth a word.
pub(crate) fn outliers(one: &OutlierDetection) -> Option<String> {
    let mut parts = Vec::new();
    if one.is_disturbed() {
        parts.push(format!("{} of {} samples", one.samples.total(), one.sample_count));
    }
    for run in &one.runs {
        let value = format_quantity(run.value, &one.series.unit);
        parts.push(format!("{} at {value} (z {:+.1})", run.run, run.score));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}
