//! Decisions of people about a change: accepting it, taking that back, and triage.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Api, Refusal, Shared};
use crate::error::Error;
use crate::ingest::{TakenBack, Triage};
use crate::serve::Access;
use crate::serve::answer::Told;
use crate::store::TriagedChange;
use bench_stats::detect::changes::{ChangePoint, SeriesChanges};
use bench_stats::detect::settings::Settings;
use bench_stats::model::{AcceptedChange, RunId, Series, Timeline, TimelinePoint};

/// The paths by which something is changed. Whether somebody may is decided before.
pub(in crate::serve) fn router(api: &Arc<Api>) -> Router {
    let accept = async |State(api): Shared, Told(wish)| api.accept(wish).await;
    let take_back = async |State(api): Shared, Told(wish)| api.take_back(wish).await;
    let triage = async |State(api): Shared, Told(wish)| api.triage(wish).await;
    Router::new()
        .route("/api/accept", post(accept))
        .route("/api/take-back", post(take_back))
        .route("/api/triage", post(triage))
        .with_state(Arc::clone(api))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AcceptRequest {
    benchmark: String,
    metric: String,
    run: i64,
    reason: String,
    author: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TakeBackRequest {
    benchmark: String,
    metric: String,
    run: i64,
    author: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TriageRequest {
    benchmark: String,
    metric: String,
    run: i64,
    #[serde(default)]
    assignee: String,
    #[serde(default)]
    note: String,
    #[serde(default)]
    link: String,
    author: Option<String>,
}

/// Whether an address may stand behind a link: browsers run some of the others as programs.
fn is_web_address(address: &str) -> bool {
    let rest = ["https://", "http://"].iter().find_map(|scheme| address.strip_prefix(scheme));
    rest.is_some_and(|rest| !rest.is_empty())
        && !address.chars().any(|one| one.is_whitespace() || one.is_control())
}

/// How long a text may be that somebody writes.
const LONGEST: usize = 4000;

impl Api {
    async fn accept(&self, wish: AcceptRequest) -> Result<Json<AcceptedChange>, Refusal> {
        self.demand_rights()?;
        let reason = wish.reason.trim();
        if reason.is_empty() {
            return Err(Refusal::wrong("say why the change is fine"));
        }
        let author = self.author(wish.author)?;
        let (timeline, point) = self.place(&wish.benchmark, &wish.metric, wish.run).await?;
        let accepted = AcceptedChange {
            series: timeline.series,
            run: RunId(wish.run),
            measured_at: point.measured_at,
            reason: reason.to_owned(),
            author,
            accepted_at: Timestamp::now(),
        };
        self.store().await?.accept(&accepted).await?;
        Ok(Json(accepted))
    }

    async fn take_back(&self, wish: TakeBackRequest) -> Result<Json<Value>, Refusal> {
        self.demand_rights()?;
        let taken_back = TakenBack { author: self.author(wish.author)?, at: Timestamp::now() };
        let (timeline, _) = self.place(&wish.benchmark, &wish.metric, wish.run).await?;
        let mut store = self.store().await?;
        store.take_back_acceptance(&timeline.series, RunId(wish.run), &taken_back).await?;
        Ok(Json(json!({ "taken_back": taken_back })))
    }

    async fn triage(&self, wish: TriageRequest) -> Result<Json<Triage>, Refusal> {
        self.demand_rights()?;
        let link = wish.link.trim();
        if !link.is_empty() && !is_web_address(link) {
            return Err(Refusal::wrong("the link has to begin with https:// or http://"));
        }
        let texts = [&wish.assignee, &wish.note, &wish.link];
        if texts.iter().any(|text| text.len() > LONGEST) {
            return Err(Refusal::wrong(format!("a text may have {LONGEST} bytes at the most")));
        }
        let author = self.author(wish.author)?;
        let (timeline, _) = self.place(&wish.benchmark, &wish.metric, wish.run).await?;
        let triage = Triage {
            assignee: wish.assignee.trim().to_owned(),
            note: wish.note.trim().to_owned(),
            link: link.to_owned(),
            author,
            said_at: Timestamp::now(),
        };
        self.store().await?.triage(&timeline.series, RunId(wish.run), &triage).await?;
        Ok(Json(triage))
    }

    fn demand_rights(&self) -> Result<(), Refusal> {
        match self.options.access {
            Access::Accept => Ok(()),
            Access::ReadOnly => {
                Err(Refusal::said(StatusCode::FORBIDDEN, "this dashboard is read-only"))
            }
        }
    }

    /// Who somebody says they are, else who serves.
    fn author(&self, said: Option<String>) -> Result<String, Refusal> {
        let said = said.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        let author = said.or_else(|| self.options.author.clone());
        author.ok_or_else(|| Refusal::wrong("say who you are"))
    }

    /// The series of a benchmark, and the point that holds a run.
    async fn place(
        &self,
        benchmark: &str,
        metric: &str,
        run: i64,
    ) -> Result<(Timeline, TimelinePoint), Refusal> {
        let histories = self.histories().await?;
        let found = histories.snapshot.find(benchmark, metric);
        let found = found.ok_or_else(|| Refusal::absent("this was never measured"))?;
        let run = RunId(run);
        let point = found.timeline.points.iter().find(|point| point.runs.contains(&run));
        let point = point.ok_or_else(|| Error::NoRun { id: run })?.clone();
        Ok((found.timeline.clone(), point))
    }

    /// All that people decided, as it is now: histories may have been looked at before.
    pub(super) async fn decisions(&self) -> Result<Decisions, Refusal> {
        let mut store = self.store().await?;
        let mut decisions =
            Decisions { settings: self.options.settings.clone(), ..Decisions::default() };
        for accepted in store.accepted_changes().await? {
            decisions.accepted.entry(accepted.series.clone()).or_default().push(accepted);
        }
        for triaged in store.triaged_changes().await? {
            decisions.triaged.entry(triaged.series.clone()).or_default().push(triaged);
        }
        Ok(decisions)
    }
}

/// Decisions of people, by series.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    accepted: HashMap<Series, Vec<AcceptedChange>>,
    triaged: HashMap<Series, Vec<TriagedChange>>,
    settings: Settings,
}

impl Decisions {
    /// The changes of a series as they are with these decisions.
    pub(super) fn changes(&self, one: &SeriesChanges) -> Vec<ChangePoint> {
        let series = &one.timeline.series;
        let accepted: Vec<&AcceptedChange> =
            self.accepted.get(series).into_iter().flatten().collect();
        one.acknowledged(&accepted, &self.settings.steps(series))
    }

    /// Returns the notes on a change.
    pub(super) fn triage(&self, one: &SeriesChanges, change: &ChangePoint) -> Option<&Triage> {
        let runs = &one.timeline.points[change.index].runs;
        let all = self.triaged.get(&one.timeline.series)?;
        all.iter().rev().find(|triaged| runs.contains(&triaged.run)).map(|triaged| &triaged.triage)
    }
}
