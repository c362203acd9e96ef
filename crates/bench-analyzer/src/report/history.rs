//! Series through time, for terminals and programs.

use std::collections::BTreeMap;
use std::io;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::json::SCHEMA;
use super::text::{self, plural, sparkline, visible};
use super::{format_change, format_quantity, words};
use bench_stats::detect::changes::{ChangePoint, CommonEvents, SeriesChanges};
use bench_stats::detect::verdict::Verdict;
use bench_stats::model::{Fingerprint, RunId};

/// How many bars show a series at the most.
const WIDTH: usize = 60;
/// Indentation of what is told of a series.
const ASIDE: &str = "  ";

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const BAD: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const OPEN: Style = AnsiColor::Yellow.on_default();

/// Histories as a terminal shows them.
#[derive(Debug, Clone, Copy, Default)]
pub struct HistoryReporter<'m> {
    /// How many series without a change are listed; none for all.
    pub most: Option<usize>,
    /// How many columns there are; none if lines may be of any length.
    pub columns: Option<usize>,
    /// Machines and compilers that runs were made with, so that a change of them can be described.
    pub machines: Option<&'m BTreeMap<RunId, Fingerprint>>,
}

impl HistoryReporter<'_> {
    /// Writes what happened to most series, then every series: those that changed first.
    ///
    /// # Errors
    /// If `output` cannot be written.
    pub fn write(&self, changes: &[SeriesChanges], output: &mut dyn io::Write) -> io::Result<()> {
        let common = CommonEvents::among(changes);
        self.line("", BOLD, &summary(changes, &common), "", output)?;
        self.write_common(changes, &common, output)?;
        let is_eventful = |one: &&SeriesChanges| is_eventful(one, &common);
        let (eventful, calm): (Vec<_>, Vec<_>) = changes.iter().partition(is_eventful);
        let most = self.most.unwrap_or(usize::MAX);
        for one in eventful.iter().chain(calm.iter().take(most)) {
            self.write_series(one, &common, output)?;
        }
        if calm.len() > most {
            let more = calm.len() - most;
            writeln!(output, "{DIM}and {more} series without a change: --all lists them{DIM:#}")?;
        }
        Ok(())
    }

    /// Writes the moves that most series made at once, once each.
    fn write_common(
        &self,
        changes: &[SeriesChanges],
        common: &CommonEvents,
        output: &mut dyn io::Write,
    ) -> io::Result<()> {
        /// More are machines that measure in turns, and only the newest is told.
        const TOLD: usize = 2;
        let all = changes.len();
        let times = common.machine_changes.len();
        let told = if times > TOLD { times - 1 } else { 0 };
        for one in &common.machine_changes[told..] {
            let fingerprint = |run: &RunId| self.machines.and_then(|machines| machines.get(run));
            let what = match (fingerprint(&one.before), fingerprint(&one.run)) {
                (Some(before), Some(after)) => before.differences(after).join(", "),
                _ => String::new(),
            };
            let what =
                if what.is_empty() { String::new() } else { format!(" ({})", visible(&what)) };
            let (run, at) = (one.run, one.measured_at.strftime("%Y-%m-%d %H:%M UTC"));
            let told = if times > TOLD {
                format!(
                    " {times} times, last from {run} on, {at}{what}: each stretch is looked at by itself; --machine \
                     NAME shows the history of one"
                )
            } else {
                format!(
                    " from {run} on, {at}{what}: {} of {all} series go on there, and are not compared with what was \
                     before",
                    one.series
                )
            };
            self.line("", OPEN, "another machine or compiler", &told, output)?;
        }
        for one in &common.moves {
            let moved = format!("{} of {all} series moved together", one.series);
            let told = format!(
                " at {} ({}), by {} in the median: the machine, by all that can be told",
                one.run,
                one.measured_at.strftime("%Y-%m-%d %H:%M UTC"),
                format_change(one.change)
            );
            self.line("", style(one.verdict), &moved, &told, output)?;
        }
        for one in &common.stumbles {
            let stood_out = format!("{} of {all} series stood out", one.series);
            let told = format!(
                " for one measurement, at {} ({}): the machine, by all that can be told",
                one.run,
                one.measured_at.strftime("%Y-%m-%d %H:%M UTC")
            );
            self.line("", OPEN, &stood_out, &told, output)?;
        }
        if let Some(drift) = &common.drift {
            let drifting = format!("{} of {all} series drift", drift.series);
            let told = format!(" the same way, by {} in the median", format_change(drift.change));
            self.line("", style(drift.verdict), &drifting, &told, output)?;
        }
        Ok(())
    }

    fn write_series(
        &self,
        one: &SeriesChanges,
        common: &CommonEvents,
        output: &mut dyn io::Write,
    ) -> io::Result<()> {
        let points = &one.timeline.points;
        let unit = &one.timeline.series.unit;
        let values: Vec<f64> = points.iter().map(|point| point.value).collect();
        writeln!(output, "{BOLD}{}{BOLD:#}", text::name(&one.timeline.series))?;
        let latest = values.last().map(|value| format_quantity(*value, unit));
        let said = format!(" {} points, latest {}", values.len(), latest.unwrap_or_default());
        let used = ASIDE.len() + text::width(&said);
        let room = self.columns.map_or(WIDTH, |columns| columns.saturating_sub(used).max(1));
        writeln!(output, "{ASIDE}{}{DIM}{said}{DIM:#}", sparkline(&values, room.min(WIDTH)))?;
        for step in &one.work_steps {
            self.line(ASIDE, BOLD, &words::work_step(step, points), "", output)?;
        }
        for change in one.change_points.iter().filter(|change| !change.machine_event) {
            self.write_change(one, change, output)?;
        }
        if let Some(trend) = one.trend.as_ref().filter(|_| !common.is_drift(one)) {
            self.line(ASIDE, style(trend.verdict), &words::trend(trend), "", output)?;
        }
        if let Some(since) = one.since.as_ref().filter(|_| one.has_moved()) {
            let style = style(since.beside_steps_verdict);
            self.line(ASIDE, style, &words::since_reference(since), "", output)?;
        }
        for excursion in &one.excursions {
            let away = format!(
                "away for {} points, {} to {} (from {} on): {}",
                excursion.last - excursion.first + 1,
                excursion.first,
                excursion.last,
                excursion.run,
                format_quantity(excursion.value, unit)
            );
            self.line(ASIDE, DIM, &away, "", output)?;
        }
        for spike in one.spikes.iter().filter(|spike| !common.is_stumble(one, spike.index)) {
            let stood_out = format!(
                "spike at point {} ({}): {}, {:.0} times as far off as usual",
                spike.index,
                spike.run,
                format_quantity(spike.value, unit),
                spike.score.abs()
            );
            self.line(ASIDE, DIM, &stood_out, "", output)?;
        }
        Ok(())
    }

    fn write_change(
        &self,
        one: &SeriesChanges,
        change: &ChangePoint,
        output: &mut dyn io::Write,
    ) -> io::Result<()> {
        let style = if change.withdrawn.is_some() { DIM } else { style(change.verdict) };
        let word = match change.verdict {
            Verdict::Regression => "worse",
            Verdict::Improvement => "better",
            _ => "changed",
        };
        let unit = &one.timeline.series.unit;
        let told = format!(
            " at point {} ({}, {}): {} -> {}, by chance {}, {} {}",
            change.index,
            change.run,
            change.measured_at.strftime("%Y-%m-%d %H:%M UTC"),
            format_quantity(change.before, unit),
            format_quantity(change.after, unit),
            words::odds(change.p_value),
            commit_range(change),
            words::change_remarks(change)
        );
        let changed = format!("{word} {}", format_change(change.change));
        self.line(ASIDE, style, &changed, told.trim_end(), output)
    }

    /// Writes a line whose beginning has a style, broken between words where it would be too long.
    fn line(
        &self,
        indent: &str,
        style: Style,
        head: &str,
        rest: &str,
        output: &mut dyn io::Write,
    ) -> io::Result<()> {
        let room = self.columns.map(|columns| columns.saturating_sub(indent.len()));
        let mut styled = head.chars().count();
        for (index, line) in
            text::wrapped(&format!("{head}{rest}"), room, ASIDE.len()).iter().enumerate()
        {
            let own = line.char_indices().nth(styled).map_or(line.len(), |(at, _)| at);
            // The space that the line was broken at is gone.
            styled = styled.saturating_sub(line.chars().count() + 1);
            let further = if index == 0 { "" } else { ASIDE };
            let (head, rest) = line.split_at(own);
            let head =
                if head.is_empty() { String::new() } else { format!("{style}{head}{style:#}") };
            writeln!(output, "{indent}{further}{head}{rest}")?;
        }
        Ok(())
    }
}

/// Sums the histories up: how many changed, and the newest change for the worse that nobody accepted.
fn summary(changes: &[SeriesChanges], common: &CommonEvents) -> String {
    let own = || {
        let of =
            |one: &SeriesChanges| one.change_points.iter().filter(|one| !one.machine_event).count();
        changes.iter().map(of).sum::<usize>()
    };
    let open = || {
        let points =
            changes.iter().flat_map(|one| one.change_points.iter().map(move |at| (one, at)));
        points.filter(|(_, change)| is_open(change))
    };
    let mut said = format!(
        "{} series, {}, {} for the worse that nobody accepted",
        changes.len(),
        plural(own(), "change", "changes"),
        open().count()
    );
    if let Some((one, change)) = open().max_by_key(|(_, change)| change.measured_at) {
        let maybe = if change.provisional { ", provisional" } else { "" };
        said.push_str(&format!(
            "; the newest: {} {} since {} ({}{maybe})",
            text::name(&one.timeline.series),
            format_change(change.change),
            commit_range(change),
            change.measured_at.strftime("%Y-%m-%d")
        ));
    }
    let drifting = changes.iter().filter(|one| one.trend.is_some()).count();
    if drifting > 0 && common.drift.is_none() {
        said.push_str(&format!(
            "; {} {}",
            drifting,
            if drifting == 1 { "drifts" } else { "drift" }
        ));
    }
    said
}

/// Whether a change is one for the worse that somebody should look at, be it sure already or provisional.
fn is_open(change: &ChangePoint) -> bool {
    change.verdict == Verdict::Regression
        && !change.machine_event
        && change.withdrawn.is_none()
        && change.acknowledged.is_none()
}

/// Whether a series did something that most did not do too.
fn is_eventful(one: &SeriesChanges, common: &CommonEvents) -> bool {
    one.change_points.iter().any(|change| !change.machine_event)
        || !one.work_steps.is_empty()
        || (one.trend.is_some() && !common.is_drift(one))
        || one.has_moved()
        || !one.excursions.is_empty()
        || one.spikes.iter().any(|spike| !common.is_stumble(one, spike.index))
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Regression => BAD,
        Verdict::Improvement => GOOD,
        _ => BOLD,
    }
}

fn commit_range(change: &ChangePoint) -> String {
    let short = |commit: &Option<String>| {
        commit.as_deref().map(|sha| visible(sha.get(..10).unwrap_or(sha)))
    };
    match (short(&change.after_commit), short(&change.up_to_commit)) {
        (Some(after), Some(up_to)) => format!("commits {after}..{up_to}"),
        (None, Some(up_to)) => format!("up to commit {up_to}"),
        _ => "commits unknown".to_owned(),
    }
}

#[derive(Serialize)]
struct Document<'c> {
    schema: u32,
    common: CommonEvents,
    series: &'c [SeriesChanges],
}

/// Writes one JSON object with what most series did, and every series, its points and its changes.
///
/// # Errors
/// If `output` cannot be written.
pub fn write_json(changes: &[SeriesChanges], output: &mut dyn io::Write) -> io::Result<()> {
    serde_json::to_writer_pretty(
        &mut *output,
        &Document { schema: SCHEMA, common: CommonEvents::among(changes), series: changes },
    )?;
    writeln!(output)
}
