//! `export`: everything that is stored, for other stores or spreadsheets.

use bench_analyzer::ingest::export::Export as Document;
use bench_analyzer::store::Store;
use clap::{Args, ValueEnum};

use super::Outcome;
use super::output::Output;

const EXPORT_EXAMPLES: &str = "\
Examples:
  bench-analyzer export > everything.json && bench-analyzer --db copy.db import everything.json
  bench-analyzer export --format csv > samples.csv

Exit codes: 0 fine; 2 wrong usage; 3 failure.";

/// Write everything that is stored
///
/// `import` reads both formats back. JSON loses nothing; csv keeps one row a sample, for
/// spreadsheets.
#[derive(Debug, Args)]
#[command(after_long_help = EXPORT_EXAMPLES)]
pub(crate) struct Export {
    /// How to write it
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    pub(crate) format: ExportFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One document, for another store
    Json,
    /// One row a sample
    Csv,
}

pub(super) async fn run(
    store: &mut Store,
    command: Export,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let document = store.export().await?;
    match command.format {
        ExportFormat::Json => output.data(|stdout| {
            serde_json::to_writer(&mut *stdout, &document)?;
            writeln!(stdout)
        })?,
        ExportFormat::Csv => output.data(|stdout| write_csv(&document, stdout))?,
    }
    Ok(Outcome::Fine)
}

/// One row a sample, as `import` reads it.
fn write_csv(document: &Document, stdout: &mut dyn std::io::Write) -> std::io::Result<()> {
    let mut writer = csv::Writer::from_writer(stdout);
    writer.write_record([
        "benchmark",
        "metric",
        "unit",
        "direction",
        "exactness",
        "value",
        "run",
        "time",
        "commit",
    ])?;
    for (number, run) in (1_u64..).zip(&document.runs) {
        let label = run.label.clone().unwrap_or_else(|| number.to_string());
        let time = run.measured_at.to_string();
        let commit = run.revision.commit.as_deref().unwrap_or_default();
        for measurement in &run.measurements {
            let series = &measurement.series;
            for value in measurement.samples.per_iteration() {
                writer.write_record([
                    series.benchmark.as_str(),
                    series.metric.as_str(),
                    series.unit.as_str(),
                    series.direction.as_str(),
                    if measurement.declared.is_exact() { "exact" } else { "" },
                    &value.to_string(),
                    &label,
                    &time,
                    commit,
                ])?;
            }
        }
    }
    writer.flush()
}
