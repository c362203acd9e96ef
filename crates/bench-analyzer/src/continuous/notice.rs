//! What is sent: everything new about one job, in one notice.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::jobs::alert::{Subject, Transition, TransitionKind};
use crate::jobs::job::JobId;

/// News about one job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The version of this layout.
    pub schema: u32,
    /// The same for every attempt to deliver it, so that a receiver can leave out repetitions.
    pub id: String,
    /// The suite.
    pub suite: String,
    /// The job.
    pub job: JobId,
    /// When it ended.
    pub at: Timestamp,
    /// The commit that was measured.
    pub commit: Option<String>,
    /// Changes, worst first.
    pub changes: Vec<Transition>,
    /// A link or path to the report.
    pub report: Option<String>,
}

impl Notice {
    /// The version of the layout; it changes when a field changes its meaning or goes away.
    pub const SCHEMA: u32 = 1;

    /// One sentence that says what happened.
    pub fn title(&self) -> String {
        let count = |wanted: fn(&Transition) -> bool| {
            self.changes.iter().filter(|change| wanted(change)).count()
        };
        let failed = count(|one| one.subject == Subject::Suite && !is_over(one));
        let works = count(|one| one.subject == Subject::Suite && is_over(one));
        let opened = count(|one| one.kind == TransitionKind::Opened && is_comparison(&one.subject));
        let worsened = count(|one| one.kind == TransitionKind::Worsened);
        let resolved = count(|one| one.subject != Subject::Suite && is_over(one));
        let stepped = count(|one| one.kind == TransitionKind::Opened && is_step(&one.subject));
        let mut parts = Vec::new();
        if failed > 0 {
            parts.push("failed".to_owned());
        }
        if works > 0 {
            parts.push("works again".to_owned());
        }
        for (count, one, many) in [
            (opened, "new regression", "new regressions"),
            (stepped, "lasting step for the worse", "lasting steps for the worse"),
            (worsened, "regression got worse", "regressions got worse"),
            (resolved, "regression resolved", "regressions resolved"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {}", if count == 1 { one } else { many }));
            }
        }
        format!("Benchmarks of {}: {}", self.suite, parts.join(", "))
    }

    /// One line for every change.
    pub fn lines(&self) -> Vec<String> {
        self.changes
            .iter()
            .map(|change| {
                let subject = match &change.subject {
                    Subject::Suite => "the suite".to_owned(),
                    Subject::Benchmark { name, metric } | Subject::Step { name, metric, .. } => {
                        if metric == "time" {
                            name.clone()
                        } else {
                            format!("{name} [{metric}]")
                        }
                    }
                };
                match &change.kind {
                    TransitionKind::Opened if change.subject == Subject::Suite => {
                        format!("failed: {}", change.evidence)
                    }
                    TransitionKind::Opened => format!("worse: {subject}: {}", change.evidence),
                    TransitionKind::Worsened => {
                        format!("worse than told: {subject}: {}", change.evidence)
                    }
                    TransitionKind::Resolved(why) => {
                        format!("resolved: {subject}: {why}; {}", change.evidence)
                    }
                }
            })
            .collect()
    }

    /// Where to read on, and what was measured.
    pub fn footer(&self) -> String {
        let commit = self.commit.as_deref().map(|commit| commit.get(..10).unwrap_or(commit));
        let mut parts = vec![self.job.to_string()];
        parts.extend(commit.map(|commit| format!("commit {commit}")));
        parts.extend(self.report.clone());
        parts.join(", ")
    }

    /// The whole notice as plain text.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.title());
        for line in self.lines() {
            text.push_str(&format!("  {line}\n"));
        }
        text.push_str(&format!("  {}\n", self.footer()));
        text
    }
}

fn is_over(change: &Transition) -> bool {
    matches!(change.kind, TransitionKind::Resolved(_))
}

fn is_comparison(subject: &Subject) -> bool {
    matches!(subject, Subject::Benchmark { .. })
}

fn is_step(subject: &Subject) -> bool {
    matches!(subject, Subject::Step { .. })
}
