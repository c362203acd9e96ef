//! WASIX's view of the system below it, with nothing in it but time.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::{BoxFuture, Either};
use tokio::runtime::Handle;
use wasmer::Engine;
use wasmer_wasix::os::task::thread::WasiThreadError;
use wasmer_wasix::runtime::VirtualTaskManager;
use wasmer_wasix::runtime::resolver::{MultiSource, Source};
use wasmer_wasix::runtime::task_manager::TaskWasm;
use wasmer_wasix::virtual_net::{DynVirtualNetworking, UnsupportedVirtualNetworking};

use crate::call::workers::MOST_THREADS;
use crate::error::{Result, SandboxError};
use crate::sys::fork;
use crate::watchdog::CallControl;

/// The runtime that guests' sleeps and file operations, and calls off the caller's thread, run on.
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

/// A WASIX runtime that denies everything but sleeping.
#[derive(Debug)]
pub(crate) struct SealedRuntime {
    engine: Engine,
    tasks: Arc<dyn VirtualTaskManager>,
    networking: DynVirtualNetworking,
}

impl SealedRuntime {
    pub(crate) fn new(engine: Engine, control: Arc<CallControl>) -> Arc<Self> {
        Arc::new(Self {
            engine,
            tasks: Arc::new(SealedTasks { control }),
            networking: Arc::new(UnsupportedVirtualNetworking::default()),
        })
    }
}

impl wasmer_wasix::Runtime for SealedRuntime {
    fn networking(&self) -> &DynVirtualNetworking {
        &self.networking
    }

    fn task_manager(&self) -> &Arc<dyn VirtualTaskManager> {
        &self.tasks
    }

    fn source(&self) -> Arc<dyn Source + Send + Sync> {
        // Without sources, no package can be found.
        Arc::new(MultiSource::new())
    }

    fn engine(&self) -> Engine {
        self.engine.clone()
    }
}

/// Lets guests sleep, until their call has to stop, and start nothing.
#[derive(Debug)]
struct SealedTasks {
    control: Arc<CallControl>,
}

impl VirtualTaskManager for SealedTasks {
    fn sleep_now(
        &self,
        time: Duration,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync + 'static>> {
        let control = Arc::clone(&self.control);
        Box::pin(async move {
            let stopped = std::pin::pin!(control.stop_requested());
            let slept = std::pin::pin!(tokio::time::sleep(time));
            match futures::future::select(slept, stopped).await {
                Either::Left(_) | Either::Right(_) => (),
            }
        })
    }

    fn task_shared(
        &self,
        _task: Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send + 'static>,
    ) -> Result<(), WasiThreadError> {
        Err(WasiThreadError::Unsupported)
    }

    fn task_wasm(&self, _task: TaskWasm) -> Result<(), WasiThreadError> {
        Err(WasiThreadError::Unsupported)
    }

    fn task_dedicated(
        &self,
        _task: Box<dyn FnOnce() + Send + 'static>,
    ) -> Result<(), WasiThreadError> {
        Err(WasiThreadError::Unsupported)
    }

    fn thread_parallelism(&self) -> Result<usize, WasiThreadError> {
        Ok(1)
    }
}
