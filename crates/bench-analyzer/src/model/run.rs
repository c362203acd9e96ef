//! Runs: processes that measured, and the circumstances they did it under.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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

/// The machine and toolchain of a run. Values are comparable within one fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The processor's model name.
    pub cpu: String,
    /// Logical processors available to the process.
    pub cores: u32,
    /// Operating system and architecture, such as `linux x86_64`.
    pub os: String,
    /// The compiler's version line, or `unknown`.
    pub rustc: String,
    /// The Cargo profile that was measured, usually `bench`.
    pub profile: String,
}

impl Fingerprint {
    /// Whether both describe the same hardware and system, whatever the compiler.
    pub fn same_machine(&self, other: &Self) -> bool {
        self.cpu == other.cpu && self.cores == other.cores && self.os == other.os
    }

    /// What differs between two fingerprints, in words.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let cores = (self.cores.to_string(), other.cores.to_string());
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
}
