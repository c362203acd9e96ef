//! The page around the benchmarks.

use std::collections::HashSet;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::filters::{self, Kind};
use super::row::{self, RowScale};
use super::{SCRIPT, style};
use crate::report::series_summary::SeriesSummary;
use crate::report::text::{self, plural, visible};
use crate::report::words::{advice, geometric_mean, summary};
use bench_stats::analysis::{AnalysisReport, SideInfo};
use bench_stats::detect::geometric_mean::GeometricMean;
use bench_stats::model::Series;

/// The whole page.
pub(super) fn render(
    report: &AnalysisReport,
    summaries: &[SeriesSummary<'_>],
    plotted: &HashSet<&Series>,
) -> io::Result<Markup> {
    let scale = RowScale::of(report);
    let rows: Vec<Markup> = summaries
        .iter()
        .map(|one| row::render(one, report, scale, plotted.contains(one.series)))
        .collect::<io::Result<_>>()?;
    let style = PreEscaped(style());
    Ok(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(policy());
                title { (title(report)) }
                style { (style) }
            }
            body {
                header {
                    h1 { "Benchmarks" }
                    p.summary { (summary(report)) }
                    (sides(report))
                    (together(report))
                    (notes(report))
                }
                main {
                    (filters::render(summaries))
                    (legend(report, scale))
                    div #list {
                        @for (index, row) in rows.iter().enumerate() {
                            @if let Some(kind) = starts_group(summaries, index) {
                                h2 class={ "v-" (kind.id()) } { (kind.title()) }
                            }
                            (row)
                        }
                    }
                    p #nothing hidden { "No benchmark matches." }
                    (absent("Only in the baseline", &report.only_in_baseline))
                    (absent("Only in the current results", &report.only_in_current))
                    (general_advice(report))
                }
                footer { (rules(report)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    })
}

/// Nothing but the style and the one script of this page.
fn policy() -> String {
    let hash = STANDARD.encode(Sha256::digest(SCRIPT.as_bytes()));
    format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'; \
         base-uri 'none'; form-action 'none'"
    )
}

fn title(report: &AnalysisReport) -> String {
    match &report.baseline {
        Some(baseline) => {
            format!(
                "Benchmarks: {} against {}",
                visible(&report.current.name),
                visible(&baseline.name)
            )
        }
        None => format!("Benchmarks: {}", visible(&report.current.name)),
    }
}

/// The group that begins at this benchmark, if one does.
fn starts_group(summaries: &[SeriesSummary<'_>], index: usize) -> Option<Kind> {
    let kind = |index: usize| summaries.get(index).map(Kind::of);
    let before = index.checked_sub(1).and_then(kind);
    kind(index).filter(|this| before != Some(*this))
}

fn sides(report: &AnalysisReport) -> Markup {
    let baseline = report.baseline.as_ref().map(|side| ("Baseline", side));
    let sides: Vec<(&str, &SideInfo)> =
        baseline.into_iter().chain([("Current", &report.current)]).collect();
    html! {
        div.scroll { table.sides {
            thead { tr {
                th {} th { "name" } th { "runs" } th { "measured" } th { "commit" } th { "branch" }
                th { "machine" } th { "compiler" }
            } }
            tbody { @for (role, side) in sides {
                @let newest = side.runs.last();
                tr {
                    th scope="row" { (role) }
                    td { (visible(&side.name)) }
                    td { (side.runs.len()) }
                    td { @if let Some(run) = newest {
                        time datetime=(run.measured_at) { (run.measured_at.strftime("%Y-%m-%d %H:%M UTC")) }
                    } }
                    td { @if let Some(commit) = newest.and_then(|run| run.revision.short()) {
                        code { (visible(&commit)) }
                    } @else { "unknown" } }
                    td { @if let Some(branch) = newest.and_then(|run| run.revision.branch.as_ref()) {
                        (visible(branch))
                    } @else { "unknown" } }
                    td { @if let Some(run) = newest {
                        (visible(&run.fingerprint.cpu)) ", "
                        (run.fingerprint.known_cores().map_or_else(
                            || "unknown cores".to_owned(),
                            |cores| plural(usize::try_from(cores).unwrap_or(0), "core", "cores"),
                        ))
                        ", " (visible(&run.fingerprint.os))
                    } }
                    td { @if let Some(run) = newest { (visible(&run.fingerprint.rustc)) } }
                }
            } }
        } }
    }
}

/// The geometric means: those of everything in the open, those of groups folded.
fn together(report: &AnalysisReport) -> Markup {
    let (groups, all): (Vec<_>, Vec<_>) =
        report.geometric_means.iter().partition(|one| one.group.is_some());
    let said = |one: &GeometricMean| geometric_mean(one, &report.settings);
    html! {
        @for one in all { p.together { (said(one)) } }
        @if !groups.is_empty() {
            details.plain {
                summary { "Geometric means of groups (" (groups.len()) ")" }
                ul { @for one in groups { li { (said(one)) } } }
            }
        }
    }
}

fn notes(report: &AnalysisReport) -> Markup {
    html! {
        @if !report.notes.is_empty() {
            ul.notes { @for note in &report.notes { li { (visible(note)) } } }
        }
    }
}

fn legend(report: &AnalysisReport, scale: RowScale) -> Markup {
    html! {
        @if report.baseline.is_some() {
            p.legend {
                "Each line: the verdict, the benchmark, baseline → current, the change, its "
                (format!("{:.0}", report.settings.level * 100.0))
                "% interval on a scale from " (scale.ends().0) " to " (scale.ends().1)
                " (the middle is no change), and its history. Open a line for the evidence."
            }
        } @else {
            p.legend { "Each line: the benchmark, its value, and its history. Open a line for the evidence." }
        }
    }
}

fn absent(title: &str, series: &[Series]) -> Markup {
    html! {
        @if !series.is_empty() {
            details.plain {
                summary { (title) " (" (series.len()) ")" }
                ul { @for one in series { li { (text::name(one)) } } }
            }
        }
    }
}

fn general_advice(report: &AnalysisReport) -> Markup {
    let advice = advice(report);
    html! {
        @if !advice.is_empty() {
            h2 { "Recommendations" }
            ul { @for one in &advice {
                li {
                    @if let Some(name) = &one.name { (visible(name)) (one.more()) ": " }
                    (one.what) " (" (one.why) ")"
                }
            } }
        }
    }
}

fn rules(report: &AnalysisReport) -> Markup {
    let settings = &report.settings;
    let percent = |ratio: f64| format!("{}%", crate::report::quantity::trimmed(ratio * 100.0));
    html! {
        h2 { "How to read this" }
        p {
            "A regression or improvement is significant (p ≤ " (settings.alpha)
            ", and of all that are listed at most " (percent(settings.false_discovery_rate))
            " are expected to be false), and its whole interval lies beyond the practical threshold of "
            (percent(settings.relative_threshold)) " or " (settings.absolute_threshold_ns) " ns. "
            b { "Unchanged" } " means that the interval lies inside of it; "
            b { "no change seen" } " that a change of the size it names would have been seen; "
            b { "inconclusive" } " that more runs are needed, and says how many. "
            b { "Replicated" } " rests on three or more runs a side; "
            b { "borrowed" } " takes the spread between runs from history; "
            b { "unreplicated" } " assumes it, is a hint, and never fails a build; "
            b { "exact" } " is counted, so that one value a side says everything. "
            "In histories a vertical line is a change of level, a thin grey one another machine or \
             compiler, and a circle an outlier."
        }
        p { "bench-analyzer " (env!("CARGO_PKG_VERSION")) }
    }
}
