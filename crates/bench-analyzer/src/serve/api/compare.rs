//! Two sides compared: a page of the list, and one benchmark with its plots.

use std::sync::Arc;

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Api, OfSeries, Page, Refusal};
use crate::analysis::PREVIOUS;
use crate::environment;
use crate::error::Error;
use crate::report::figure;
use crate::report::words::{self, WORST_FIRST};
use crate::serve::prepared::{Compared, Question};
use bench_stats::detect::verdict::{Comparison, Verdict};
use bench_stats::model::{BenchmarkResults, Selector};

/// How many comparisons a page lists.
const ROWS: usize = 200;

/// The two sides of a comparison.
#[derive(Debug, Deserialize)]
pub(super) struct OfSides {
    #[serde(default)]
    baseline: String,
    #[serde(default = "latest")]
    current: String,
}

fn latest() -> String {
    "latest".to_owned()
}

/// Choice of what a page shows of a comparison.
#[derive(Debug, Deserialize)]
pub(super) struct Wish {
    #[serde(flatten)]
    sides: OfSides,
    #[serde(default)]
    search: String,
    #[serde(default)]
    verdict: String,
    #[serde(flatten)]
    page: Page,
}

#[derive(Debug, Deserialize)]
pub(super) struct OfFigures {
    #[serde(flatten)]
    sides: OfSides,
    #[serde(flatten)]
    of: OfSeries,
}

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
    pub(super) async fn compare(&self, wish: Wish) -> Result<Json<Value>, Refusal> {
        let compared = self.compared_as(&wish.sides).await?;
        let report = &compared.report;
        let search = wish.search.to_lowercase();
        let verdict = Some(wish.verdict.as_str()).filter(|word| !word.is_empty());
        let from = wish.page.from()?;
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
        let notes: Vec<String> = report.notes.clone();
        Ok(Json(json!({
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
    pub(super) async fn figures(&self, asked: OfFigures) -> Result<Json<Value>, Refusal> {
        let compared = self.compared_as(&asked.sides).await?;
        let OfSeries { benchmark, metric } = asked.of;
        let Some(one) = compared.find(&benchmark, &metric) else {
            let why = format!("`{benchmark}` [{metric}] was not compared");
            return Err(Refusal::absent(why));
        };
        let settings = &self.options.settings;
        let of = |side: &BenchmarkResults| side.results.get(&one.series).cloned();
        let drawn = figure::interval(one, settings).and_then(|interval| {
            let sides = &compared.sides;
            let (old, new) = (sides.baseline.as_ref().and_then(of), of(&sides.current));
            Ok([interval, figure::samples(&one.series, old.as_ref(), new.as_ref())?])
        });
        let drawn = drawn.map_err(Refusal::failed)?;
        let figures: Vec<_> =
            drawn.iter().map(|one| json!({ "svg": one.svg, "caption": one.caption })).collect();
        let onset = compared.report.onset(&one.series);
        Ok(Json(json!({
            "conclusion": words::conclusion(one, onset, settings),
            "figures": figures,
        })))
    }

    async fn compared_as(&self, sides: &OfSides) -> Result<Arc<Compared>, Refusal> {
        let selector = |text: &str| text.parse::<Selector>().map_err(Refusal::wrong);
        self.compared(selector(&sides.baseline)?, selector(&sides.current)?).await
    }

    /// Returns the commit that the project's repository knows a side by, if it is no baseline.
    async fn commit(&self, side: &Selector) -> Result<Option<String>, Refusal> {
        let Selector::Baseline(name) = side else { return Ok(None) };
        if self.known_baselines().await?.iter().any(|one| one.name == *name) {
            return Ok(None);
        }
        let (project, name) = (self.options.project.clone(), name.to_string());
        let asked = tokio::task::spawn_blocking(move || environment::commit(&project, &name));
        asked.await.map_err(Refusal::failed)
    }

    /// Says the likeliest mistake at once: a name that means nothing.
    async fn demand_known(&self, side: &Selector, commit: Option<&str>) -> Result<(), Refusal> {
        let Selector::Baseline(name) = side else { return Ok(()) };
        let known = self.known_baselines().await?;
        let means_something = commit.is_some()
            || name.as_str() == PREVIOUS
            || known.iter().any(|one| one.name == *name)
            || self.was_measured(name.as_str()).await?;
        if means_something {
            return Ok(());
        }
        let known = known.iter().map(|one| one.name.to_string()).collect();
        Err(Error::NoBaseline { name: name.clone(), known }.into())
    }

    /// Whether a name may mean a commit that was measured, or a branch.
    async fn was_measured(&self, name: &str) -> Result<bool, Refusal> {
        let runs = self.listed_runs().await?;
        let revisions = runs.iter().map(|listed| &listed.run.revision);
        Ok(revisions.into_iter().any(|revision| {
            let commit = revision.commit.as_deref();
            commit.is_some_and(|commit| commit.starts_with(name))
                || revision.branch.as_deref() == Some(name)
        }))
    }

    pub(super) async fn compared(
        &self,
        baseline: Selector,
        current: Selector,
    ) -> Result<Arc<Compared>, Refusal> {
        let commits = [self.commit(&baseline).await?, self.commit(&current).await?];
        for (side, commit) in [&baseline, &current].into_iter().zip(&commits) {
            self.demand_known(side, commit.as_deref()).await?;
        }
        let version = self.store().await?.version().await?;
        let histories = self.histories().await?;
        let being = Refusal::NotYet(format!("comparing {current} with {baseline}"));
        if histories.newer_to_come {
            return Err(being);
        }
        let question = Question { version, baseline, current, commits };
        self.comparisons.of(question, histories.snapshot).await?.ok_or(being)
    }
}
