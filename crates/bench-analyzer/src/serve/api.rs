//! What the page asks for.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;

use super::answer::{Asked, Refusal, off_thread};
use super::background::{Background, Got};
use super::prepared::{Comparisons, Snapshot, Snapshots};
use super::stores::{Lent, Stores};
use super::{Access, ServeOptions};
use crate::error::Error;
use crate::store::{RunListing, Store, StoreVersion};
use bench_stats::model::{AcceptedChange, BaselineInfo, RunId, Selector};

mod compare;
mod histories;
mod lists;

/// Answers from the store.
#[derive(Debug)]
pub(super) struct Api {
    options: ServeOptions,
    stores: Stores,
    snapshots: Snapshots,
    comparisons: Comparisons,
    runs: Background<StoreVersion, Vec<RunListing>>,
    baselines: Background<StoreVersion, Vec<BaselineInfo>>,
    /// The overview as it was last written, and of what.
    overview: Mutex<Option<(StoreVersion, Bytes)>>,
}

const NEWER_TO_COME: HeaderName = HeaderName::from_static("x-newer-to-come");

/// Histories that an answer is made from, and whether the store has moved on since.
struct Histories {
    snapshot: Arc<Snapshot>,
    newer_to_come: bool,
}

impl Histories {
    /// An answer that says so if it is not the last word.
    fn respond(&self, response: impl IntoResponse) -> Response {
        let mut response = response.into_response();
        if self.newer_to_come {
            response.headers_mut().insert(NEWER_TO_COME, HeaderValue::from_static("1"));
        }
        response
    }
}

/// Questions, each with its path. Whether somebody may ask is decided before.
pub(super) fn questions(api: &Arc<Api>) -> Router {
    Router::new()
        .route("/api/about", get(async |State(api): Shared| api.about()))
        .route("/api/overview", get(async |State(api): Shared| api.overview().await))
        .route("/api/series", get(async |State(api): Shared, Asked(of)| api.series(of).await))
        .route("/api/changes", get(async |State(api): Shared| api.changes().await))
        .route("/api/runs", get(async |State(api): Shared, Asked(page)| api.runs(page).await))
        .route("/api/baselines", get(async |State(api): Shared| api.baselines().await))
        .route("/api/compare", get(async |State(api): Shared, Asked(wish)| api.compare(wish).await))
        .route("/api/figures", get(async |State(api): Shared, Asked(of)| api.figures(of).await))
        .route("/api/jobs", get(async |State(api): Shared| api.jobs().await))
        .route("/api/log", get(async |State(api): Shared, Asked(of)| api.log(&of)))
        .with_state(Arc::clone(api))
}

/// The one path by which something is changed. Whether somebody may is decided before.
pub(super) fn acceptance(api: &Arc<Api>) -> MethodRouter {
    let accept =
        async |State(api): Shared, wish: Result<Json<AcceptRequest>, JsonRejection>| match wish {
            Ok(Json(wish)) => api.accept(wish).await,
            Err(error) => Err(Refusal::said(StatusCode::BAD_REQUEST, error.body_text())),
        };
    post(accept).with_state(Arc::clone(api))
}

type Shared = State<Arc<Api>>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AcceptRequest {
    benchmark: String,
    metric: String,
    run: i64,
    reason: String,
    author: Option<String>,
}

/// Names a series.
#[derive(Debug, Deserialize)]
struct OfSeries {
    #[serde(default)]
    benchmark: String,
    #[serde(default = "time")]
    metric: String,
}

/// Where a page of a list begins.
#[derive(Debug, Deserialize)]
struct Page {
    from: Option<String>,
}

impl Page {
    fn from(&self) -> Result<usize, Refusal> {
        let read = |text: &str| {
            let why = "`from` has to be a number";
            text.parse().map_err(|_| Refusal::said(StatusCode::BAD_REQUEST, why))
        };
        self.from.as_deref().map_or(Ok(0), read)
    }
}

fn time() -> String {
    "time".to_owned()
}

impl Api {
    pub(super) fn new(options: ServeOptions) -> Self {
        Self {
            stores: Stores::new(&options.database),
            snapshots: Snapshots::new(&options.database, &options.settings),
            comparisons: Comparisons::new(&options.database, &options.settings),
            runs: Background::new(1),
            baselines: Background::new(1),
            overview: Mutex::default(),
            options,
        }
    }

    /// Finds all changes and compares the first baseline with the latest runs before a visitor
    /// asks for it; what fails here is said to whoever asks.
    pub(super) async fn warm(&self) {
        let _ = self.listed_runs().await;
        let pause = std::time::Duration::from_millis(50);
        while matches!(self.histories().await, Err(Refusal::NotYet(_))) {
            tokio::time::sleep(pause).await;
        }
        let baselines = loop {
            match self.known_baselines().await {
                Ok(baselines) => break baselines,
                Err(Refusal::NotYet(_)) => tokio::time::sleep(pause).await,
                Err(Refusal::Said(..)) => return,
            }
        };
        if let Some(first) = baselines.first() {
            let _ = self.compared(Selector::Baseline(first.name.clone()), Selector::Latest).await;
        }
    }

    fn about(&self) -> Json<serde_json::Value> {
        Json(serde_json::json!({
            "database": self.options.database.to_string(),
            "read_only": self.options.access == Access::ReadOnly,
            "author": self.options.author,
        }))
    }

    async fn accept(&self, wish: AcceptRequest) -> Result<Json<AcceptedChange>, Refusal> {
        if self.options.access == Access::ReadOnly {
            return Err(Refusal::said(StatusCode::FORBIDDEN, "this dashboard is read-only"));
        }
        let missing = |what: &str| Refusal::said(StatusCode::BAD_REQUEST, what);
        let reason = wish.reason.trim();
        if reason.is_empty() {
            return Err(missing("say why the change is fine"));
        }
        let author = wish.author.filter(|name| !name.trim().is_empty());
        let author = author.or_else(|| self.options.author.clone());
        let author = author.ok_or_else(|| missing("say who you are"))?;
        let histories = self.histories().await?;
        let found = histories.snapshot.find(&wish.benchmark, &wish.metric);
        let found =
            found.ok_or_else(|| Refusal::said(StatusCode::NOT_FOUND, "this was never measured"))?;
        let run = RunId(wish.run);
        let point = found.timeline.points.iter().find(|point| point.runs.contains(&run));
        let point = point.ok_or_else(|| Error::NoRun { id: run })?;
        let accepted = AcceptedChange {
            series: found.timeline.series.clone(),
            run,
            measured_at: point.measured_at,
            reason: reason.to_owned(),
            author: author.trim().to_owned(),
            accepted_at: Timestamp::now(),
        };
        self.store().await?.accept(&accepted).await?;
        Ok(Json(accepted))
    }

    async fn store(&self) -> Result<Lent<'_>, Refusal> {
        Ok(self.stores.lend().await?)
    }

    /// Answers that take long to ask for, of the present state of the store.
    async fn kept<V: Send + Sync + 'static>(
        &self,
        kept: &Background<StoreVersion, V>,
        doing: &str,
        ask: impl AsyncFnOnce(&mut Store) -> crate::error::Result<V> + Send + 'static,
    ) -> Result<Arc<V>, Refusal> {
        let version = self.store().await?.version().await?;
        let database = self.options.database.clone();
        let make = move || off_thread(async move { ask(&mut Store::open(&database).await?).await });
        match kept.get(version, make).await? {
            Got::Made(value) => Ok(value),
            // Something of another state is no answer.
            Got::Earlier(_) | Got::NotYet => Err(Refusal::NotYet(doing.to_owned())),
        }
    }

    /// All histories, of the present state of the store or of the last one that is known.
    async fn histories(&self) -> Result<Histories, Refusal> {
        let version = self.store().await?.version().await?;
        match self.snapshots.of(version.measured).await? {
            Got::Made(snapshot) => Ok(Histories { snapshot, newer_to_come: false }),
            Got::Earlier(snapshot) => Ok(Histories { snapshot, newer_to_come: true }),
            Got::NotYet => Err(Refusal::NotYet("looking for changes in all histories".to_owned())),
        }
    }
}
