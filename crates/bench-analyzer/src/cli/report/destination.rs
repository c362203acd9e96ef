//! Where a report goes, and as what.

use std::io::{self, Write};

use anyhow::Context;
use bench_analyzer::AnalysisReport;
use bench_analyzer::analysis::Evidence;
use bench_analyzer::environment::Environment;
use bench_analyzer::report::csv::CsvReporter;
use bench_analyzer::report::github::GithubReporter;
use bench_analyzer::report::html::HtmlReporter;
use bench_analyzer::report::json::JsonReporter;
use bench_analyzer::report::junit::JunitReporter;
use bench_analyzer::report::markdown::MarkdownReporter;
use bench_analyzer::report::picture::{PictureFormat, PictureReporter};
use bench_analyzer::report::side_by_side::{Columns, SideBySideReporter};
use bench_analyzer::report::terminal::TerminalReporter;
use bench_analyzer::report::{Reporter, Standing};
use camino::{Utf8Path, Utf8PathBuf};

use super::{ReportFormat, ReportOptions};
use crate::cli::output::Output;

/// Files and formats, checked before anything is computed.
#[derive(Debug)]
pub(super) struct Destinations {
    files: Vec<(Utf8PathBuf, ReportFormat)>,
    /// Format on stdout, if anything.
    stdout: Option<ReportFormat>,
    step_summary: Option<Utf8PathBuf>,
    /// Whether a terminal lists everything.
    all: bool,
    plots: usize,
    /// Where the whole report can be read.
    link: Option<String>,
}

/// How many benchmarks without a change a terminal lists of each kind: about one screen.
const SHORT: usize = 20;

impl Destinations {
    pub(super) fn new(options: &ReportOptions, environment: &Environment) -> anyhow::Result<Self> {
        let mut files = Vec::new();
        for path in &options.output {
            let folder = path.parent().filter(|folder| !folder.as_str().is_empty());
            let folder = environment.working_dir.join(folder.unwrap_or(Utf8Path::new("")));
            anyhow::ensure!(folder.is_dir(), "cannot write {path}: there is no folder {folder}");
            let format = match path.extension() {
                Some(ending) => of_ending(ending).with_context(|| {
                    format!(
                        "cannot write {path}: .{ending} is no format that is known; html, md, json, csv, \
                         xml, svg, png and txt are"
                    )
                })?,
                None => options.format,
            };
            files.push((path.clone(), format));
        }
        let written = files.iter().any(|(_, format)| *format == options.format);
        let step_summary = if options.step_summary {
            let name = std::env::var("GITHUB_STEP_SUMMARY").ok().filter(|name| !name.is_empty());
            let name = name.context(
                "--step-summary needs GITHUB_STEP_SUMMARY, which only a GitHub workflow sets",
            )?;
            Some(Utf8PathBuf::from(name))
        } else {
            None
        };
        Ok(Self {
            files,
            stdout: (!written).then_some(options.format),
            step_summary,
            all: options.all,
            plots: options.plots,
            link: options.link.clone().or_else(workflow_run),
        })
    }

    /// Writes everything.
    pub(super) fn write(
        &self,
        report: &AnalysisReport,
        evidence: &Evidence,
        standing: Option<&Standing>,
        output: &Output,
    ) -> anyhow::Result<()> {
        let markdown = MarkdownReporter {
            standing,
            links: Some(&evidence.links),
            whole: self.link.as_deref(),
        };
        for (path, format) in &self.files {
            let mut bytes = Vec::new();
            self.as_format(*format, report, evidence, markdown, &mut bytes)
                .with_context(|| format!("failed to make {path}"))?;
            if matches!(
                format,
                ReportFormat::Human | ReportFormat::Critcmp | ReportFormat::Benchstat
            ) {
                bytes = anstream::adapter::strip_bytes(&bytes).into_vec();
            }
            fs_err::write(path, bytes)?;
            output.message(&format!("wrote {path}"));
        }
        if let Some(path) = &self.step_summary {
            let mut file = fs_err::OpenOptions::new().append(true).create(true).open(path)?;
            markdown.write(report, &mut file)?;
        }
        match self.stdout {
            Some(ReportFormat::Human) => {
                let columns = output.columns();
                let most = (columns.is_some() && !self.all).then_some(SHORT);
                let reporter = TerminalReporter { columns, most };
                output.data(|stdout| reporter.write(report, stdout))?;
            }
            Some(ReportFormat::Png) => {
                let format = ReportFormat::Png;
                output
                    .bytes(|stdout| self.as_format(format, report, evidence, markdown, stdout))?;
            }
            Some(format) => {
                output.data(|stdout| self.as_format(format, report, evidence, markdown, stdout))?;
            }
            None => {}
        }
        Ok(())
    }

    fn as_format(
        &self,
        format: ReportFormat,
        report: &AnalysisReport,
        evidence: &Evidence,
        markdown: MarkdownReporter<'_>,
        output: &mut dyn Write,
    ) -> io::Result<()> {
        let picture = |format| PictureReporter { evidence, format };
        let beside = |columns| SideBySideReporter { evidence, columns };
        match format {
            ReportFormat::Human => TerminalReporter::default().write(report, output),
            ReportFormat::Json => JsonReporter.write(report, output),
            ReportFormat::Markdown => markdown.write(report, output),
            ReportFormat::Html => {
                HtmlReporter { evidence, plots: self.plots }.write(report, output)
            }
            ReportFormat::Csv => CsvReporter.write(report, output),
            ReportFormat::Junit => JunitReporter.write(report, output),
            ReportFormat::Github => GithubReporter.write(report, output),
            ReportFormat::Critcmp => beside(Columns::Critcmp).write(report, output),
            ReportFormat::Benchstat => beside(Columns::Benchstat).write(report, output),
            ReportFormat::Svg => picture(PictureFormat::Svg).write(report, output),
            ReportFormat::Png => picture(PictureFormat::Png).write(report, output),
        }
    }
}

fn of_ending(ending: &str) -> Option<ReportFormat> {
    Some(match ending.to_ascii_lowercase().as_str() {
        "html" | "htm" => ReportFormat::Html,
        "md" | "markdown" => ReportFormat::Markdown,
        "json" => ReportFormat::Json,
        "csv" => ReportFormat::Csv,
        "xml" => ReportFormat::Junit,
        "svg" => ReportFormat::Svg,
        "png" => ReportFormat::Png,
        "txt" | "log" => ReportFormat::Human,
        _ => return None,
    })
}

/// The address of the run of a GitHub workflow, in one.
fn workflow_run() -> Option<String> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (server, repository) = (variable("GITHUB_SERVER_URL")?, variable("GITHUB_REPOSITORY")?);
    Some(format!("{server}/{repository}/actions/runs/{}", variable("GITHUB_RUN_ID")?))
}
