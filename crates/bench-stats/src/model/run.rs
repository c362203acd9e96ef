//! Runs: processes that measured, and the circumstances they did it under.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::attribute::Attributes;

/// The number of a run in one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub i64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run:{}", self.0)
    }
}

/// The state of the source code that a run measured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// The full commit hash.
    pub commit: Option<String>,
    /// The branch that was checked out.
    pub branch: Option<String>,
    /// Whether tracked files differed from the commit.
    pub dirty: Option<bool>,
}

impl Revision {
    /// The commit as people write it: ten digits, with a `+` if files differed from it.
    pub fn short(&self) -> Option<String> {
        let commit = self.commit.as_deref()?;
        let digits = commit.get(..10).unwrap_or(commit);
        let mark = if self.dirty == Some(true) { "+" } else { "" };
        Some(format!("{digits}{mark}"))
    }
}

/// Where a commit stands in the history of the source code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CommitPosition {
    /// When it was committed.
    pub committed_at: Timestamp,
    /// How many commits it rests on, itself included: more than any of them, however quickly they
    /// followed each other.
    pub ancestors: u64,
}

/// The machine and toolchain of a run. Values are comparable within one fingerprint.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The processor's model name.
    pub cpu: String,
    /// Logical processors available to the process; [`Fingerprint::UNKNOWN_CORES`] where a file
    /// names another machine and does not say.
    pub cores: u32,
    /// Operating system and architecture, such as `linux x86_64`.
    pub os: String,
    /// The compiler's version line, or `unknown`.
    pub rustc: String,
    /// The Cargo profile that was measured, usually `bench`.
    pub profile: String,
}

impl Fingerprint {
    /// Stands for a number of processors that is not known.
    pub const UNKNOWN_CORES: u32 = 0;

    /// The number of processors, if it is known.
    pub fn known_cores(&self) -> Option<u32> {
        (self.cores != Self::UNKNOWN_CORES).then_some(self.cores)
    }

    /// Whether both describe the same hardware and system, whatever the compiler.
    pub fn same_machine(&self, other: &Self) -> bool {
        self.cpu == other.cpu && self.cores == other.cores && self.os == other.os
    }

    /// Lists what differs between two fingerprints, in words.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let cores = |of: &Self| match of.known_cores() {
            Some(cores) => cores.to_string(),
            None => "unknown".to_owned(),
        };
        let cores = (cores(self), cores(other));
        [
            ("CPU", &self.cpu, &other.cpu),
            ("cores", &cores.0, &cores.1),
            ("system", &self.os, &other.os),
            ("compiler", &self.rustc, &other.rustc),
            ("profile", &self.profile, &other.profile),
        ]
        .into_iter()
        .filter(|(_, before, after)| before != after)
        .map(|(what, before, after)| format!("{what}: {before} -> {after}"))
        .collect()
    }
}

/// One process that measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its number in the store.
    pub id: RunId,
    /// When it measured.
    pub measured_at: Timestamp,
    /// When it was imported.
    pub imported_at: Timestamp,
    /// The format it came in.
    pub source: String,
    /// The folder or file it came from.
    pub origin: String,
    /// The name its file gave it, if any.
    pub label: Option<String>,
    /// The source code it measured.
    pub revision: Revision,
    /// The machine it ran on.
    pub fingerprint: Fingerprint,
    /// Further facts about the machine.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
    /// Why it takes no part in reports and histories, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<String>,
}

impl Run {
    /// A run of which nothing else is known.
    pub fn new(id: RunId, measured_at: Timestamp, fingerprint: Fingerprint) -> Self {
        Self {
            id,
            measured_at,
            imported_at: Timestamp::UNIX_EPOCH,
            source: String::new(),
            origin: String::new(),
            label: None,
            revision: Revision::default(),
            fingerprint,
            attributes: Attributes::default(),
            excluded: None,
        }
    }
}
