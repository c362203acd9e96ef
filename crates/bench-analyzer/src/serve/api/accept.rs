//! Accepting a change.

use jiff::Timestamp;
use serde::Deserialize;

use super::{Api, Refusal};
use crate::error::Error;
use crate::serve::Access;
use crate::serve::http::{Request, Response};
use bench_stats::model::{AcceptedChange, RunId};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AcceptRequest {
    benchmark: String,
    metric: String,
    run: i64,
    reason: String,
    author: Option<String>,
}

impl Api {
    pub(super) async fn try_accept(&self, request: &Request) -> Result<Response, Refusal> {
        let said = |status, why: &str| Refusal::Said(status, why.to_owned());
        if self.options.access == Access::ReadOnly {
            return Err(said(403, "this dashboard is read-only"));
        }
        let wish: AcceptRequest = serde_json::from_slice(&request.body)
            .map_err(|error| Refusal::Said(400, error.to_string()))?;
        let reason = wish.reason.trim();
        if reason.is_empty() {
            return Err(said(400, "say why the change is fine"));
        }
        let author = wish.author.filter(|name| !name.trim().is_empty());
        let author = author.or_else(|| self.options.author.clone());
        let author = author.ok_or_else(|| said(400, "say who you are"))?;
        let histories = self.histories().await?;
        let found = histories.snapshot.find(&wish.benchmark, &wish.metric);
        let found = found.ok_or_else(|| said(404, "this was never measured"))?;
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
        Ok(Response::json(&accepted))
    }
}
