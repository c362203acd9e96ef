//! What the page asks for.

use std::cell::RefCell;
use std::sync::Arc;

use super::background::{Background, Got};
use super::compared::Comparisons;
use super::http::{Request, Response};
use super::refusal::{Refusal, off_thread};
use super::snapshot::{Snapshot, Snapshots};
use super::stores::{Lent, Stores};
use super::{Access, ServeOptions};
use crate::store::{RunListing, Store, StoreVersion};
use bench_stats::model::{BaselineInfo, Selector};

mod accept;
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
    overview: RefCell<Option<(StoreVersion, Response)>>,
}

/// Histories that an answer is made from, and whether the store has moved on since.
struct Histories {
    snapshot: Arc<Snapshot>,
    newer_to_come: bool,
}

impl Histories {
    /// An answer that says so if it is not the last word.
    fn respond(&self, response: Response) -> Response {
        if self.newer_to_come {
            response.with_header("X-Newer-To-Come", "1".to_owned())
        } else {
            response
        }
    }
}

impl Api {
    pub(super) fn new(options: ServeOptions) -> Self {
        Self {
            stores: Stores::new(&options.database),
            snapshots: Snapshots::new(&options.database, &options.settings),
            comparisons: Comparisons::new(&options.database, &options.settings),
            runs: Background::new(1),
            baselines: Background::new(1),
            overview: RefCell::new(None),
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

    pub(super) async fn get(&self, request: &Request) -> Response {
        let answer = match request.path.as_str() {
            "/api/about" => Ok(self.about()),
            "/api/overview" => self.overview().await,
            "/api/series" => self.series(request).await,
            "/api/changes" => self.changes().await,
            "/api/runs" => self.runs(request).await,
            "/api/baselines" => self.baselines().await,
            "/api/compare" => self.compare(request).await,
            "/api/figures" => self.figures(request).await,
            "/api/jobs" => self.jobs().await,
            "/api/log" => self.log(request),
            _ => Err(Refusal::Said(404, "there is no such question".to_owned())),
        };
        answer.unwrap_or_else(Response::from)
    }

    pub(super) async fn accept(&self, request: &Request) -> Response {
        self.try_accept(request).await.unwrap_or_else(Response::from)
    }

    fn about(&self) -> Response {
        Response::json(&serde_json::json!({
            "database": self.options.database.to_string(),
            "read_only": self.options.access == Access::ReadOnly,
            "author": self.options.author,
        }))
    }

    async fn store(&self) -> Result<Lent<'_>, Refusal> {
        Ok(self.stores.lend().await?)
    }

    /// Answers that take long to ask for, of the present state of the store.
    async fn kept<V: Send + 'static>(
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
