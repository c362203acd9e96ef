//! Both sides in columns, as critcmp and benchstat print them.

use std::io;

use anstyle::Style;

use super::quantity::format_rate;
use super::table::{Cell, Table};
use super::text::{self, visible};
use super::{Reporter, format_change, format_quantity};
use crate::analysis::Evidence;
use bench_stats::analysis::AnalysisReport;
use bench_stats::detect::verdict::{Comparison, Verdict};
use bench_stats::model::{BenchmarkResult, BenchmarkResults, Series};

/// Whose columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// Those of critcmp: how many times as long as the faster side, the value with its spread, and the rate.
    Critcmp,
    /// Those of benchstat: the values with their spreads, and the change, `~` where none is sure.
    Benchstat,
}

/// Writes a table for who is used to one of these tools.
#[derive(Debug, Clone, Copy)]
pub struct SideBySideReporter<'e> {
    /// Evidence that the report was made from.
    pub evidence: &'e Evidence,
    /// Whose columns.
    pub columns: Columns,
}

impl Reporter for SideBySideReporter<'_> {
    fn write(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
        let sides: Vec<&BenchmarkResults> =
            self.evidence.baseline.iter().chain([&self.evidence.current]).collect();
        let mut table = Table::default();
        table.push(self.head(&sides));
        let mut series: Vec<&Series> = sides.iter().flat_map(|side| side.results.keys()).collect();
        series.retain(|one| !one.metric.is_resource());
        series.sort_unstable();
        series.dedup();
        for one in series {
            table.push(match self.columns {
                Columns::Critcmp => critcmp(one, &sides),
                Columns::Benchstat => benchstat(one, &sides, report),
            });
        }
        if self.columns == Columns::Benchstat {
            let means = report.geometric_means.iter().filter(|one| one.group.is_none());
            for mean in means {
                let mut row =
                    vec![Cell::left(format!("geomean [{}]", visible(mean.metric.as_str())))];
                row.extend(sides.iter().map(|_| Cell::left("")));
                row.push(Cell::left(format_change(mean.ratio - 1.0)));
                table.push(row);
            }
        }
        table.write(output)
    }
}

impl SideBySideReporter<'_> {
    fn head(&self, sides: &[&BenchmarkResults]) -> Vec<Cell> {
        let first = match self.columns {
            Columns::Critcmp => "group",
            Columns::Benchstat => "name",
        };
        let bold = |text: &str| Cell::left(visible(text)).styled(Style::new().bold());
        let mut head = vec![bold(first)];
        head.extend(sides.iter().map(|side| bold(&side.name)));
        if self.columns == Columns::Benchstat && sides.len() > 1 {
            head.push(bold("vs base"));
        }
        head
    }
}

fn critcmp(series: &Series, sides: &[&BenchmarkResults]) -> Vec<Cell> {
    let results: Vec<Option<&BenchmarkResult>> =
        sides.iter().map(|side| side.results.get(series)).collect();
    let least = results.iter().flatten().map(|one| one.typical()).fold(f64::INFINITY, f64::min);
    let mut row = vec![Cell::left(text::name(series))];
    row.extend(results.iter().map(|result| match result {
        Some(one) => {
            let times = one.typical() / least;
            let rates = one.throughput.iter().map(|&work| format_rate(work, one.typical()));
            let rates: Vec<String> = rates.collect();
            let shown = format!("{times:.2}  {}  {}", with_spread(one), rates.join(", "));
            Cell::left(shown.trim_end().to_owned())
        }
        None => Cell::left(""),
    }));
    row
}

fn benchstat(series: &Series, sides: &[&BenchmarkResults], report: &AnalysisReport) -> Vec<Cell> {
    let mut row = vec![Cell::left(text::name(series))];
    row.extend(
        sides
            .iter()
            .map(|side| Cell::left(side.results.get(series).map(with_spread).unwrap_or_default())),
    );
    if sides.len() > 1 {
        let compared = report.comparisons.iter().find(|one| one.series == *series);
        row.push(Cell::left(compared.map(against_base).unwrap_or_default()));
    }
    row
}

/// `+8.1% (p=0.001 n=5)`, or `~` where no change is sure.
fn against_base(one: &Comparison) -> String {
    let change = match one.verdict {
        Verdict::Regression | Verdict::Improvement => format_change(one.change()),
        Verdict::Inconclusive | Verdict::NoChangeSeen | Verdict::Unchanged => "~".to_owned(),
    };
    let (old, new) = (one.baseline.runs, one.current.runs);
    let runs = if old == new { format!("n={old}") } else { format!("n={old}+{new}") };
    format!("{change} (p={:.3} {runs})", one.p_value)
}

fn with_spread(one: &BenchmarkResult) -> String {
    let spreads = one.measurements.iter().map(|of| of.summary.relative_spread);
    let spread = spreads.fold(0.0, f64::max);
    format!("{} ± {:.0}%", format_quantity(one.typical(), &one.series.unit), spread * 100.0)
}
