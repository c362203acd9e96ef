//! Jobs, alerts and the outbox.

mod alerts;
mod claims;
mod jobs;
mod outbox;
mod steps;

pub use alerts::JobEnd;
pub use claims::AskedAgain;
pub(crate) use jobs::Followed;
