//! `jobs` and `retry`: which jobs.

use clap::Args;

use super::ListFormat;

/// List planned executions of suites and what became of them, newest first
#[derive(Debug, Args)]
pub(crate) struct Jobs {
    /// How many
    #[arg(long, value_name = "N", default_value = "20")]
    pub(crate) limit: u32,

    /// How to show them
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: ListFormat,
}

/// Ask for jobs once more that failed, such as those of commits, which no schedule repeats
///
/// What fails through no fault of the code (a repository that cannot be reached, a command that the
/// system killed) is tried again by itself, five times within about six hours.
#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// Jobs by number: 12 or job:12
    #[arg(value_name = "JOB", required = true, value_parser = job_number)]
    pub(crate) jobs: Vec<i64>,
}

fn job_number(text: &str) -> Result<i64, String> {
    let number = text.strip_prefix("job:").unwrap_or(text);
    number.parse().map_err(|_| "write 12 or job:12, as `jobs` lists them".to_owned())
}
