//! Questions that have no answer, or none yet.

use crate::error::{Error, Result};

/// Why a question has no answer.
#[derive(Debug, Clone)]
pub(super) enum Refusal {
    /// With this status, for this reason.
    Said(u16, String),
    /// It takes a while; this is what is being done.
    NotYet(String),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = match error {
            Error::NoBaseline { .. } | Error::NoRun { .. } | Error::EmptyStore { .. } => 404,
            _ => 500,
        };
        Self::Said(status, error.to_string())
    }
}

/// Waits for what the store is asked, on a thread that may wait.
pub(super) fn off_thread<T>(asking: impl Future<Output = Result<T>>) -> Result<T, Refusal> {
    Ok(tokio::runtime::Handle::current().block_on(asking)?)
}
