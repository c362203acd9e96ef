//! Reads the results of benchmark tools into [`RunDraft`]s, without knowing where they will be
//! stored.

pub mod criterion;
mod digest;
mod draft;
mod resources;

pub use digest::Digest;
pub use draft::{ImportBatch, MeasurementDraft, RunDraft, RunRole};
