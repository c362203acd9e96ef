//! The evidence about one benchmark.

use std::io;

use maud::{Markup, PreEscaped, html};

use crate::links::Links;
use crate::report::figure::{self, Figure};
use crate::report::plot::{self, Words};
use crate::report::quantity::format_rate;
use crate::report::series_summary::SeriesSummary;
use crate::report::text::{self, plural, visible};
use crate::report::words::{self, commits, interval};
use crate::report::{format_change, format_quantity};
use bench_stats::analysis::AnalysisReport;
use bench_stats::detect::changes::{ChangePoint, SeriesChanges};
use bench_stats::detect::outliers::OutlierDetection;
use bench_stats::detect::verdict::{Comparison, Replication, Verdict};

/// How many points make a history.
pub(super) const HISTORY: usize = 3;

/// Everything behind a line.
pub(super) fn render(
    series_summary: &SeriesSummary<'_>,
    report: &AnalysisReport,
    links: &Links,
    plots: bool,
) -> io::Result<Markup> {
    let drawn = if plots {
        drawings(series_summary, report)?
    } else {
        html! {}
    };
    Ok(html! {
        div.d {
            p.say {
                (conclusion(series_summary, report))
                @if let Some(onset) = series_summary.onset {
                    @let ends = (onset.after_commit.as_deref(), onset.up_to_commit.as_deref());
                    @if let Some(address) = links.range(ends.0, ends.1) {
                        " " a href=(address) rel="noreferrer" { "These commits" }
                    }
                }
            }
            (advice(series_summary))
            (drawn)
            (facts(series_summary, report, plots))
            (changes(series_summary, links))
            @for moving in report.slow_moves.iter().filter(|one| one.series == *series_summary.series) {
                p { "Slow move: " (words::slow_move(moving)) "." }
            }
            @if let Some(outliers) = series_summary.outliers { (outlying(outliers)) }
            @if let Some(modes) = series_summary.modes {
                p { "Two modes: " (words::modes(modes)) "." }
            }
            @if let Some(shape) = series_summary.shape {
                p { "Slow iterations: " (words::shape(shape)) "." }
            }
            (resources(series_summary))
        }
    })
}

/// Says what the numbers say, as a sentence.
fn conclusion(series_summary: &SeriesSummary<'_>, report: &AnalysisReport) -> String {
    let Some(one) = series_summary.comparison else {
        let name = text::name(series_summary.series);
        let value = format_quantity(series_summary.measured.value, &series_summary.series.unit);
        return match &report.baseline {
            Some(baseline) => {
                format!("{name}: {value}. It is not in {}.", visible(&baseline.name))
            }
            None => format!("{name}: {value}. There is nothing to compare with."),
        };
    };
    words::conclusion(one, series_summary.onset, &report.settings)
}

fn drawings(series_summary: &SeriesSummary<'_>, report: &AnalysisReport) -> io::Result<Markup> {
    let name = text::name(series_summary.series);
    let mut figures = Vec::new();
    if let Some(one) = series_summary.comparison {
        figures.push(figure::interval(one, &report.settings)?);
    }
    figures.push(figure::samples(
        series_summary.series,
        series_summary.baseline,
        series_summary.current,
    )?);
    if let Some(history) = series_summary.history.filter(|one| one.timeline.points.len() >= HISTORY)
    {
        let words =
            Words { title: format!("{name}: history"), description: history_in_words(history) };
        let svg = plot::svg(figure::PLOT, &words, |area| plot::history::draw(area, history))?;
        let caption = "The history: a point for each set of runs, oldest first.";
        figures.push(Figure { svg, caption });
    }
    Ok(html! {
        div.plots { @for one in figures {
            figure { (PreEscaped(one.svg)) figcaption { (one.caption) } }
        } }
    })
}

fn history_in_words(history: &SeriesChanges) -> String {
    let unit = &history.timeline.series.unit;
    let points = &history.timeline.points;
    let mut said = plural(points.len(), "point", "points");
    if let (Some(first), Some(last)) = (points.first(), points.last()) {
        said.push_str(&format!(
            " from {} to {}, the first {}, the last {}",
            first.measured_at.strftime("%Y-%m-%d"),
            last.measured_at.strftime("%Y-%m-%d"),
            format_quantity(first.value, unit),
            format_quantity(last.value, unit)
        ));
    }
    for change in &history.change_points {
        let day = change.measured_at.strftime("%Y-%m-%d");
        said.push_str(&format!("; {} on {day}", format_change(change.change)));
    }
    said
}

/// A number, what it is of, and what stands beside it.
type Fact = (&'static str, String, Option<String>);

/// The numbers: spread out where there are plots too, else as a sentence, because pages of thousands
/// of benchmarks open in two thirds of the time without twenty elements for each.
fn facts(series_summary: &SeriesSummary<'_>, report: &AnalysisReport, plots: bool) -> Markup {
    let facts = list_facts(series_summary, report);
    if plots {
        return html! {
            dl { @for (what, number, beside) in &facts {
                div { dt { (what) } dd { (number) @if let Some(beside) = beside { small { (beside) } } } }
            } }
        };
    }
    let spoken = facts.iter().map(|(what, number, beside)| match beside {
        Some(beside) => format!("{what} {number} ({beside})"),
        None => format!("{what} {number}"),
    });
    html! { p { (spoken.collect::<Vec<_>>().join("; ")) } }
}

fn list_facts(series_summary: &SeriesSummary<'_>, report: &AnalysisReport) -> Vec<Fact> {
    let unit = &series_summary.series.unit;
    let measured = series_summary.measured;
    let on = |runs: usize, samples: usize| {
        format!("{}, {}", plural(runs, "run", "runs"), plural(samples, "sample", "samples"))
    };
    let mut facts: Vec<Fact> = Vec::new();
    if let Some(one) = series_summary.comparison {
        for (what, side) in [("baseline", one.baseline), ("current", one.current)] {
            let beside = Some(on(side.runs, side.samples));
            facts.push((what, format_quantity(side.value, unit), beside));
        }
        facts.push(("change", format_change(one.change()), Some(interval(one.interval))));
        if one.replication != Replication::Exact {
            let (all, adjusted) = (report.comparisons.len(), words::odds(one.adjusted_p_value));
            let among_all = format!("as one of {all}, however often one looks: {adjusted}");
            facts.push(("by chance", words::odds(one.p_value), Some(among_all)));
        }
        facts.push(("judged by", one.replication.to_string(), None));
        if one.detectable_change < 10.0 && one.replication != Replication::Exact {
            let smallest = format!("±{:.1}%", one.detectable_change * 100.0);
            facts.push(("smallest change that is usually found", smallest, None));
        }
    } else {
        let beside = Some(on(measured.runs, measured.samples));
        facts.push(("value", format_quantity(measured.value, unit), beside));
    }
    let spread = format!("{:.1}%", measured.relative_spread * 100.0);
    facts.push(("spread of samples", spread, None));
    for &work in &measured.throughput {
        let before = series_summary.baseline.filter(|one| one.throughput.contains(&work));
        let before = before.map(|one| format!("was {}", format_rate(work, one.typical())));
        facts.push(("rate", format_rate(work, measured.value), before));
    }
    facts
}

fn changes(series_summary: &SeriesSummary<'_>, links: &Links) -> Markup {
    let eventful =
        |one: &&SeriesChanges| !one.change_points.is_empty() || !one.work_steps.is_empty();
    let Some(history) = series_summary.history.filter(eventful) else {
        return html! {};
    };
    let unit = &history.timeline.series.unit;
    html! {
        h3 { "Changes of level in the history" }
        @for step in &history.work_steps {
            p { (words::work_step(step, &history.timeline.points)) "." }
        }
        @if !history.change_points.is_empty() { div.scroll { table {
            thead { tr { th { "measured" } th { "commits" } th { "run" } th { "before" } th { "after" }
                th { "change" } th { "remarks" } } }
            tbody { @for change in history.change_points.iter().rev() { tr {
                td { (change.measured_at.strftime("%Y-%m-%d %H:%M")) }
                td { @match commits(change.after_commit.as_deref(), change.up_to_commit.as_deref()) {
                    Some(range) => (linked(
                        &range,
                        links.range(change.after_commit.as_deref(), change.up_to_commit.as_deref()),
                    )),
                    None => "unknown",
                } }
                td { (change.run) }
                td.r { (format_quantity(change.before, unit)) }
                td.r { (format_quantity(change.after, unit)) }
                td class={ "r v-" (change.verdict) } { (word(change)) " " (format_change(change.change)) }
                td { (words::change_remarks(change)) }
            } } }
        } } }
    }
}

/// Commits, which lead to where they can be looked at.
pub(super) fn linked(commits: &str, address: Option<String>) -> Markup {
    html! {
        @match address {
            Some(address) => a href=(address) rel="noreferrer" { code { (commits) } },
            None => code { (commits) },
        }
    }
}

fn word(change: &ChangePoint) -> &'static str {
    match change.verdict {
        Verdict::Regression => "worse",
        Verdict::Improvement => "better",
        Verdict::Inconclusive | Verdict::NoChangeSeen | Verdict::Unchanged => "changed",
    }
}

fn outlying(one: &OutlierDetection) -> Markup {
    let counts = [
        (one.samples.high_severe, "far above"),
        (one.samples.high_mild, "above"),
        (one.samples.low_mild, "below"),
        (one.samples.low_severe, "far below"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, place)| format!("{count} {place}"))
        .collect();
    html! {
        p {
            "Outliers, kept in every calculation: " (one.samples.total()) " of "
            (plural(one.sample_count, "sample", "samples"))
            @if !counts.is_empty() { " (" (counts.join(", ")) " Tukey's fences)" }
            @for run in &one.runs {
                "; " (run.run) " at " (format_quantity(run.value, &one.series.unit))
                (format!(" (z {:+.1})", run.score))
            }
            "."
        }
    }
}

fn resources(series_summary: &SeriesSummary<'_>) -> Markup {
    let compared: &[&Comparison] = &series_summary.resources;
    let alone: Vec<_> = series_summary
        .measured_resources
        .iter()
        .filter(|one| compared.iter().all(|other| other.series != one.series))
        .collect();
    html! {
        @if !compared.is_empty() || !alone.is_empty() {
            h3 { "Resources" }
            div.scroll { table {
                thead { tr { th { "resource" } th { "baseline" } th { "current" } th { "change" }
                    th { "interval" } th { "verdict" } } }
                tbody {
                    @for one in compared { tr {
                        td { (visible(one.series.metric.as_str())) }
                        td.r { (format_quantity(one.baseline.value, &one.series.unit)) }
                        td.r { (format_quantity(one.current.value, &one.series.unit)) }
                        td.r { (format_change(one.change())) }
                        td { (interval(one.interval)) }
                        td class={ "v-" (one.verdict.id()) } { (one.verdict) }
                    } }
                    @for one in alone { tr {
                        td { (visible(one.series.metric.as_str())) }
                        td {}
                        td.r { (format_quantity(one.value, &one.series.unit)) }
                        td {} td {} td {}
                    } }
                }
            } }
        }
    }
}

fn advice(series_summary: &SeriesSummary<'_>) -> Markup {
    html! {
        @if !series_summary.advice.is_empty() {
            ul.advice { @for one in &series_summary.advice {
                li { b { "Recommendation: " } (visible(&one.advice)) " (" (visible(&one.evidence)) ")" }
            } }
        }
    }
}
