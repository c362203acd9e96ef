//! Reads the results of benchmark tools into [`RunDraft`]s, without knowing where they will be
//! stored.

mod collector;
pub mod criterion;
mod digest;
mod draft;
pub mod format;
mod measurements;
mod resources;
mod spool;

pub use digest::Digest;
pub use draft::{BlessingDraft, FoundStepDraft, ImportBatch, MeasurementDraft, RunDraft, RunRole};
pub use measurements::Measurements;
