//! Runs, baselines and jobs.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use camino::Utf8PathBuf;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Api, Page, Refusal};
use crate::jobs::job::{Job, JobId, JobState};
use crate::jobs::lock::JobLock;
use crate::store::RunListing;
use bench_stats::model::BaselineInfo;

/// How many runs a page lists.
const RUNS: usize = 100;
/// How many commits a picker offers; any other can be typed.
const COMMITS: usize = 500;
const MAX_JOBS: u32 = 100;
const MAX_LOG: u64 = 64 * 1024;

/// Names the log of a run.
#[derive(Debug, Deserialize)]
pub(super) struct OfLog {
    job: u32,
    run: u32,
}

/// A commit that was measured.
#[derive(Serialize)]
struct Commit<'r> {
    commit: &'r str,
    branch: Option<&'r str>,
    /// When it was measured last.
    measured_at: Timestamp,
    runs: usize,
}

#[derive(Serialize)]
struct Progress {
    #[serde(flatten)]
    job: Job,
    /// Whether the program that was at it is gone; the next one goes on with it.
    interrupted: bool,
    /// How many seconds the rest will likely take.
    seconds_left: Option<f64>,
}

/// Whether nobody has said for long that a job is still run.
fn is_silent(job: &Job) -> bool {
    let since = job.beat_at.or(job.started_at);
    since.is_some_and(|at| Timestamp::now().duration_since(at) > SILENCE)
}

/// Whoever runs a job says so much more often.
const SILENCE: SignedDuration = SignedDuration::from_mins(10);

impl Api {
    /// All runs, newest first. To count what each measured takes long where there are many.
    pub(super) async fn listed_runs(&self) -> Result<Arc<Vec<RunListing>>, Refusal> {
        self.kept(&self.runs, "counting what the runs measured", async |store| {
            store.runs(None).await
        })
        .await
    }

    /// All baselines. To count what they hold takes a server long where there is much.
    pub(super) async fn known_baselines(&self) -> Result<Arc<Vec<BaselineInfo>>, Refusal> {
        self.kept(&self.baselines, "counting what the baselines hold", async |store| {
            store.baselines().await
        })
        .await
    }

    pub(super) async fn runs(&self, page: Page) -> Result<Json<Value>, Refusal> {
        let runs = self.listed_runs().await?;
        let from = page.from()?.min(runs.len());
        let shown = &runs[from..runs.len().min(from + RUNS)];
        Ok(Json(json!({ "total": runs.len(), "from": from, "runs": shown })))
    }

    /// The commits that were measured, newest first, with what a picker says of them.
    pub(super) async fn commits(&self) -> Result<Json<Value>, Refusal> {
        let runs = self.listed_runs().await?;
        let mut commits: Vec<Commit<'_>> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for listed in runs.iter().filter(|one| one.run.excluded.is_none()) {
            let Some(commit) = listed.run.revision.commit.as_deref() else { continue };
            let place = *places.entry(commit).or_insert_with(|| {
                let branch = listed.run.revision.branch.as_deref();
                let measured_at = listed.run.measured_at;
                commits.push(Commit { commit, branch, measured_at, runs: 0 });
                commits.len() - 1
            });
            commits[place].runs += 1;
        }
        commits.truncate(COMMITS);
        Ok(Json(json!(commits)))
    }

    pub(super) async fn baselines(&self) -> Result<Response, Refusal> {
        Ok(Json(&*self.known_baselines().await?).into_response())
    }

    pub(super) async fn jobs(&self) -> Result<Json<Value>, Refusal> {
        let mut store = self.store().await?;
        let mut progress = Vec::new();
        for job in store.jobs(MAX_JOBS).await? {
            let left = job.runs_wanted.saturating_sub(job.runs_done);
            let interrupted = job.state == JobState::Running
                && (JobLock::was_left(&self.job_folder(job.id)) || is_silent(&job));
            let usual = match job.finished_at {
                None if !interrupted => store.usual_run_time(&job.suite).await?,
                _ => None,
            };
            let seconds_left = usual.map(|usual| usual.as_secs_f64() * f64::from(left));
            progress.push(Progress { job, interrupted, seconds_left });
        }
        let alerts = store.open_alerts(None).await?;
        let mut steps = store.told_steps(None).await?;
        steps.retain(|step| !step.over);
        Ok(Json(json!({ "jobs": progress, "alerts": alerts, "steps": steps })))
    }

    fn job_folder(&self, job: JobId) -> Utf8PathBuf {
        job.folder_in(&self.options.folder.join("continuous"))
    }

    /// The end of the log of a run. Both numbers are numbers, so the path is one of ours.
    pub(super) fn log(&self, OfLog { job, run }: &OfLog) -> Result<String, Refusal> {
        let folder = self.job_folder(JobId((*job).into()));
        let read = || {
            let mut file = std::fs::File::open(folder.join(format!("run-{run}.log")))?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(MAX_LOG)))?;
            let mut bytes = Vec::new();
            file.take(MAX_LOG).read_to_end(&mut bytes)?;
            std::io::Result::Ok(bytes)
        };
        let bytes = read().map_err(|_| Refusal::absent("there is no such log"))?;
        let text = String::from_utf8_lossy(&bytes);
        Ok(anstream::adapter::strip_str(&text).to_string())
    }
}
