//! Two sides compared: a page of the list, and one benchmark with its plots.

use std::sync::Arc;

use serde::Serialize;

use super::{Api, Refusal};
use crate::error::Error;
use crate::report::figure;
use crate::report::words::{self, WORST_FIRST};
use crate::serve::compared::{Compared, Question};
use crate::serve::http::{Request, Response};
use bench_stats::detect::verdict::{Comparison, Verdict};
use bench_stats::model::{BenchmarkResults, Selector};

/// How many comparisons a page lists.
const ROWS: usize = 200;

#[derive(Serialize)]
struct Row<'c> {
    #[serde(flatten)]
    comparison: &'c Comparison,
    /// Remark beside the numbers.
    remark: String,
    /// The commits since which the change is there.
    since: Option<String>,
}

impl Api {
    pub(super) async fn compare(&self, request: &Request) -> Result<Response, Refusal> {
        let compared = self.compared_as(request).await?;
        let report = &compared.report;
        let search = request.parameter("search").unwrap_or_default().to_lowercase();
        let verdict = request.parameter("verdict").filter(|word| !word.is_empty());
        let from = request.number("from")?.unwrap_or(0);
        let matching: Vec<&Comparison> = compared
            .worst_first()
            .filter(|one| one.series.benchmark.as_str().to_lowercase().contains(&search))
            .filter(|one| verdict.is_none_or(|word| one.verdict.id() == word))
            .collect();
        let rows: Vec<Row<'_>> = matching
            .iter()
            .skip(from)
            .take(ROWS)
            .map(|one| Row {
                comparison: one,
                remark: words::remark(one),
                since: report.onset(&one.series).map(words::since),
            })
            .collect();
        let counts: Vec<(Verdict, usize)> =
            WORST_FIRST.into_iter().map(|verdict| (verdict, report.count(verdict))).collect();
        let sides: Vec<String> =
            report.baseline.iter().chain([&report.current]).map(words::describe_side).collect();
        let notes: Vec<String> =
            report.notes.iter().cloned().chain(words::undecided(report)).collect();
        Ok(Response::json(&serde_json::json!({
            "summary": words::summary(report),
            "sides": sides,
            "notes": notes,
            "counts": counts,
            "only_in_baseline": report.only_in_baseline,
            "only_in_current": report.only_in_current,
            "total": matching.len(),
            "from": from,
            "comparisons": rows,
        })))
    }

    /// One benchmark of a comparison, drawn as the report draws it.
    pub(super) async fn figures(&self, request: &Request) -> Result<Response, Refusal> {
        let compared = self.compared_as(request).await?;
        let benchmark = request.parameter("benchmark").unwrap_or_default();
        let metric = request.parameter("metric").unwrap_or("time");
        let Some(one) = compared.find(benchmark, metric) else {
            return Err(Refusal::Said(404, format!("`{benchmark}` [{metric}] was not compared")));
        };
        let settings = &self.options.settings;
        let of = |side: &BenchmarkResults| side.results.get(&one.series).cloned();
        let drawn = figure::interval(one, settings).and_then(|interval| {
            let sides = &compared.sides;
            let (old, new) = (sides.baseline.as_ref().and_then(of), of(&sides.current));
            Ok([interval, figure::samples(&one.series, old.as_ref(), new.as_ref())?])
        });
        let drawn = drawn.map_err(|error| Refusal::Said(500, error.to_string()))?;
        let figures: Vec<_> = drawn
            .iter()
            .map(|one| serde_json::json!({ "svg": one.svg, "caption": one.caption }))
            .collect();
        let onset = compared.report.onset(&one.series);
        Ok(Response::json(&serde_json::json!({
            "conclusion": words::conclusion(one, onset, settings),
            "figures": figures,
        })))
    }

    async fn compared_as(&self, request: &Request) -> Result<Arc<Compared>, Refusal> {
        let selector = |name: &str, default: &str| {
            let text = request.parameter(name).unwrap_or(default);
            text.parse::<Selector>().map_err(|why| Refusal::Said(400, why))
        };
        self.compared(selector("baseline", "")?, selector("current", "latest")?).await
    }

    pub(super) async fn compared(
        &self,
        baseline: Selector,
        current: Selector,
    ) -> Result<Arc<Compared>, Refusal> {
        if let Selector::Baseline(name) = &baseline {
            // The likeliest mistake is said at once.
            let known = self.known_baselines().await?;
            if known.iter().all(|one| one.name != *name) {
                let known = known.iter().map(|one| one.name.to_string()).collect();
                return Err(Error::NoBaseline { name: name.clone(), known }.into());
            }
        }
        let version = self.store().await?.version().await?;
        let histories = self.histories().await?;
        let being = Refusal::NotYet(format!("comparing {current} with {baseline}"));
        if histories.newer_to_come {
            return Err(being);
        }
        let question = Question { version, baseline, current };
        self.comparisons.of(question, histories.snapshot).await?.ok_or(being)
    }
}
