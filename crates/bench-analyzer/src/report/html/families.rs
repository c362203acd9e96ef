//! Families of benchmarks, each on one row.

use std::io;

use maud::{Markup, PreEscaped, html};

use crate::report::figure;
use crate::report::format_change;
use crate::report::plot::{self, Words};
use crate::report::rows::{FamilyRow, Row, sections};
use crate::report::words;
use bench_stats::analysis::AnalysisReport;
use bench_stats::detect::verdict::Verdict;

/// All families: those that changed in the open, the rest folded.
pub(super) fn render(report: &AnalysisReport) -> io::Result<Markup> {
    let (mut changed, mut calm) = (Vec::new(), Vec::new());
    for section in sections(report) {
        for row in section.rows {
            let Row::Family(row) = row else { continue };
            let rendered = one(&row, section.verdict)?;
            match section.verdict {
                Verdict::Regression | Verdict::Improvement => changed.push(rendered),
                _ => calm.push(rendered),
            }
        }
    }
    if changed.is_empty() && calm.is_empty() {
        return Ok(html! {});
    }
    Ok(html! {
        h2 { "Families" }
        p.legend { "Benchmarks that differ in a number, n, on one row: the change of each. Open a row for how both sides \
            grow with n." }
        @for family in &changed { (family) }
        @if !calm.is_empty() {
            details.plain {
                summary { (calm.len()) " without a change that is sure" }
                @for family in &calm { (family) }
            }
        }
    })
}

fn one(row: &FamilyRow<'_>, verdict: Verdict) -> io::Result<Markup> {
    let words = Words {
        title: format!("{}: how both sides grow with n", row.name()),
        description: row.line(),
    };
    let svg = plot::svg(figure::PLOT, &words, |area| plot::scaling::draw(area, row))?;
    let mean = format!("{} in the mean", format_change(row.family.ratio - 1.0));
    let sure = row.family.interval.map(|interval| format!(" ({})", words::interval(interval)));
    Ok(html! {
        details class={ "family v-" (verdict.id().replace('_', "-")) } {
            summary {
                span.n { (row.name()) } " "
                @for (label, member) in row.changes() {
                    span class={ "m v-" (member.verdict.id().replace('_', "-")) } {
                        (label) " " span.c { (format_change(member.change())) }
                    } " "
                }
                @if let Some(said) = row.remark() { b { (said) } }
                @if let Some(said) = row.within() { span.m { (said) } }
            }
            div.d {
                p.say { (mean) (sure.unwrap_or_default()) "." }
                figure { (PreEscaped(svg)) figcaption { "Both axes are logarithmic: a straight line is a power of n." } }
            }
        }
    })
}
