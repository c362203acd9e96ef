//! Sentences that several formats share.

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
use bench_stats::detect::verdict::{
    Comparison, RatioInterval, Replication, Reservation, Severity, Verdict,
};
use bench_stats::detect::work::WorkStep;
use bench_stats::model::TimelinePoint;

/// One sentence that says what the report comes to.
pub fn summary(report: &AnalysisReport) -> String {
    if report.baseline.is_none() {
        let resources =
            report.measured.iter().filter(|one| one.series.metric.is_resource()).count();
        let own = plural(report.measured.len() - resources, "benchmark", "benchmarks");
        let runs = plural(report.current.runs.len(), "run", "runs");
        return match resources {
            0 => format!("{own} in {runs}"),
            1 => format!("{own} and 1 value of resources in {runs}"),
            more => format!("{own} and {more} values of resources in {runs}"),
        };
    }
    if report.comparisons.is_empty() {
        return "nothing to compare: the two sides have no benchmark in common".to_owned();
    }
    let mut summary = format!(
        "{}, {}, {} unchanged, {} no change seen, {} inconclusive, of {}",
        plural(report.count(Verdict::Regression), "regression", "regressions"),
        plural(report.count(Verdict::Improvement), "improvement", "improvements"),
        report.count(Verdict::Unchanged),
        report.count(Verdict::NoChangeSeen),
        report.count(Verdict::Inconclusive),
        plural(report.comparisons.len(), "benchmark", "benchmarks"),
    );
    if let Some(worst) = worst_first(report, Verdict::Regression).first() {
        let name = text::name(&worst.series);
        summary.push_str(&format!("; worst: {name} {}", format_change(worst.change())));
    }
    summary
}

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
        Verdict::Unchanged => format!("Unchanged: {size} is too small to matter"),
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
    let mut parts = Vec::new();
    if comparison.verdict == Verdict::Regression {
        parts.push(format!("{} severity", Severity::of(comparison.factor_worse())));
    }
    if let Some(accepted) = &comparison.acknowledged {
        let (author, reason) = (visible(&accepted.author), visible(&accepted.reason));
        parts.push(format!("accepted by {author}: {reason}"));
    }
    if comparison.replication != Replication::Replicated {
        parts.push(comparison.replication.to_string());
    }
    if let Some(reservation) = comparison.reservation {
        parts.push(reservation.to_string());
    } else if comparison.verdict == Verdict::Inconclusive {
        parts.push(match comparison.runs_to_decide {
            Some(runs) => format!("about {} a side would decide", more_runs(runs)),
            None => "too close to the threshold to decide".to_owned(),
        });
    }
    parts.extend(could_have_seen(comparison));
    parts.join(", ")
}

/// The smallest change that would have been found, where that matters.
fn could_have_seen(comparison: &Comparison) -> Option<String> {
    let open = matches!(
        comparison.verdict,
        Verdict::Inconclusive | Verdict::NoChangeSeen | Verdict::Unchanged
    );
    let open = open && comparison.replication != Replication::Exact;
    // Beyond tenfold the number says no more than that nothing could be seen.
    (open && comparison.detectable_change < 10.0)
        .then(|| format!("could have seen {}", format_change(comparison.detectable_change)))
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

/// Says what could not be decided, and why, in one sentence; none if everything was.
pub fn undecided(report: &AnalysisReport) -> Option<String> {
    let open: Vec<&Comparison> = worst_first(report, Verdict::Inconclusive);
    let mut parts = Vec::new();
    let needing: Vec<u32> = open
        .iter()
        .filter(|one| one.reservation.is_none())
        .filter_map(|one| one.runs_to_decide)
        .collect();
    if let (Some(least), Some(most)) = (needing.iter().min(), needing.iter().max()) {
        let runs =
            if least == most { more_runs(*least) } else { format!("{least} to {most} more runs") };
        parts.push(format!("{} about {runs} a side", needs(needing.len())));
    }
    let close = open.iter().filter(|one| one.reservation.is_none() && one.runs_to_decide.is_none());
    let close = close.count();
    if close > 0 {
        parts.push(format!("{close} too close to the threshold to decide with a hundred runs"));
    }
    for reservation in Reservation::ALL {
        let count = open.iter().filter(|one| one.reservation == Some(reservation)).count();
        if count > 0 {
            parts.push(format!("{count} {reservation}"));
        }
    }
    (!parts.is_empty()).then(|| format!("{} undecided: {}", open.len(), parts.join("; ")))
}

fn needs(count: usize) -> String {
    format!("{count} {}", if count == 1 { "needs" } else { "need" })
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
    /// Below this share, outlying samples are what any system shows.
    const WORTH_NAMING: f64 = 0.1;
    let mut parts = Vec::new();
    if one.share() > WORTH_NAMING {
        parts.push(format!("{} of {} samples", one.samples.total(), one.sample_count));
    }
    for run in &one.runs {
        let value = format_quantity(run.value, &one.series.unit);
        parts.push(format!("{} at {value} (z {:+.1})", run.run, run.score));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}
