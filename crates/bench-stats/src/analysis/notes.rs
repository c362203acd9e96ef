//! Notes of a report: what a reader has to know to judge the rest.

use super::AnalysisReport;
use crate::detect::compare::{Cause, CommonMove};
use crate::detect::verdict::{Comparison, Replication};
use crate::model::BenchmarkResults;
use crate::stats::spending::Plan;

/// How many benchmarks of which nothing changed are listed after one run a side: measured on 586 public JMH
/// benchmarks of ten processes each, 4.1%.
const QUIET_FALSE_ALARMS: f64 = 0.041;

/// Rate of false alarms on a machine that did other things at the same time: of 1900 pairs of processes, 16.9%.
const BUSY_FALSE_ALARMS: f64 = 0.169;

impl AnalysisReport {
    /// Notes what differs between the sides, what moved together, and how sure everything is.
    pub(super) fn note_circumstances(
        &mut self,
        baseline: &BenchmarkResults,
        current: &BenchmarkResults,
    ) {
        if let (Some(old), Some(new)) = (baseline.runs.last(), current.runs.last()) {
            let differences = old.fingerprint.differences(&new.fingerprint);
            if !differences.is_empty() {
                self.notes.push(format!("the sides differ in {}", differences.join(", ")));
            }
        }
        for old in &self.only_in_baseline {
            let renamed = self
                .only_in_current
                .iter()
                .find(|new| new.benchmark == old.benchmark && new.metric == old.metric);
            if let Some(new) = renamed {
                self.notes.push(format!(
                    "{new} was not compared: it was measured in {} ({} is better) and is now in {} \
                     ({} is better)",
                    old.unit,
                    old.direction.as_str(),
                    new.unit,
                    new.direction.as_str()
                ));
            }
        }
        self.notes.extend(self.common_move.map(|common| self.note_common_move(&common)));
        let widest = self.comparisons.iter().map(|one| one.excess).fold(1.0, f64::max);
        if widest > 1.5 {
            self.notes.push(format!(
                "benchmarks moved both ways, up to {widest:.1} times as far as their own runs \
                 explain: something changed between the sides that more runs of either do not \
                 show. Intervals are widened for it; measure both sides alternately to be surer"
            ));
        }
        self.note_certainty();
    }

    fn note_common_move(&self, common: &CommonMove) -> String {
        let way = if common.median_ratio > 1.0 { "worse" } else { "better" };
        let CommonMove { moved, benchmarks, median_ratio, cause } = common;
        let why = match cause {
            Cause::Code => "Both sides were measured in turns, so it is the code".to_owned(),
            Cause::MachineOrCode => {
                "The sides were not measured in turns, so nobody can tell whether it was the machine \
                 or the code: run both commits in turns (old, new, new, old), or name a benchmark \
                 that the change cannot touch with --control"
                    .to_owned()
            }
            Cause::Controlled => {
                let named = |one: &&Comparison| self.settings.is_control(&one.series);
                let names: Vec<String> =
                    self.comparisons.iter().filter(named).map(|one| one.series.to_string()).collect();
                format!("What moved no further than the control ({}) is not judged", names.join(", "))
            }
        };
        format!(
            "{moved} of {benchmarks} benchmarks got {way} together, by {:.1}% in the median. {why}",
            (median_ratio - 1.0).abs() * 100.0
        )
    }

    /// Says how sure what is listed is.
    fn note_certainty(&mut self) {
        let of =
            |replication| self.comparisons.iter().filter(move |one| one.replication == replication);
        let single = of(Replication::Unreplicated).count();
        let tested = of(Replication::Replicated).chain(of(Replication::Borrowed)).count();
        let settings = &self.settings;
        if tested > 0 {
            let share = settings.false_discovery_rate * 100.0;
            let when = match settings.plan {
                Plan::Open => "however often you add runs and look again".to_owned(),
                Plan::Stated(runs) => format!("after the {runs} runs a side that were planned"),
                Plan::Once => "if nobody adds runs and looks again".to_owned(),
            };
            self.notes.push(format!(
                "at most {share:.0}% of the changes listed are false in the long run (--fdr), {when}"
            ));
        }
        if single > 0 {
            self.notes.push(format!(
                "{single} of {} comparisons are unreplicated (fewer than 3 runs a side and no \
                 history): intervals assume the spread between runs of benchmarks in general. Of 100 \
                 benchmarks that did not change, about {:.0} are listed nevertheless on a quiet \
                 machine, and {:.0} on a busy one; no build fails on it",
                self.comparisons.len(),
                QUIET_FALSE_ALARMS * 100.0,
                BUSY_FALSE_ALARMS * 100.0
            ));
        }
    }
}
