//! The first page: what changed since the last release or lately, worst first, and what was open before.

use std::cmp::Reverse;

use axum::Json;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::decisions::Decisions;
use super::histories::{Row, named};
use super::{Api, Refusal};
use crate::serve::arrivals::Arrival;
use crate::serve::change_state::ChangeState;
use crate::serve::events::Event;
use crate::serve::prepared::Snapshot;
use bench_stats::detect::changes::{ChangePoint, SeriesChanges};
use bench_stats::detect::steps::VALUES_BEFORE;
use bench_stats::detect::verdict::Verdict;
use bench_stats::model::{BaselineName, RunId, Selector, Series};

/// Choice of what the first page shows.
#[derive(Debug, Default, Deserialize)]
pub(super) struct OfHome {
    since: Option<String>,
    machine: Option<String>,
}

/// The time that counts as new.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Period {
    /// The word that asks for it.
    id: String,
    /// Its name in a sentence.
    pub(super) name: String,
    /// When it begins; none for all time.
    begins: Option<Timestamp>,
}

/// A line of the first page.
#[derive(Debug, Serialize)]
pub(super) struct Line<'s> {
    #[serde(flatten)]
    series: &'s Series,
    state: ChangeState,
    pub(super) verdict: Verdict,
    pub(super) change: f64,
    before: f64,
    after: f64,
    run: RunId,
    measured_at: Timestamp,
    after_commit: Option<&'s str>,
    up_to_commit: Option<&'s str>,
    /// Remark on it.
    remark: String,
    spark: Vec<u8>,
    /// Where the change is in `spark`, from 0 to 1.
    at: f64,
    assignee: Option<String>,
    link: Option<String>,
}

/// All lines of the first page.
#[derive(Debug, Default)]
pub(super) struct Lines<'s> {
    /// Changes of the period, worst first, then what got better, then what was accepted.
    pub(super) changed: Vec<Line<'s>>,
    /// Changes of before that are open, worst first.
    pub(super) older: Vec<Line<'s>>,
    /// How many benchmarks have values enough and no line of the period, or only one to watch.
    pub(super) unchanged: usize,
    /// How many have too few values, on this machine, to be judged.
    pub(super) too_short: usize,
    /// How many there are.
    pub(super) all: usize,
}

impl Api {
    pub(super) async fn home(&self, of: OfHome) -> Result<Response, Refusal> {
        let histories = self.histories_of(of.machine.as_deref()).await?;
        let snapshot = &*histories.snapshot;
        let periods = self.periods(snapshot).await?;
        let period = match &of.since {
            Some(id) => named_period(&periods, id)?,
            None => usual(&periods)?,
        };
        let decisions = self.decisions().await?;
        let lines = Lines::of(snapshot, period, &decisions);
        let is_in_period = |at: Timestamp| period.begins.is_none_or(|begins| at > begins);
        let events: Vec<&Event> =
            snapshot.events.iter().filter(|one| is_in_period(one.measured_at)).collect();
        let arrivals: Vec<&Arrival> =
            snapshot.arrivals.iter().filter(|one| is_in_period(one.measured_at)).collect();
        Ok(histories.respond(Json(json!({
            "period": period,
            "periods": periods,
            "newest": snapshot.newest,
            "machines": named(snapshot),
            "machine": snapshot.view.machine,
            "all": lines.all,
            "unchanged": lines.unchanged,
            "too_short": lines.too_short,
            "changed": lines.changed,
            "older": lines.older,
            "events": events,
            "arrivals": arrivals,
        }))))
    }

    /// The periods that there are, the usual one first.
    pub(super) async fn periods(&self, snapshot: &Snapshot) -> Result<Vec<Period>, Refusal> {
        let mut periods = Vec::new();
        if let Some(baseline) = &self.options.since {
            periods.extend(self.since_baseline(baseline, snapshot).await?);
        }
        if let Some((tag, sha)) = &snapshot.release {
            let begins = newest_of(snapshot, |point| point.commit.as_deref() == Some(sha));
            if let Some(begins) = begins {
                let name = format!("the release {tag}");
                periods.push(Period { id: "release".to_owned(), name, begins: Some(begins) });
            }
        }
        for (id, name, days) in [
            ("week", "a week before the last results", 7),
            ("month", "a month before the last results", 30),
        ] {
            let back = SignedDuration::from_hours(24 * days);
            let begins = snapshot.newest.and_then(|newest| newest.checked_sub(back).ok());
            periods.push(Period { id: id.to_owned(), name: name.to_owned(), begins });
        }
        periods.push(Period {
            id: "all".to_owned(),
            name: "the beginning".to_owned(),
            begins: None,
        });
        Ok(periods)
    }

    async fn since_baseline(
        &self,
        name: &BaselineName,
        snapshot: &Snapshot,
    ) -> Result<Option<Period>, Refusal> {
        let selector = Selector::Baseline(name.clone());
        // It may not be there yet.
        let Ok(runs) = self.store().await?.runs_of_side(&selector).await else { return Ok(None) };
        let begins = newest_of(snapshot, |point| point.runs.iter().any(|run| runs.contains(run)));
        let period = |begins| Period {
            id: "baseline".to_owned(),
            name: format!("the baseline {name}"),
            begins: Some(begins),
        };
        Ok(begins.map(period))
    }
}

fn newest_of(
    snapshot: &Snapshot,
    is: impl Fn(&bench_stats::model::TimelinePoint) -> bool,
) -> Option<Timestamp> {
    let points = snapshot.series.iter().flat_map(|one| &one.timeline.points);
    points.filter(|point| is(point)).map(|point| point.measured_at).max()
}

fn named_period<'p>(periods: &'p [Period], id: &str) -> Result<&'p Period, Refusal> {
    periods.iter().find(|period| period.id == id).ok_or_else(|| {
        let known: Vec<&str> = periods.iter().map(|period| period.id.as_str()).collect();
        Refusal::wrong(format!("`since` has to be one of {}", known.join(", ")))
    })
}

/// The period that is shown to whoever does not ask for another.
pub(super) fn usual(periods: &[Period]) -> Result<&Period, Refusal> {
    periods.first().ok_or_else(|| Refusal::failed("there is no period to show"))
}

impl<'s> Lines<'s> {
    /// Collects what a period has to show.
    pub(super) fn of(snapshot: &'s Snapshot, period: &Period, decisions: &Decisions) -> Self {
        let mut lines = Self::default();
        for one in snapshot.main_series() {
            lines.all += 1;
            let before = lines.changed.len();
            for change in decisions.changes(one) {
                if change.withdrawn.is_some() || change.machine_event {
                    continue;
                }
                let state = ChangeState::of(one, &change);
                let is_new = period.begins.is_none_or(|begins| change.measured_at > begins);
                let line = Line::of_change(one, &change, state, decisions);
                if is_new {
                    lines.changed.push(line);
                } else if line.is_open_regression() {
                    lines.older.push(line);
                }
            }
            lines.changed.extend(Line::of_drift(one));
            let is_change = |line: &Line<'_>| line.state != ChangeState::Watch;
            if !lines.changed[before..].iter().any(is_change) {
                let last_epoch = one.epochs.last().copied().unwrap_or(0);
                let is_short = one.timeline.points.len() - last_epoch <= VALUES_BEFORE;
                *if is_short { &mut lines.too_short } else { &mut lines.unchanged } += 1;
            }
        }
        lines.changed.sort_by(|a, b| a.rank().cmp(&b.rank()).then(b.size().total_cmp(&a.size())));
        lines.older.sort_by(|a, b| b.size().total_cmp(&a.size()));
        lines
    }
}

impl<'s> Line<'s> {
    fn of_change(
        one: &'s SeriesChanges,
        change: &ChangePoint,
        state: ChangeState,
        decisions: &Decisions,
    ) -> Self {
        let points = &one.timeline.points;
        let remark = match (state, &change.acknowledged) {
            (_, Some(accepted)) => format!("accepted by {}: {}", accepted.author, accepted.reason),
            (ChangeState::New, _) => match points.len() - change.index {
                1 => "in the newest value alone; more will tell whether it stays".to_owned(),
                followed => {
                    format!("in the newest {followed} values; more will tell whether it stays")
                }
            },
            (ChangeState::Watch, _) => "may be noise: the next values will tell".to_owned(),
            _ if change.provisional => {
                "the machine changed before more values could tell whether it stays".to_owned()
            }
            _ => String::new(),
        };
        let triage = decisions.triage(one, change);
        let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Self {
            series: &one.timeline.series,
            state,
            verdict: change.verdict,
            change: change.change,
            before: change.before,
            after: change.after,
            run: change.run,
            measured_at: change.measured_at,
            after_commit: points[..change.index].last().and_then(|point| point.commit.as_deref()),
            up_to_commit: points[change.index].commit.as_deref(),
            remark,
            spark: Row::spark(one),
            at: share(change.index, points.len()),
            assignee: triage.and_then(|triage| text(&triage.assignee)),
            link: triage.and_then(|triage| text(&triage.link)),
        }
    }

    fn of_drift(one: &'s SeriesChanges) -> Option<Self> {
        let trend = one.trend.as_ref()?;
        let points = &one.timeline.points;
        let (from, last) = (points.get(trend.from)?, points.last()?);
        // A line from where it began to what it came to.
        let before = last.value / (1.0 + trend.change);
        Some(Self {
            series: &one.timeline.series,
            state: ChangeState::Drift,
            verdict: trend.verdict,
            change: trend.change,
            before,
            after: last.value,
            run: from.runs[0],
            measured_at: from.measured_at,
            after_commit: from.commit.as_deref(),
            up_to_commit: last.commit.as_deref(),
            remark: format!("moves slowly, over {} values, without a step", trend.points),
            spark: Row::spark(one),
            at: share(trend.from, points.len()),
            assignee: None,
            link: None,
        })
    }

    /// Ranks changes to be looked at first, then those for the better, then accepted ones.
    fn rank(&self) -> (u8, Reverse<bool>) {
        let group = match self.state {
            ChangeState::New | ChangeState::Open | ChangeState::Drift => 0,
            ChangeState::Watch => 1,
            _ => 2,
        };
        (group, Reverse(self.verdict == Verdict::Regression))
    }

    fn size(&self) -> f64 {
        self.change.ln_1p().abs()
    }

    pub(super) fn series(&self) -> &Series {
        self.series
    }

    /// Whether somebody should look at it.
    pub(super) fn is_open_regression(&self) -> bool {
        let is_open =
            matches!(self.state, ChangeState::New | ChangeState::Open | ChangeState::Drift);
        self.verdict == Verdict::Regression && is_open
    }
}

fn share(index: usize, length: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a place in a picture")]
    let share = index as f64 / length.saturating_sub(1).max(1) as f64;
    share.min(1.0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::serve::prepared::View;
    use crate::store::MeasuredVersion;
    use bench_stats::detect::changes::find_changes;
    use bench_stats::detect::steps::StepSettings;
    use bench_stats::model::{Attributes, Memory, Timeline, TimelinePoint};

    /// Normal noise, in standard deviations.
    const NOISE: [f64; 24] = [
        0.1, -0.9, 0.6, -0.2, 1.3, -0.5, 0.3, -1.2, 0.8, -0.1, -0.7, 1.0, 0.2, -1.5, 0.5, -0.3,
        0.9, -0.6, 0.0, 1.6, -1.0, 0.4, -0.4, 0.7,
    ];

    /// A history with so much noise, and a newest value that many standard deviations off.
    fn history(name: &str, deviation: f64, newest: f64) -> Timeline {
        let point = |(at, noise): (i64, f64)| TimelinePoint {
            runs: vec![RunId(at)],
            set: at,
            measured_at: Timestamp::from_second(1_700_000_000 + at * 3600).unwrap(),
            commit: None,
            fingerprint: 1,
            attributes: Attributes::default(),
            work: Vec::new(),
            value: 1000.0 * (noise * deviation).exp(),
        };
        let points = (0..).zip(NOISE.into_iter().chain([newest])).map(point).collect();
        Timeline { series: Series::time(name), points }
    }

    fn snapshot(timelines: Vec<Timeline>) -> Snapshot {
        Snapshot {
            series: find_changes(timelines, &Memory::default(), &StepSettings::default()),
            view: View { version: MeasuredVersion::default(), machine: None },
            machines: BTreeMap::new(),
            events: Vec::new(),
            arrivals: Vec::new(),
            newest: None,
            release: None,
            usual_machine: None,
        }
    }

    /// Of many benchmarks some end in a value that is four standard deviations off. It comes behind what is sure, however
    /// large it is, and counts among what shows no change.
    #[test]
    fn a_newest_value_that_noise_may_have_made_is_only_to_watch() {
        let mut timelines: Vec<Timeline> =
            (0..5).map(|at| history(&format!("calm/{at}"), 0.01, 0.2)).collect();
        timelines.push(history("noisy", 0.05, 4.5));
        timelines.push(history("far", 0.01, 15.0));
        let snapshot = snapshot(timelines);
        let period = Period { id: "all".into(), name: "the beginning".into(), begins: None };
        let lines = Lines::of(&snapshot, &period, &Decisions::default());
        let told: Vec<(&str, ChangeState, bool)> = lines
            .changed
            .iter()
            .map(|line| (line.series.benchmark.as_str(), line.state, line.is_open_regression()))
            .collect();
        assert_eq!(told, [("far", ChangeState::New, true), ("noisy", ChangeState::Watch, false)]);
        assert!(lines.changed[1].size() > lines.changed[0].size());
        assert_eq!((lines.unchanged, lines.all), (6, 7));
    }
}
