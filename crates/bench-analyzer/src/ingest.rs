//! Reads the results of benchmark tools into [`RunDraft`]s, without knowing where they will be
//! stored.

mod collector;
pub mod criterion;
mod decode;
mod digest;
mod draft;
pub mod export;
pub mod format;
mod identity;
mod machine;
mod measurements;
mod plausible;
mod reading;
mod remark;
mod resources;

pub use digest::Digest;
pub use draft::{
    AcceptedChangeDraft, FileRuns, FoundStepDraft, ImportBatch, MeasurementDraft, RunDraft,
    RunRole, TakenBack, Triage, TriageDraft,
};
pub use identity::{Claims, Matching};
pub use measurements::Measurements;
pub use reading::{Circumstances, Reading, Strictness, read};
pub use remark::Remark;
