//! Jobs, alerts and the outbox.

mod alerts;
mod jobs;
mod outbox;
mod steps;

pub use alerts::JobEnd;
pub(crate) use jobs::Followed;
