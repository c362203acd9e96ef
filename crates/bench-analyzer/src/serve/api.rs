//! What the page asks for.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use serde::Deserialize;

use super::answer::{Asked, Refusal, off_thread};
use super::background::{Background, Got};
use super::prepared::{Comparisons, Snapshot, Snapshots, View};
use super::stores::{Lent, Stores};
use super::{Access, ServeOptions};
use crate::store::{RunListing, Store, StoreVersion};
use bench_stats::model::{BaselineInfo, Selector};

mod compare;
mod decisions;
mod elsewhere;
mod histories;
mod home;
mod lists;

pub(super) use decisions::router as decisions;

/// Answers from the store.
#[derive(Debug)]
pub(super) struct Api {
    options: ServeOptions,
    /// Key that badges and the feed are read by from elsewhere.
    reading_key: Option<String>,
    stores: Stores,
    snapshots: Snapshots,
    comparisons: Comparisons,
    runs: Background<StoreVersion, Vec<RunListing>>,
    baselines: Background<StoreVersion, Vec<BaselineInfo>>,
    /// The overview as it was last written, and of what.
    overview: Mutex<Option<(StoreVersion, OfMachine, Bytes)>>,
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
        .route("/api/home", get(async |State(api): Shared, Asked(of)| api.home(of).await))
        .route("/api/overview", get(async |State(api): Shared, Asked(of)| api.overview(of).await))
        .route("/api/series", get(async |State(api): Shared, Asked(of)| api.series(of).await))
        .route("/api/changes", get(async |State(api): Shared, Asked(of)| api.changes(of).await))
        .route("/api/runs", get(async |State(api): Shared, Asked(page)| api.runs(page).await))
        .route("/api/commits", get(async |State(api): Shared| api.commits().await))
        .route("/api/baselines", get(async |State(api): Shared| api.baselines().await))
        .route("/api/compare", get(async |State(api): Shared, Asked(wish)| api.compare(wish).await))
        .route("/api/figures", get(async |State(api): Shared, Asked(of)| api.figures(of).await))
        .route("/api/jobs", get(async |State(api): Shared| api.jobs().await))
        .route("/api/log", get(async |State(api): Shared, Asked(of)| api.log(&of)))
        .route("/badge.svg", get(async |State(api): Shared, Asked(of)| api.badge(of).await))
        .route("/feed.atom", get(async |State(api): Shared| api.feed().await))
        .with_state(Arc::clone(api))
}

type Shared = State<Arc<Api>>;

/// Names a series.
#[derive(Debug, Deserialize)]
struct OfSeries {
    #[serde(default)]
    benchmark: String,
    #[serde(default = "time")]
    metric: String,
}

/// The machine whose values alone are wanted, by its number, or `all`. Nothing means all too, unless they measure in turns.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct OfMachine {
    machine: Option<String>,
}

/// Where a page of a list begins.
#[derive(Debug, Deserialize)]
struct Page {
    from: Option<String>,
}

impl Page {
    fn from(&self) -> Result<usize, Refusal> {
        let read =
            |text: &str| text.parse().map_err(|_| Refusal::wrong("`from` has to be a number"));
        self.from.as_deref().map_or(Ok(0), read)
    }
}

fn time() -> String {
    "time".to_owned()
}

impl Api {
    pub(super) fn new(options: ServeOptions, reading_key: Option<String>) -> Self {
        Self {
            reading_key,
            stores: Stores::new(&options.database),
            snapshots: Snapshots::new(&options.database, &options.project, &options.settings),
            comparisons: Comparisons::new(&options.database, &options.project, &options.settings),
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
        while matches!(self.histories_of(None).await, Err(Refusal::NotYet(_))) {
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
            "links": {
                "commit": self.options.links.commit,
                "pull_request": self.options.links.pull_request,
            },
            "reading_key": self.reading_key,
        }))
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
        self.histories_on(None).await
    }

    /// Histories of the values of the machine that somebody asks for, or of the usual one.
    async fn histories_of(&self, machine: Option<&str>) -> Result<Histories, Refusal> {
        match machine.filter(|number| !number.is_empty()) {
            None => {
                let all = self.histories().await?;
                match all.snapshot.usual_machine {
                    Some(machine) => self.histories_on(Some(machine)).await,
                    None => Ok(all),
                }
            }
            Some("all") => self.histories().await,
            Some(number) => {
                let machine = number.parse::<i64>();
                let wrong = |_| Refusal::wrong("`machine` has to be the number of one, or `all`");
                self.histories_on(Some(machine.map_err(wrong)?)).await
            }
        }
    }

    /// Histories of the values of one machine, or of all.
    async fn histories_on(&self, machine: Option<i64>) -> Result<Histories, Refusal> {
        let version = self.store().await?.version().await?.measured;
        match self.snapshots.of(View { version, machine }).await? {
            Got::Made(snapshot) => Ok(Histories { snapshot, newer_to_come: false }),
            Got::Earlier(snapshot) => Ok(Histories { snapshot, newer_to_come: true }),
            Got::NotYet => Err(Refusal::NotYet("looking for changes in all histories".to_owned())),
        }
    }
}
