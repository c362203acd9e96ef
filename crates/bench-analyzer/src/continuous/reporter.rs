//! Writes what a job found where people and programs find it.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use crate::analysis::Evidence;
use crate::error::{Error, Result};
use crate::jobs::job::JobId;
use crate::report::Reporter;
use crate::report::html::HtmlReporter;
use crate::report::json::JsonReporter;
use crate::report::markdown::MarkdownReporter;
use crate::report::terminal::TerminalReporter;
use bench_stats::analysis::AnalysisReport;

/// Writes a job's report in several formats into a folder of its own, and as a page for browsers
/// where a folder for pages is named.
#[derive(Debug, Clone)]
pub struct BenchmarkReporter {
    folder: Utf8PathBuf,
    pages: Option<Utf8PathBuf>,
    url: Option<String>,
}

/// What the newest page of a suite is called, so that a bookmark holds.
const LATEST: &str = "latest.html";

impl BenchmarkReporter {
    /// Writes below `folder`, and pages below `pages`. If `pages`, or without it `folder`, is
    /// published somewhere, `url` is its address there.
    pub fn new(
        folder: impl Into<Utf8PathBuf>,
        pages: Option<Utf8PathBuf>,
        url: Option<String>,
    ) -> Self {
        Self { folder: folder.into(), pages, url }
    }

    /// Writes the report of a job, and says where it can be read. Writing it again replaces it.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn report_results(
        &self,
        job: JobId,
        suite: &str,
        report: &AnalysisReport,
        evidence: &Evidence,
    ) -> Result<String> {
        let name = format!("job-{}", job.0);
        let folder = self.folder.join(&name);
        create(&folder)?;
        let formats: [(&str, &dyn Reporter); 3] = [
            (
                "report.md",
                &MarkdownReporter { links: Some(&evidence.links), ..MarkdownReporter::default() },
            ),
            ("report.json", &JsonReporter),
            ("report.txt", &TerminalReporter::default()),
        ];
        for (file, reporter) in formats {
            let path = folder.join(file);
            let mut text = written(reporter, report, &path)?;
            if file.ends_with(".txt") {
                text = anstream::adapter::strip_bytes(&text).into_vec();
            }
            replace(&path, &text)?;
        }
        let Some(pages) = &self.pages else {
            return Ok(self.link_to(&folder, &format!("{name}/report.md"), "report.md"));
        };
        let folder = pages.join(suite);
        create(&folder)?;
        let page = format!("{name}.html");
        let reporter = HtmlReporter { evidence, plots: HtmlReporter::PLOTS };
        let text = written(&reporter, report, &folder.join(&page))?;
        replace(&folder.join(&page), &text)?;
        replace(&folder.join(LATEST), &text)?;
        Ok(self.link_to(&folder, &format!("{suite}/{page}"), &page))
    }

    /// Removes the pages of jobs up to this one. Failing at that harms nobody.
    pub(super) fn forget_pages(&self, suite: &str, up_to: i64) {
        let Some(pages) = &self.pages else { return };
        for entry in pages.join(suite).read_dir_utf8().into_iter().flatten().flatten() {
            let number = entry
                .file_name()
                .strip_prefix("job-")
                .and_then(|name| name.strip_suffix(".html")?.parse::<i64>().ok());
            if number.is_some_and(|number| number <= up_to) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    fn link_to(&self, folder: &Utf8Path, below_url: &str, file: &str) -> String {
        match &self.url {
            Some(url) => format!("{}/{below_url}", url.trim_end_matches('/')),
            None => folder.join(file).into_string(),
        }
    }
}

fn create(folder: &Utf8Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|source| write_error(folder, source))
}

fn written(reporter: &dyn Reporter, report: &AnalysisReport, path: &Utf8Path) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    reporter.write(report, &mut text).map_err(|source| write_error(path, source))?;
    Ok(text)
}

/// Writes a file as a whole or not at all.
fn replace(path: &Utf8Path, content: &[u8]) -> Result<()> {
    let written = path.with_extension("tmp");
    std::fs::write(&written, content)
        .and_then(|()| std::fs::rename(&written, path))
        .map_err(|source| write_error(path, source))
}

fn write_error(path: &Utf8Path, source: io::Error) -> Error {
    Error::Write { path: path.to_owned(), source }
}
