//! The runtime that the library's own threads belong to.

use std::sync::OnceLock;

use tokio::runtime::Handle;

use super::workers::MOST_THREADS;
use crate::error::{Result, SandboxError};
use crate::sys::fork;

/// The runtime that calls off the caller's thread and look-ups of names run on.
///
/// The library has its own so that a sandbox works the same under every executor and without one.
///
/// # Errors
/// [`SandboxError::Instantiation`] if the operating system gives no threads, and [`SandboxError::Forked`].
pub(crate) fn host_runtime() -> Result<&'static Handle> {
    fork::check()?;
    static RUNTIME: OnceLock<std::io::Result<tokio::runtime::Runtime>> = OnceLock::new();
    RUNTIME
        .get_or_init(|| {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .max_blocking_threads(MOST_THREADS)
                .thread_name("sandbox")
                .enable_time()
                .build()
        })
        .as_ref()
        .map(tokio::runtime::Runtime::handle)
        .map_err(|error| SandboxError::Instantiation {
            message: format!("failed to start the sandbox's threads: {error}"),
        })
}
