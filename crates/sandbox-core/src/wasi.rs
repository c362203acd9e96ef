//! The WASI environment of an instance: WASIX with everything outside the sandbox taken away.
//!
//! A guest gets the two WASI preview 1 namespaces and nothing else of WASIX: no threads, processes,
//! sockets, dynamic loading or packages, neither as imports nor behind them. Its standard input is
//! empty, its output is captured up to a limit, and its files live in memory up to a limit.

mod files;
mod output;
mod runtime;

use std::sync::Arc;

use wasmer::{Engine, Imports, Instance, Module, Store};
use wasmer_wasix::capabilities::Capabilities;
use wasmer_wasix::{WasiEnvBuilder, WasiError, WasiFunctionEnv};

use crate::error::{Result, SandboxError};
use crate::policy::SecurityPolicy;
use crate::watchdog::CallControl;

pub use output::Output;
pub(crate) use output::OutputCapture;
pub(crate) use runtime::host_runtime;

/// The namespaces of WASI preview 1, old and current.
const NAMESPACES: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];

/// Whether an import is WASI's.
pub(crate) fn is_wasi_namespace(namespace: &str) -> bool {
    NAMESPACES.contains(&namespace)
}

/// Why a namespace that WASIX would serve is not offered, or nothing if it is not one of its.
pub(crate) fn refusal_of(namespace: &str, name: &str) -> Option<&'static str> {
    match (namespace, name) {
        ("wasi", "thread-spawn") => Some("a sandbox never starts threads for its guest"),
        (namespace, _) if namespace.starts_with("wasix_") => Some(
            "a sandbox offers WASI preview 1, and none of the extensions of WASIX for threads, \
             processes, sockets and dynamic loading",
        ),
        (namespace, _) if namespace.starts_with("wasi:") => {
            Some("a sandbox offers WASI preview 1; compile the guest for wasm32-wasip1")
        }
        _ => None,
    }
}

/// The WASI state of one instance.
pub(crate) struct WasiContext {
    environment: WasiFunctionEnv,
    imports: Imports,
}

impl WasiContext {
    /// Builds the environment in the instance's store.
    ///
    /// # Errors
    /// [`SandboxError::Instantiation`] if WASIX refuses.
    pub(crate) fn new(
        store: &mut Store,
        engine: Engine,
        module: &Module,
        policy: &SecurityPolicy,
        control: &Arc<CallControl>,
        output: &Arc<OutputCapture>,
    ) -> Result<Self> {
        let failed = |message: String| SandboxError::Instantiation { message };
        let mut capabilities = Capabilities::new();
        capabilities.threading.max_threads = Some(1);
        capabilities.threading.enable_asynchronous_threading = false;
        let builder = WasiEnvBuilder::new("guest")
            .runtime(runtime::SealedRuntime::new(engine, Arc::clone(control)))
            .capabilities(capabilities)
            .disable_default_builtins(true)
            .stdin(Box::new(virtual_fs::NullFile::default()))
            .stdout(output.stdout())
            .stderr(output.stderr())
            .fs(files::scratch(policy.scratch_limit_bytes));
        let environment = builder.build().map_err(|error| failed(error.to_string()))?;
        let environment = WasiFunctionEnv::new(store, environment);
        let imports = environment
            .import_object_for_all_wasi_versions(store, module)
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self { environment, imports })
    }

    /// What the module may import.
    pub(crate) fn imports(&self) -> &Imports {
        &self.imports
    }

    /// Connects the environment with the instance's memory.
    ///
    /// # Errors
    /// [`SandboxError::InvalidDeclaration`] if the module exports no memory for WASI to use.
    pub(crate) fn attach(&mut self, store: &mut Store, instance: &Instance) -> Result<()> {
        self.environment.initialize(store, instance.clone()).map_err(|_| {
            SandboxError::InvalidDeclaration {
                message: "the module imports WASI but exports no memory".to_owned(),
            }
        })
    }
}

/// The exit code, if that is why the guest was unwound.
pub(crate) fn exit_code(error: &wasmer::RuntimeError) -> Option<i32> {
    match error.downcast_ref::<WasiError>()? {
        WasiError::Exit(code) => Some(code.raw()),
        WasiError::ThreadExit => Some(0),
        _ => None,
    }
}
