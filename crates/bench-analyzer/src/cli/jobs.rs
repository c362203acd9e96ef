//! `jobs` and `retry`: what was planned, what became of it, and asking for it once more.

use anyhow::bail;
use bench_analyzer::environment::Environment;
use bench_analyzer::jobs::job::{Job, JobId, JobState};
use bench_analyzer::report::table::Table;
use bench_analyzer::store::{AskedAgain, Store};
use clap::Args;

use super::Outcome;
use super::output::Output;
use super::values::ListFormat;

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

pub(super) async fn list(
    store: &mut Store,
    command: Jobs,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let jobs = store.jobs(command.limit).await?;
    if command.format == ListFormat::Json {
        output.data(|stdout| {
            serde_json::to_writer_pretty(&mut *stdout, &jobs)?;
            writeln!(stdout)
        })?;
        return Ok(Outcome::Fine);
    }
    if jobs.is_empty() {
        output.message("no suite ran yet: `bench-analyzer run --help` shows how to describe one");
        return Ok(Outcome::Fine);
    }
    let mut table = Table::fitting(None);
    table.push_texts(
        ["job", "suite", "state", "runs", "due", "commit", "machine", "outcome"].map(str::to_owned),
    );
    for job in jobs {
        let commit = job.commit.as_deref().map(|sha| sha.get(..10).unwrap_or(sha).to_owned());
        table.push_texts([
            job.id.0.to_string(),
            job.suite.clone(),
            state(&job),
            format!("{}/{}", job.runs_done, job.runs_wanted),
            job.due_at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            commit.unwrap_or_default(),
            job.host.clone().unwrap_or_default(),
            job.failure.or(job.summary).unwrap_or_default(),
        ]);
    }
    output.data(|stdout| table.write(stdout))?;
    Ok(Outcome::Fine)
}

fn state(job: &Job) -> String {
    match job.not_before {
        Some(until) if job.state == JobState::Pending => {
            format!("put off until {}", until.strftime("%m-%d %H:%M UTC"))
        }
        _ => job.state.as_str().to_owned(),
    }
}

pub(super) async fn retry(
    store: &mut Store,
    command: Retry,
    environment: &Environment,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let mut refused = 0;
    for number in &command.jobs {
        let job = JobId(*number);
        let why = match store.ask_again(job, environment.now).await? {
            AskedAgain::Waits => {
                output.message(&format!("{job} waits for `watch`, or for `watch --once`"));
                continue;
            }
            AskedAgain::Unknown => "is not there: `bench-analyzer jobs` lists those that are",
            AskedAgain::NotFailed => "did not fail: `bench-analyzer run` measures its suite anew",
            AskedAgain::AnotherWaits => "need not: another job of its suite waits already",
        };
        output.note(&format!("{job} {why}"));
        refused += 1;
    }
    if refused > 0 {
        bail!("{refused} of {} jobs are not asked for again", command.jobs.len());
    }
    Ok(Outcome::Fine)
}
