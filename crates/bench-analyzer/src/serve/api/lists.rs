//! Runs, baselines and jobs.

use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use serde::Serialize;

use super::{Api, Refusal, off_thread};
use crate::continuous::job::{Job, JobId};
use crate::serve::background::Got;
use crate::serve::http::{Request, Response};
use crate::store::{RunListing, Store};

/// How many runs a page lists.
const RUNS: usize = 100;
const MAX_JOBS: u32 = 100;
const MAX_LOG: u64 = 64 * 1024;

#[derive(Serialize)]
struct Progress {
    #[serde(flatten)]
    job: Job,
    /// How many seconds the rest will likely take.
    seconds_left: Option<f64>,
}

impl Api {
    /// All runs, newest first. To count what each measured takes long where there are many.
    pub(super) async fn listed_runs(&self) -> Result<Arc<Vec<RunListing>>, Refusal> {
        let version = self.store().await?.version().await?;
        let database = self.options.database.clone();
        let make = move || off_thread(async { Store::open(&database).await?.runs(None).await });
        match self.runs.get(version, make).await? {
            Got::Made(runs) => Ok(runs),
            Got::Earlier(_) | Got::NotYet => {
                Err(Refusal::NotYet("counting what the runs measured"))
            }
        }
    }

    pub(super) async fn runs(&self, request: &Request) -> Result<Response, Refusal> {
        let runs = self.listed_runs().await?;
        let from = request.number("from")?.unwrap_or(0).min(runs.len());
        let shown = &runs[from..runs.len().min(from + RUNS)];
        Ok(Response::json(&serde_json::json!({ "total": runs.len(), "from": from, "runs": shown })))
    }

    pub(super) async fn baselines(&self) -> Result<Response, Refusal> {
        Ok(Response::json(&self.store().await?.baselines().await?))
    }

    pub(super) async fn jobs(&self) -> Result<Response, Refusal> {
        let mut store = self.store().await?;
        let mut progress = Vec::new();
        for job in store.jobs(MAX_JOBS).await? {
            let left = job.runs_wanted.saturating_sub(job.runs_done);
            let usual = match job.finished_at {
                None => store.usual_run_time(&job.suite).await?,
                Some(_) => None,
            };
            let seconds_left = usual.map(|usual| usual.as_secs_f64() * f64::from(left));
            progress.push(Progress { job, seconds_left });
        }
        let alerts = store.open_alerts(None).await?;
        let mut steps = store.told_steps(None).await?;
        steps.retain(|step| !step.over);
        Ok(Response::json(
            &serde_json::json!({ "jobs": progress, "alerts": alerts, "steps": steps }),
        ))
    }

    /// The end of the log of a run. Both numbers are numbers, so the path is one of ours.
    pub(super) fn log(&self, request: &Request) -> Result<Response, Refusal> {
        let number = |name| request.parameter(name).and_then(|text| text.parse::<u32>().ok());
        let (Some(job), Some(run)) = (number("job"), number("run")) else {
            return Err(Refusal::Said(400, "name a job and a run by number".to_owned()));
        };
        let JobId(job) = JobId(job.into());
        let folder = self.options.folder.join("continuous").join(format!("job-{job}"));
        let read = || {
            let mut file = std::fs::File::open(folder.join(format!("run-{run}.log")))?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(MAX_LOG)))?;
            let mut bytes = Vec::new();
            file.take(MAX_LOG).read_to_end(&mut bytes)?;
            std::io::Result::Ok(bytes)
        };
        let bytes = read().map_err(|_| Refusal::Said(404, "there is no such log".to_owned()))?;
        let text = String::from_utf8_lossy(&bytes);
        let text = anstream::adapter::strip_str(&text).to_string();
        Ok(Response::text("text/plain; charset=utf-8", text))
    }
}
