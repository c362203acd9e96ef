//! What an import consists of before it is stored.

use std::borrow::Cow;

use camino::Utf8PathBuf;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::identity::Claims;
use super::measurements::Measurements;
use super::remark::Remark;
use bench_stats::model::{
    Attributes, BaselineName, CommitPosition, Estimate, Exactness, Fingerprint, Revision, Samples,
    Series, Throughput, Withdrawal,
};

/// One series of one run, read but not stored.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasurementDraft {
    /// Series that was measured.
    pub series: Series,
    /// The values.
    pub samples: Samples,
    /// The work of one iteration.
    pub throughput: Vec<Throughput>,
    /// Estimates by the tool that measured.
    pub estimates: Vec<Estimate>,
    /// Whether its file declared that one value says everything.
    pub declared: Exactness,
    /// Tells whether this very measurement is stored already.
    pub digest: Digest,
    /// Digest without what was only claimed of the run.
    pub content: Digest,
}

/// Role that a run is to have in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunRole {
    /// A result of the present code; such runs of one import are replicates.
    Current,
    /// A result that was left over from before, and stands alone.
    Earlier,
    /// A mirror of a baseline that another tool keeps. It replaces what the store has under
    /// that name only where it is newer.
    Mirror(BaselineName),
    /// Such a mirror that comes from another store, which says itself what its baselines hold.
    Copy,
}

/// One run, read but not stored.
#[derive(Debug, Clone)]
pub struct RunDraft {
    /// Role that it is to have.
    pub role: RunRole,
    /// Runs of one import with the same number are replicates of each other; none stands for the
    /// set that the import makes as a whole.
    pub group: Option<usize>,
    /// The format it came in.
    pub source: Cow<'static, str>,
    /// The folder or file it came from.
    pub origin: Utf8PathBuf,
    /// The name its file gave it.
    pub label: Option<String>,
    /// When it measured.
    pub measured_at: Timestamp,
    /// When it was first imported; none if that is now.
    pub imported_at: Option<Timestamp>,
    /// The source code it measured, as far as that is known.
    pub revision: Revision,
    /// Where that commit stands in the history of the source code, if git knows it.
    pub place: Option<CommitPosition>,
    /// The machine it ran on.
    pub fingerprint: Fingerprint,
    /// Further facts about the machine.
    pub attributes: Attributes,
    /// Claims beyond what its files say.
    pub claims: Claims,
    /// Why it takes no part in reports and histories, if it does not.
    pub excluded: Option<String>,
    /// Measurements.
    pub measurements: Measurements,
}

/// The runs of one file, and what the user should know about it.
#[derive(Debug, Default)]
pub struct FileRuns {
    /// Its runs, in its order.
    pub runs: Vec<RunDraft>,
    /// Remarks: what was left out, and what else is worth knowing.
    pub remarks: Vec<Remark>,
}

/// A change that was accepted elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AcceptedChangeDraft {
    /// The first measurement of the new level.
    pub measurement: Digest,
    /// Why it is fine.
    pub reason: String,
    /// Who said so.
    pub author: String,
    /// When.
    #[serde(rename = "blessed_at")]
    pub accepted_at: Timestamp,
    /// Who took that back since, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_back: Option<TakenBack>,
}

/// The end of an acceptance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TakenBack {
    /// Who took it back.
    pub author: String,
    /// When.
    pub at: Timestamp,
}

/// Notes that people make beside a change while they look for its cause. Texts may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Triage {
    /// Who looks at it.
    pub assignee: String,
    /// Note on its cause.
    pub note: String,
    /// The address of a bug report or a pull request.
    pub link: String,
    /// Who noted this.
    pub author: String,
    /// When.
    pub said_at: Timestamp,
}

/// Triage of a change elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TriageDraft {
    /// The first measurement of the new level.
    pub measurement: Digest,
    /// Text of the note.
    #[serde(flatten)]
    pub triage: Triage,
}

/// A step that was found elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoundStepDraft {
    /// The first measurement of the new level.
    pub measurement: Digest,
    /// The old level.
    pub before: f64,
    /// The new level.
    pub after: f64,
    /// The probability of such a step without any change.
    pub p_value: f64,
    /// Whether the level jumped at the very place.
    pub sharp: bool,
    /// When it was found.
    pub found_at: Timestamp,
    /// Why it counts no more, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Withdrawal>,
}

/// Everything that one import stores, or nothing of it.
#[derive(Debug, Clone, Default)]
pub struct ImportBatch {
    /// The runs.
    pub runs: Vec<RunDraft>,
    /// Baselines to make or extend, by the measurements they hold.
    pub baselines: Vec<(BaselineName, Vec<Digest>)>,
    /// Changes that were accepted elsewhere.
    pub accepted_changes: Vec<AcceptedChangeDraft>,
    /// Steps that were found.
    pub found_steps: Vec<FoundStepDraft>,
    /// Notes of people beside changes.
    pub triage: Vec<TriageDraft>,
    /// Things the user should know about what was read.
    pub remarks: Vec<Remark>,
}
