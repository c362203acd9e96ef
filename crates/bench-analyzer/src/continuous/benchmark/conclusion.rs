//! What follows from a job: it is analysed, reported, stored and told.

use sha2::{Digest as _, Sha256};

use super::ContinuousBenchmark;
use crate::analysis::{Evidence, LookBack, Sides};
use crate::continuous::alert::{after_failure, after_looking_back, after_success};
use crate::continuous::notice::Notice;
use crate::continuous::observer::JobOutcome;
use crate::continuous::suites::BenchmarkSuite;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::jobs::job::{Job, JobState};
use crate::report::words::summary;
use crate::store::JobEnd;
use bench_stats::analysis::AnalysisReport;
use bench_stats::detect::reference::Reference;
use bench_stats::detect::settings::Settings;
use bench_stats::model::{BaselineName, BenchmarkResults, RunId, Selector};
use bench_stats::stats::spending::Plan;

impl ContinuousBenchmark {
    /// Analyses, reports, stores what was concluded, and queues what there is to tell.
    pub(super) async fn conclude(
        &mut self,
        job: &Job,
        suite: &BenchmarkSuite,
        runs: &[RunId],
        environment: &Environment,
    ) -> Result<JobOutcome> {
        let (report, evidence) = self.analyse(suite, runs).await?;
        let report_at = self.reporter.report_results(job.id, &suite.name, &report, &evidence)?;
        let open = self.store.open_alerts(Some(&suite.name)).await?;
        let known = self.store.known_steps(&suite.name).await?;
        let mut transitions = after_success(&open, &report);
        transitions.retain(|one| !known.covers(one));
        let histories = &evidence.histories;
        transitions.extend(after_looking_back(&known, histories, &transitions, &self.settings));
        let summary = match &report.baseline {
            Some(_) => summary(&report),
            None => {
                format!("{} series measured, nothing to compare with yet", report.measured.len())
            }
        };
        let outcome = JobOutcome {
            job: job.id,
            suite: suite.name.clone(),
            report: Some(report),
            failure: None,
            report_at: Some(report_at),
            transitions,
            summary,
        };
        self.end(JobState::Done, &outcome, environment.revision.commit.clone()).await?;
        Ok(outcome)
    }

    pub(super) async fn conclude_failure(
        &mut self,
        job: &Job,
        failure: String,
    ) -> Result<JobOutcome> {
        let open = self.store.open_alerts(Some(&job.suite)).await?;
        let outcome = JobOutcome {
            job: job.id,
            suite: job.suite.clone(),
            report: None,
            transitions: after_failure(&open, &failure),
            summary: failure.clone(),
            failure: Some(failure),
            report_at: Some(self.job_folder(job.id).into_string()),
        };
        self.end(JobState::Failed, &outcome, job.commit.clone()).await?;
        Ok(outcome)
    }

    async fn end(
        &mut self,
        state: JobState,
        outcome: &JobOutcome,
        commit: Option<String>,
    ) -> Result<()> {
        let at = self.parts.clock.now();
        let notice = Notice {
            schema: Notice::SCHEMA,
            id: format!("{}-{}-{}", self.parts.machine.name, outcome.job.0, at.as_millisecond()),
            suite: outcome.suite.clone(),
            job: outcome.job,
            at,
            commit,
            changes: outcome.transitions.clone(),
            report: outcome.report_at.clone(),
        };
        let mut notices = Vec::new();
        if !notice.changes.is_empty() {
            let json = serde_json::to_string(&notice).map_err(|error| Error::Write {
                path: self.folder.clone(),
                source: error.into(),
            })?;
            let wanting = self.config.channels.iter().filter(|one| one.wants(&outcome.suite));
            notices.extend(wanting.map(|channel| (channel.name.clone(), json.clone())));
        }
        self.store
            .end_job(&JobEnd {
                job: outcome.job,
                machine: self.parts.machine.id.clone(),
                state,
                at,
                failure: outcome.failure.clone(),
                summary: Some(outcome.summary.clone()),
                report: outcome.report_at.clone(),
                suite: outcome.suite.clone(),
                transitions: outcome.transitions.clone(),
                notices,
            })
            .await
    }

    /// Compares with the suite's baseline, and looks for changes in the history of all that was
    /// measured.
    async fn analyse(
        &mut self,
        suite: &BenchmarkSuite,
        runs: &[RunId],
    ) -> Result<(AnalysisReport, Evidence)> {
        let current = self.store.results_of_runs(&suite.name, runs).await?;
        let baseline = self.baseline(suite, &current, runs).await?;
        let look = LookBack { reference: Reference::Start, noted_at: Some(self.parts.clock.now()) };
        // The suite says how many runs there are before any is made.
        let planned = u32::try_from(runs.len()).unwrap_or(u32::MAX);
        let plan = match self.settings.plan {
            Plan::Open => Plan::Stated(planned),
            said => said,
        };
        let settings = Settings { plan, ..self.settings.clone() };
        let sides = Sides::of(&mut self.store, baseline, current).await?;
        let histories = sides.histories(&mut self.store, &settings, &look, &mut |_| {}).await?;
        let report = sides.report(settings, &histories);
        Ok((report, sides.into_evidence(histories)))
    }

    /// What to compare with. The first results of a suite that names no baseline become its own,
    /// and so do the first ones of every benchmark that it gains later.
    async fn baseline(
        &mut self,
        suite: &BenchmarkSuite,
        current: &BenchmarkResults,
        runs: &[RunId],
    ) -> Result<Option<BenchmarkResults>> {
        let Ok(mut name) = suite.baseline_name() else { return Ok(None) };
        let mut baseline = self.results_of_baseline(&name).await?;
        let elsewhere = baseline.as_ref().is_some_and(|baseline| !same_hardware(baseline, current));
        if suite.baseline.is_none() && elsewhere {
            // Both sides of a comparison are of one kind of machine: each has a baseline.
            let Some(own) = own_baseline(&name, current) else { return Ok(None) };
            name = own;
            baseline = self.results_of_baseline(&name).await?;
        }
        if suite.baseline.is_none() {
            let now = self.parts.clock.now();
            match &baseline {
                None => self.store.set_baseline(&name, runs, now).await?,
                Some(_) => self.store.complete_baseline(&name, runs, now).await?,
            }
        }
        Ok(baseline.filter(|baseline| baseline.results != current.results))
    }

    async fn results_of_baseline(
        &mut self,
        name: &BaselineName,
    ) -> Result<Option<BenchmarkResults>> {
        match self.store.results(&Selector::Baseline(name.clone())).await {
            Ok(baseline) => Ok(Some(baseline)),
            Err(Error::NoBaseline { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether two sides were measured on processors of one kind.
fn same_hardware(one: &BenchmarkResults, other: &BenchmarkResults) -> bool {
    let kind = |side: &BenchmarkResults| {
        side.runs.last().map(|run| (run.fingerprint.cpu.clone(), run.fingerprint.cores))
    };
    kind(one) == kind(other)
}

/// The name of a baseline for the kind of machine that measured `current`.
fn own_baseline(name: &BaselineName, current: &BenchmarkResults) -> Option<BaselineName> {
    let machine = &current.runs.last()?.fingerprint;
    let kind = Sha256::digest(format!("{} {}", machine.cpu, machine.cores));
    let short: String = kind.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{name}@{short}").parse().ok()
}
