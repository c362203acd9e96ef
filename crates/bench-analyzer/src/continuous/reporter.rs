//! Writes what a job found where people and programs find it.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::job::JobId;
use crate::analyzer::AnalysisReport;
use crate::error::{Error, Result};
use crate::report::Reporter;
use crate::report::human::HumanReporter;
use crate::report::json::JsonReporter;
use crate::report::markdown::MarkdownReporter;

/// Writes a job's report in several formats into a folder of its own.
#[derive(Debug, Clone)]
pub struct BenchmarkReporter {
    folder: Utf8PathBuf,
    url: Option<String>,
}

impl BenchmarkReporter {
    /// Writes below `folder`. If that is published somewhere, `url` is its address there.
    pub fn new(folder: impl Into<Utf8PathBuf>, url: Option<String>) -> Self {
        Self { folder: folder.into(), url }
    }

    /// Writes the report of a job, and says where it can be read. Writing it again replaces it.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn report_results(&self, job: JobId, report: &AnalysisReport) -> Result<String> {
        let name = format!("job-{}", job.0);
        let folder = self.folder.join(&name);
        std::fs::create_dir_all(&folder).map_err(|source| write_error(&folder, source))?;
        let formats: [(&str, &dyn Reporter); 3] = [
            ("report.md", &MarkdownReporter),
            ("report.json", &JsonReporter),
            ("report.txt", &HumanReporter),
        ];
        for (file, reporter) in formats {
            let mut text = Vec::new();
            reporter.write(report, &mut text).map_err(|source| write_error(&folder, source))?;
            if file.ends_with(".txt") {
                text = anstream::adapter::strip_bytes(&text).into_vec();
            }
            replace(&folder.join(file), &text)?;
        }
        Ok(match &self.url {
            Some(url) => format!("{}/{name}/report.md", url.trim_end_matches('/')),
            None => folder.join("report.md").into_string(),
        })
    }
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
