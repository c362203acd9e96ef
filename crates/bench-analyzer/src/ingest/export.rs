//! A whole history as one JSON document, to carry it to another store without loss.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::draft::{
    AcceptedChangeDraft, FoundStepDraft, ImportBatch, MeasurementDraft, RunDraft, RunRole,
    TriageDraft,
};
use super::identity::Claims;
use bench_stats::model::{
    Attributes, BaselineName, CommitPosition, Estimate, Exactness, Fingerprint, Revision, Samples,
    Series, Throughput,
};

/// Marks a document of this kind.
pub const FORMAT: &str = "bench-analyzer-export";

/// The version of the layout.
pub const SCHEMA: u32 = 1;

/// Everything that a store holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Export {
    /// [`FORMAT`].
    pub format: String,
    /// [`SCHEMA`].
    pub schema: u32,
    /// All runs, oldest first.
    pub runs: Vec<ExportedRun>,
    /// All baselines.
    pub baselines: Vec<ExportedBaseline>,
    /// All accepted changes.
    #[serde(rename = "blessings")]
    pub accepted_changes: Vec<AcceptedChangeDraft>,
    /// All steps that were found in histories.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found_steps: Vec<FoundStepDraft>,
    /// Notes of people beside changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triage: Vec<TriageDraft>,
}

/// One run with its raw samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExportedRun {
    /// Runs with the same number are replicates.
    pub set: i64,
    /// `current`, `earlier` or `mirror`.
    pub role: ExportedRole,
    /// When it measured.
    pub measured_at: Timestamp,
    /// When it was first imported.
    pub imported_at: Timestamp,
    /// The format it came in.
    pub source: String,
    /// The folder or file it came from.
    pub origin: String,
    /// The name its file gave it.
    pub label: Option<String>,
    /// The source code it measured.
    pub revision: Revision,
    /// Where that commit stands, if that was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<CommitPosition>,
    /// The machine it ran on.
    pub fingerprint: Fingerprint,
    /// Further facts about the machine.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
    /// Why it takes no part in reports and histories, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<String>,
    /// Measurements.
    pub measurements: Vec<ExportedMeasurement>,
}

/// The part that a run plays in its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportedRole {
    /// It can be the latest result.
    Current,
    /// It was left over from before.
    Earlier,
    /// It is a copy of another tool's baseline.
    Mirror,
}

/// One series in one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExportedMeasurement {
    /// Its identity across stores.
    pub digest: Digest,
    /// Digest without what was only claimed of its run, if that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Digest>,
    /// Series that was measured.
    #[serde(flatten)]
    pub series: Series,
    /// The work of one iteration.
    pub throughput: Vec<Throughput>,
    /// Estimates by the tool that measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub estimates: Vec<Estimate>,
    /// Whether it was declared that one value says everything.
    #[serde(default, skip_serializing_if = "Exactness::is_sampled")]
    pub declared: Exactness,
    /// The raw samples.
    pub samples: Samples,
}

/// A baseline and its measurements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExportedBaseline {
    /// Its name.
    pub name: String,
    /// The measurements it holds.
    pub members: Vec<Digest>,
}

impl Export {
    /// Turns this document into a batch to import.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn into_batch(self) -> Result<ImportBatch, String> {
        if self.format != FORMAT {
            return Err(format!("its format is `{}`, not `{FORMAT}`", self.format));
        }
        if self.schema > SCHEMA {
            let schema = self.schema;
            return Err(format!("it was written by a newer bench-analyzer (layout {schema})"));
        }
        let mut baselines = Vec::with_capacity(self.baselines.len());
        for ExportedBaseline { name, members } in self.baselines {
            baselines.push((name.parse::<BaselineName>()?, members));
        }
        let runs = self.runs.into_iter().map(ExportedRun::into_draft).collect();
        let Self { accepted_changes, found_steps, triage, .. } = self;
        let remarks = Vec::new();
        Ok(ImportBatch { runs, baselines, accepted_changes, found_steps, triage, remarks })
    }
}

impl ExportedRun {
    fn into_draft(self) -> RunDraft {
        let measurements: Vec<MeasurementDraft> =
            self.measurements.into_iter().map(MeasurementDraft::from).collect();
        RunDraft {
            role: match self.role {
                ExportedRole::Current => RunRole::Current,
                ExportedRole::Earlier => RunRole::Earlier,
                ExportedRole::Mirror => RunRole::Copy,
            },
            group: usize::try_from(self.set).ok(),
            source: self.source.into(),
            origin: self.origin.into(),
            label: self.label,
            measured_at: self.measured_at,
            imported_at: Some(self.imported_at),
            revision: self.revision,
            place: self.place,
            fingerprint: self.fingerprint,
            attributes: self.attributes,
            claims: Claims::settled(),
            excluded: self.excluded,
            measurements: measurements.into(),
        }
    }
}

impl From<MeasurementDraft> for ExportedMeasurement {
    fn from(draft: MeasurementDraft) -> Self {
        let MeasurementDraft { series, samples, throughput, estimates, declared, digest, content } =
            draft;
        let content = (content != digest).then_some(content);
        Self { digest, content, series, throughput, estimates, declared, samples }
    }
}

impl From<ExportedMeasurement> for MeasurementDraft {
    fn from(exported: ExportedMeasurement) -> Self {
        let ExportedMeasurement {
            digest,
            content,
            series,
            throughput,
            estimates,
            declared,
            samples,
        } = exported;
        let content = content.unwrap_or(digest);
        Self { series, samples, throughput, estimates, declared, digest, content }
    }
}
