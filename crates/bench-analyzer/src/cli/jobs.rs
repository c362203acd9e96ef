//! `jobs` and `retry`: what was planned, what became of it, and asking for it once more.

use anyhow::bail;
use bench_analyzer::environment::Environment;
use bench_analyzer::jobs::job::{Job, JobId, JobState};
use bench_analyzer::store::{AskedAgain, Store};
use comfy_table::{Table, presets};

use super::Outcome;
use super::args::{Jobs, ListFormat, Retry};
use super::output::Output;

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
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["job", "suite", "state", "runs", "due", "commit", "machine", "outcome"]);
    for job in jobs {
        let commit = job.commit.as_deref().map(|sha| sha.get(..10).unwrap_or(sha).to_owned());
        table.add_row([
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
    output.data(|stdout| writeln!(stdout, "{}", table.trim_fmt()))?;
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
