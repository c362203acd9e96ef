//! One benchmark: a line to skim, and behind it the evidence.

use std::io;

use maud::{Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::detail::{self, HISTORY};
use super::filters::Kind;
use crate::links::Links;
use crate::report::plot::Words;
use crate::report::plot::sparkline::{self, Reach};
use crate::report::series_summary::SeriesSummary;
use crate::report::text::{self, plural};
use crate::report::words;
use crate::report::{format_change, format_quantity};
use bench_stats::analysis::AnalysisReport;
use bench_stats::detect::changes::SeriesChanges;
use bench_stats::detect::verdict::{Comparison, Verdict};
use bench_stats::model::Series;

/// The scales that all lines share: of intervals, a log ratio on either side of no change, and of histories.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RowScale {
    interval: f64,
    history: Reach,
}

impl RowScale {
    /// Wide enough for most of what changed.
    pub(super) fn of(report: &AnalysisReport, summaries: &[SeriesSummary<'_>]) -> Self {
        let mut reach: Vec<f64> = report
            .comparisons
            .iter()
            .filter(|one| matches!(one.verdict, Verdict::Regression | Verdict::Improvement))
            .flat_map(|one| [one.interval.low.ln().abs(), one.interval.high.ln().abs()])
            .collect();
        reach.sort_by(f64::total_cmp);
        let most = reach.get(reach.len() * 9 / 10).copied().unwrap_or(0.05);
        let histories: Vec<Vec<f64>> =
            summaries.iter().filter_map(|one| one.history).map(values).collect();
        let history = Reach::of(histories.iter().map(Vec::as_slice));
        Self { interval: most.clamp(0.03, 1.386), history }
    }

    /// Both ends in words.
    pub(super) fn ends(self) -> (String, String) {
        (format_change((-self.interval).exp_m1()), format_change(self.interval.exp_m1()))
    }

    /// The place of a ratio in percent of the width.
    fn percent(self, ratio: f64) -> f64 {
        ((ratio.ln() / self.interval).clamp(-1.0, 1.0) + 1.0) * 50.0
    }
}

/// The line and its evidence.
pub(super) fn render(
    series_summary: &SeriesSummary<'_>,
    report: &AnalysisReport,
    (scale, links): (RowScale, &Links),
    plots: bool,
) -> io::Result<Markup> {
    let kind = Kind::of(series_summary);
    let unit = &series_summary.series.unit;
    let detail = detail::render(series_summary, report, links, plots)?;
    Ok(html! {
        details class={ "b v-" (kind.id()) } id=(anchor(series_summary.series)) {
            summary {
                span.v { (kind.label()) }
                span.n {
                    (text::name(series_summary.series))
                    @if let Some(onset) = series_summary.onset { small { (words::since(onset)) } }
                    @if let Some(said) = remark(series_summary, report) { small { (said) } }
                }
                @if let Some(one) = series_summary.comparison {
                    span.q { (format_quantity(one.baseline.value, unit)) " → "
                        (format_quantity(one.current.value, unit)) }
                    span.c { (format_change(one.change())) }
                    (bar(one, scale))
                } @else {
                    span.q { (format_quantity(series_summary.measured.value, unit)) }
                }
                (past(series_summary, scale)?)
            }
            (detail)
        }
    })
}

/// Remark on a benchmark that did not change, or of which that is not known.
fn remark(series_summary: &SeriesSummary<'_>, report: &AnalysisReport) -> Option<String> {
    let is_open =
        |one: &&Comparison| !matches!(one.verdict, Verdict::Regression | Verdict::Improvement);
    let remark = words::row_remark(series_summary.comparison.filter(is_open)?, report);
    Some(remark).filter(|remark| !remark.is_empty())
}

/// A name for links that stays the same from report to report.
fn anchor(series: &Series) -> String {
    let digest = Sha256::digest(format!("{series}\0{}", series.unit).as_bytes());
    let digits: String = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
    format!("b-{digits}")
}

fn bar(comparison: &Comparison, scale: RowScale) -> Markup {
    let (low, high) =
        (scale.percent(comparison.interval.low), scale.percent(comparison.interval.high));
    let style =
        format!("--a:{low:.1}%;--w:{:.1}%;--m:{:.1}%", high - low, scale.percent(comparison.ratio));
    let beyond = |ratio: f64| ratio.ln().abs() > scale.interval;
    let (below, above) = (
        comparison.interval.low < 1.0 && beyond(comparison.interval.low),
        comparison.interval.high > 1.0 && beyond(comparison.interval.high),
    );
    // The interval stands in words in the evidence; here it is only to be skimmed.
    html! {
        span.i style=(style) aria-hidden="true" {
            i {}
            @if !beyond(comparison.ratio) { b {} }
            @if below { span.lo { "◂" } }
            @if above { span.hi { "▸" } }
        }
    }
}

fn values(history: &SeriesChanges) -> Vec<f64> {
    history.timeline.points.iter().map(|point| point.value).collect()
}

fn past(series_summary: &SeriesSummary<'_>, scale: RowScale) -> io::Result<Markup> {
    let is_long = |one: &&SeriesChanges| one.timeline.points.len() >= HISTORY;
    let Some(history) = series_summary.history.filter(is_long) else {
        return Ok(html! {});
    };
    let values = values(history);
    let words = Words {
        title: format!("history, {}", plural(values.len(), "point", "points")),
        description: String::new(),
    };
    Ok(PreEscaped(sparkline::draw(&values, scale.history, &words)?))
}
