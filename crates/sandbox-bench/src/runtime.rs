//! The async runtime that all benchmarks of a process share.

use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};

use crate::suite;

/// Number of cores that the process may use, which is the number of the runtime's worker threads.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The runtime: multi-threaded, so that spawned tasks really run side by side.
pub fn shared() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        let runtime = Builder::new_multi_thread().worker_threads(cores()).enable_time().build();
        runtime.unwrap_or_else(|error| suite::give_up(&error))
    });
    &RUNTIME
}
