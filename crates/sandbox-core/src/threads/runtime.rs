//! Threads of the library's own, where the system may have none to give.
//!
//! tokio panics where it gets no thread. What it is asked for from here is an error instead.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use super::workers::MOST_THREADS;
use crate::error::{Result, SandboxError, SystemNeed};
use crate::sys::{fork, system};

/// The library's own runtime, which calls off the caller's thread and look-ups of names run on: so a sandbox works the same
/// under every executor and without one. It is started when it is first asked for. Where the system gives it no threads, it
/// is tried again the next time.
///
/// # Errors
/// [`SandboxError::SystemRefused`] if there are no threads, and [`SandboxError::Forked`].
pub(crate) fn get() -> Result<&'static Handle> {
    static STARTED: AtomicBool = AtomicBool::new(false);
    if !STARTED.load(Ordering::Acquire) {
        system::try_thread()?;
    }
    let runtime = catch_unwind(started).unwrap_or_else(|_| Err(no_thread()))?;
    STARTED.store(true, Ordering::Release);
    Ok(runtime)
}

/// Starts the runtime, once.
fn started() -> Result<&'static Handle> {
    fork::check()?;
    static RUNTIME: OnceLock<io::Result<Runtime>> = OnceLock::new();
    let start = || {
        Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(MOST_THREADS)
            .thread_name("sandbox")
            .enable_time()
            .build()
    };
    RUNTIME.get_or_init(start).as_ref().map(Runtime::handle).map_err(|error| {
        SandboxError::Instantiation {
            message: format!("failed to start the sandbox's threads: {error}"),
        }
    })
}

/// Does work on a thread that may block.
///
/// # Errors
/// As [`get`]. The work is not done then.
pub(crate) fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    let runtime = get()?;
    catch_unwind(AssertUnwindSafe(|| runtime.spawn_blocking(work))).map_err(|_| no_thread())
}

fn no_thread() -> SandboxError {
    SandboxError::SystemRefused {
        need: SystemNeed::Thread,
        error: io::ErrorKind::WouldBlock.into(),
    }
}
