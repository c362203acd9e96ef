//! What the page asks for.

use std::io::{Read, Seek, SeekFrom};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::http::{Request, Response};
use super::snapshot::Snapshots;
use super::{Access, ServeOptions};
use crate::analyzer::BenchmarkAnalyzer;
use crate::continuous::job::{Job, JobId};
use crate::detect::changes::{ChangePoint, SeriesChanges};
use crate::error::Error;
use crate::model::{Blessing, RunId, Selector, Series};
use crate::store::Store;

/// Answers from the store.
#[derive(Debug)]
pub(super) struct Api {
    options: ServeOptions,
    snapshots: Snapshots,
}

/// How many values a row of the overview draws.
const SPARK: usize = 40;
const MAX_RUNS: u32 = 500;
const MAX_JOBS: u32 = 100;
const MAX_LOG: u64 = 64 * 1024;

#[derive(Serialize)]
struct Row<'s> {
    #[serde(flatten)]
    series: &'s Series,
    points: usize,
    latest: Option<f64>,
    /// For drawing only, so a few digits do.
    spark: Vec<f32>,
    changes: usize,
    alarms: usize,
}

#[derive(Serialize)]
struct Change<'s> {
    benchmark: &'s str,
    metric: &'s str,
    unit: &'s str,
    #[serde(flatten)]
    point: ChangePoint,
}

#[derive(Serialize)]
struct Progress {
    #[serde(flatten)]
    job: Job,
    /// How many seconds the rest will likely take.
    seconds_left: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BlessRequest {
    benchmark: String,
    metric: String,
    run: i64,
    reason: String,
    author: Option<String>,
}

/// Why a question has no answer.
enum Refusal {
    Failed(Error),
    Said(u16, String),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Refusal {
    fn response(self) -> Response {
        match self {
            Self::Said(status, why) => Response::refusal(status, &why),
            Self::Failed(error) => {
                let status = match error {
                    Error::NoBaseline { .. } | Error::NoRun { .. } | Error::EmptyStore { .. } => {
                        404
                    }
                    _ => 500,
                };
                Response::refusal(status, &error.to_string())
            }
        }
    }
}

impl Api {
    pub(super) fn new(options: ServeOptions) -> Self {
        Self { snapshots: Snapshots::new(&options.database, &options.settings), options }
    }

    /// Finds all changes before the first visitor asks; what fails here is said to whoever asks.
    pub(super) async fn warm(&self) {
        let _ = self.snapshots.present().await;
    }

    pub(super) async fn get(&self, request: &Request) -> Response {
        let answer = match request.path.as_str() {
            "/api/overview" => self.overview().await,
            "/api/series" => self.series(request).await,
            "/api/changes" => self.changes().await,
            "/api/runs" => self.runs().await,
            "/api/baselines" => self.baselines().await,
            "/api/compare" => self.compare(request).await,
            "/api/jobs" => self.jobs().await,
            "/api/log" => self.log(request),
            _ => Err(Refusal::Said(404, "there is no such question".to_owned())),
        };
        answer.unwrap_or_else(Refusal::response)
    }

    async fn store(&self) -> Result<Store, Refusal> {
        Ok(Store::open(&self.options.database).await?)
    }

    async fn overview(&self) -> Result<Response, Refusal> {
        let snapshot = self.snapshots.present().await?;
        let blessings = self.store().await?.blessings().await?;
        let rows: Vec<Row<'_>> = snapshot
            .series
            .iter()
            .map(|one| {
                let values: Vec<f64> =
                    one.timeline.points.iter().map(|point| point.value).collect();
                let changes = with_blessings(one, &blessings);
                #[expect(clippy::cast_possible_truncation, reason = "drawn on twenty pixels")]
                let spark = values[values.len().saturating_sub(SPARK)..]
                    .iter()
                    .map(|value| *value as f32)
                    .collect();
                Row {
                    series: &one.timeline.series,
                    points: values.len(),
                    latest: values.last().copied(),
                    spark,
                    changes: changes.len(),
                    alarms: changes.iter().filter(|change| change.alarms()).count(),
                }
            })
            .collect();
        Ok(Response::json(&serde_json::json!({
            "database": self.options.database.to_string(),
            "read_only": self.options.access == Access::ReadOnly,
            "author": self.options.author,
            "series": rows,
        })))
    }

    async fn series(&self, request: &Request) -> Result<Response, Refusal> {
        let snapshot = self.snapshots.present().await?;
        let benchmark = request.parameter("benchmark").unwrap_or_default();
        let metric = request.parameter("metric").unwrap_or("time");
        let Some(found) = snapshot.find(benchmark, metric) else {
            return Err(Refusal::Said(404, format!("`{benchmark}` [{metric}] was never measured")));
        };
        let blessings = self.store().await?.blessings().await?;
        let change_points = with_blessings(found, &blessings);
        Ok(Response::json(&SeriesChanges { change_points, ..found.clone() }))
    }

    async fn changes(&self) -> Result<Response, Refusal> {
        let snapshot = self.snapshots.present().await?;
        let blessings = self.store().await?.blessings().await?;
        let mut changes: Vec<Change<'_>> = snapshot
            .series
            .iter()
            .flat_map(|one| {
                let Series { benchmark, metric, unit, .. } = &one.timeline.series;
                with_blessings(one, &blessings).into_iter().map(|point| Change {
                    benchmark: benchmark.as_str(),
                    metric: metric.as_str(),
                    unit: unit.as_str(),
                    point,
                })
            })
            .collect();
        changes.sort_by_key(|change| std::cmp::Reverse(change.point.measured_at));
        Ok(Response::json(&changes))
    }

    async fn runs(&self) -> Result<Response, Refusal> {
        Ok(Response::json(&self.store().await?.runs(Some(MAX_RUNS)).await?))
    }

    async fn baselines(&self) -> Result<Response, Refusal> {
        Ok(Response::json(&self.store().await?.baselines().await?))
    }

    async fn compare(&self, request: &Request) -> Result<Response, Refusal> {
        let selector = |name: &str, default: &str| {
            let text = request.parameter(name).unwrap_or(default);
            text.parse::<Selector>().map_err(|why| Refusal::Said(400, why))
        };
        let (old, new) = (selector("baseline", "")?, selector("current", "latest")?);
        let mut store = self.store().await?;
        let (baseline, current) = (store.results(&old).await?, store.results(&new).await?);
        let runs: Vec<RunId> = current.runs.iter().map(|run| run.id).collect();
        let history = match current.runs.last() {
            Some(newest) => store.history(&newest.fingerprint, &runs).await?,
            None => Default::default(),
        };
        let blessings = store.blessings().await?;
        let analyzer = BenchmarkAnalyzer::new(baseline)
            .with_settings(self.options.settings.clone())
            .with_history(history)
            .with_blessings(blessings);
        let report = tokio::task::spawn_blocking(move || analyzer.analyze_results(&current)).await;
        let report = report.map_err(|error| Refusal::Said(500, error.to_string()))?;
        Ok(Response::json(&report))
    }

    async fn jobs(&self) -> Result<Response, Refusal> {
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
        Ok(Response::json(&serde_json::json!({ "jobs": progress, "alerts": alerts })))
    }

    /// The end of the log of a run. Both numbers are numbers, so the path is one of ours.
    fn log(&self, request: &Request) -> Result<Response, Refusal> {
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

    pub(super) async fn bless(&self, request: &Request) -> Response {
        self.try_bless(request).await.unwrap_or_else(Refusal::response)
    }

    async fn try_bless(&self, request: &Request) -> Result<Response, Refusal> {
        let said = |status, why: &str| Refusal::Said(status, why.to_owned());
        if self.options.access == Access::ReadOnly {
            return Err(said(403, "this dashboard is read-only"));
        }
        let wish: BlessRequest = serde_json::from_slice(&request.body)
            .map_err(|error| Refusal::Said(400, error.to_string()))?;
        let reason = wish.reason.trim();
        if reason.is_empty() {
            return Err(said(400, "say why the change is fine"));
        }
        let author = wish.author.filter(|name| !name.trim().is_empty());
        let author = author.or_else(|| self.options.author.clone());
        let author = author.ok_or_else(|| said(400, "say who you are"))?;
        let snapshot = self.snapshots.present().await?;
        let found = snapshot.find(&wish.benchmark, &wish.metric);
        let found = found.ok_or_else(|| said(404, "this was never measured"))?;
        let run = RunId(wish.run);
        let point = found.timeline.points.iter().find(|point| point.runs.contains(&run));
        let point = point.ok_or_else(|| Refusal::Failed(Error::NoRun { id: run }))?;
        let blessing = Blessing {
            series: found.timeline.series.clone(),
            run,
            measured_at: point.measured_at,
            reason: reason.to_owned(),
            author: author.trim().to_owned(),
            blessed_at: Timestamp::now(),
        };
        self.store().await?.bless(&blessing).await?;
        Ok(Response::json(&blessing))
    }
}

/// A snapshot may be older than what people accepted since.
fn with_blessings(series: &SeriesChanges, blessings: &[Blessing]) -> Vec<ChangePoint> {
    let mut changes = series.change_points.clone();
    let own: Vec<&Blessing> =
        blessings.iter().filter(|one| one.series == series.timeline.series).collect();
    for change in changes.iter_mut().filter(|_| !own.is_empty()) {
        let runs = &series.timeline.points[change.index].runs;
        if let Some(blessing) = own.iter().find(|one| runs.contains(&one.run)) {
            change.acknowledged = Some((*blessing).clone());
        }
    }
    changes
}
