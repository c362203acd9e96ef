//! The page around the benchmarks.

use std::collections::HashSet;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::detail::linked;
use super::families;
use super::filters::{self, Kind};
use super::row::{self, RowScale};
use super::{SCRIPT, style};
use crate::links::Links;
use crate::report::series_summary::SeriesSummary;
use crate::report::text::{self, plural, visible};
use crate::report::words::{self, advice, geometric_mean, summary};
use bench_stats::analysis::{AnalysisReport, SideInfo};
use bench_stats::detect::geometric_mean::GeometricMean;
use bench_stats::model::Series;

/// The whole page.
pub(super) fn render(
    report: &AnalysisReport,
    summaries: &[SeriesSummary<'_>],
    links: &Links,
    plotted: &HashSet<&Series>,
) -> io::Result<Markup> {
    let scale = RowScale::of(report, summaries);
    let rows: Vec<Markup> = summaries
        .iter()
        .map(|one| row::render(one, report, (scale, links), plotted.contains(one.series)))
        .collect::<io::Result<_>>()?;
    let families = families::render(report)?;
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
                    (how_to_read(report, scale))
                    (sides(report, links))
                    (notes(report))
                    (together(report))
                    (families)
                }
                main {
                    (filters::render(summaries))
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

fn sides(report: &AnalysisReport, links: &Links) -> Markup {
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
                    td { @if let Some(run) = newest && let Some(commit) = run.revision.short() {
                        (linked(&visible(&commit), run.revision.commit.as_deref().and_then(|one| links.commit(one))))
                    } @else { "unknown" } }
                    td { @if let Some(branch) = newest.and_then(|run| run.revision.branch.as_ref()) {
                        @match links.branch(branch) {
                            Some(address) => a href=(address) rel="noreferrer" { (visible(branch)) },
                            None => (visible(branch)),
                        }
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

/// How to read the page, in a few lines.
fn how_to_read(report: &AnalysisReport, scale: RowScale) -> Markup {
    let level = format!("{:.0}%", report.settings.level * 100.0);
    html! {
        details.plain.legend {
            summary { "How to read this" }
            @if report.baseline.is_some() {
                p {
                    "A line: the verdict, the benchmark, before → now, the change, its " (level) " interval from "
                    (scale.ends().0) " to " (scale.ends().1) " (the middle is no change; ◂ and ▸ lie beyond), and its \
                     history, all on one scale. Open a line for the evidence."
                }
                p {
                    b { "No change seen" } " (within ±3%): whatever changed is no larger than that. "
                    b { "Unchanged" } ": it is too small to matter. "
                    b { "Inconclusive" } ": too wide to tell, or likely real and not sure yet; it says how many more runs \
                     would tell."
                }
            } @else {
                p { "A line: the benchmark, its value, and its history. Open a line for the evidence." }
            }
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
        h2 { "When something is called a change" }
        p {
            "A regression or improvement is hardly chance (" (words::odds(settings.alpha))
            ", and of all that are listed at most " (percent(settings.false_discovery_rate))
            " are expected to be false), and its whole interval lies beyond the practical threshold of "
            (percent(settings.relative_threshold)) " or " (settings.absolute_threshold_ns) " ns. \
             It is judged by three or more runs a side; with fewer, by how much earlier runs on this machine differ; without \
             these it is a hint that never fails a build. What is counted is exact. \
             In histories a vertical line is a change of level, a thin grey one another machine or compiler, and a circle a \
             value that stood out."
        }
        p { "bench-analyzer " (env!("CARGO_PKG_VERSION")) }
    }
}
