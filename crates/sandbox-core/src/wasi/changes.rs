//! Whether a guest may have changed its WASI environment.
//!
//! An environment of WASIX is expensive to make and cannot be copied. So a used instance keeps the one that it has, if
//! it called no function that can change it. Which functions cannot is a list of names; every other call is noted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The functions that only read, or whose state [`Calls`](super::calls::Calls) puts back itself.
const HARMLESS: [&str; 11] = [
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_fdstat_get",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "poll_oneoff",
    "random_get",
];

/// Whether calling the function leaves the environment as it is.
pub(super) fn is_harmless(name: &str) -> bool {
    HARMLESS.contains(&name)
}

/// What is known of one environment.
#[derive(Debug, Clone, Default)]
pub(super) struct Changes(Arc<AtomicBool>);

impl Changes {
    /// The environment may be another from now on.
    pub(super) fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the environment may be another than it was.
    pub(super) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The environment is as it was.
    pub(super) fn forget(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
