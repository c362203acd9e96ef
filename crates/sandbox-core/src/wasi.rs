//! The WASI environment of an instance: WASIX with everything outside the sandbox taken away.
//!
//! A guest gets the two WASI preview 1 namespaces and nothing else of WASIX: no threads, processes,
//! sockets, dynamic loading or packages, neither as imports nor behind them. Where the policy grants hosts of
//! the network, it gets socket functions under their names in WASIX, and they are ours. Its output is captured up to
//! a limit, and its files live in memory up to a limit. What it gets from the host beyond that (folders,
//! environment, arguments, time, randomness) is what the policy says.

mod calls;
mod changes;
mod files;
mod launch;
mod network;
mod output;
mod runtime;

use std::sync::Arc;

use wasmer::{Engine, Imports, Instance, Module, Store};
use wasmer_wasix::capabilities::Capabilities;
use wasmer_wasix::{WasiEnv, WasiEnvBuilder, WasiError, WasiFunctionEnv};

use crate::error::{Result, SandboxError};
use crate::policy::{Access, SecurityPolicy};
use crate::sys::limits::Refusals;
use crate::watchdog::CallControl;

use calls::{Calls, RandomSource};
use changes::Changes;
use files::GuestFiles;

pub(crate) use launch::Launch;
pub(crate) use network::check as check_network;
pub use output::Output;
pub(crate) use output::OutputCapture;
pub(crate) use runtime::host_runtime;

/// The namespaces of WASI preview 1, old and current.
const NAMESPACES: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];

/// What would grant a connection.
pub(crate) const NETWORK_REMEDY: &str = "grant the host with `SecurityPolicy::with_network_host`, under a \
     policy that accepts grants of the network, such as `permissive`";

/// Whether there can be functions in the namespace. Of the one of sockets there are only those of ours, and
/// only if the policy grants hosts.
pub(crate) fn is_namespace_served(namespace: &str) -> bool {
    NAMESPACES.contains(&namespace) || namespace == calls::SOCKETS
}

/// Why a namespace that WASIX would serve is not offered, or nothing if it is not one of its.
pub(crate) fn refusal_of(namespace: &str, name: &str) -> Option<&'static str> {
    match (namespace, name) {
        (calls::SOCKETS, name) if calls::SOCKET_FUNCTIONS.contains(&name) => Some(NETWORK_REFUSAL),
        ("wasi", "thread-spawn") => Some("a sandbox never starts threads for its guest"),
        (namespace, _) if namespace.starts_with("wasix_") => Some(
            "a sandbox offers WASI preview 1, and none of the extensions of WASIX for threads, \
             processes, sockets and dynamic loading, but outgoing connections and datagrams to granted hosts",
        ),
        (namespace, _) if namespace.starts_with("wasi:") => {
            Some("a sandbox offers WASI preview 1; compile the guest for wasm32-wasip1")
        }
        _ => None,
    }
}

const NETWORK_REFUSAL: &str = "it belongs to sockets, and the policy grants no host; grant one with \
     `SecurityPolicy::with_network_host`, under a policy that accepts grants of the network, such as \
     `permissive`";

/// The WASI state of one instance.
pub(crate) struct WasiContext {
    environment: WasiFunctionEnv,
    imports: Imports,
    calls: Calls,
    changes: Changes,
    reuse: Reuse,
}

/// What a WASI state that was only read from remembers all the same.
pub(crate) struct Remembered {
    random: RandomSource,
}

impl Remembered {
    /// Whether the guest drew random bytes before, which others may not know.
    pub(crate) fn has_secrets(&self) -> bool {
        self.random.has_given_secrets()
    }
}

/// Whether an environment will be used for more than one caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    Never,
    AfterReset,
}

/// The parts of an instance that its WASI state is connected with.
#[derive(Clone)]
pub(crate) struct Surroundings<'a> {
    pub(crate) engine: Engine,
    pub(crate) module: &'a Module,
    pub(crate) policy: &'a SecurityPolicy,
    pub(crate) control: &'a Arc<CallControl>,
    pub(crate) output: &'a Arc<OutputCapture>,
    pub(crate) refusals: &'a Arc<Refusals>,
}

impl WasiContext {
    /// Builds the environment in the instance's store.
    ///
    /// # Errors
    /// [`SandboxError::InvalidGrant`] if the policy grants what it cannot, and
    /// [`SandboxError::Instantiation`] if WASIX refuses.
    pub(crate) fn new(
        store: &mut Store,
        surroundings: Surroundings<'_>,
        launch: Launch,
        reuse: Reuse,
    ) -> Result<Self> {
        let Surroundings { module, policy, control, refusals, .. } = surroundings.clone();
        let environment = WasiFunctionEnv::new(store, Self::environment(surroundings, launch)?);
        let mut imports = environment
            .import_object_for_all_wasi_versions(store, module)
            .map_err(|error| SandboxError::Instantiation { message: error.to_string() })?;
        if module.imports().any(|import| import.module() == calls::SOCKETS) {
            imports = without_extensions(&imports);
        }
        let calls = Calls::replace(store, &mut imports, policy, control, refusals);
        let changes = Changes::watch(store, &mut imports, module, control);
        Ok(Self { environment, imports, calls, changes, reuse })
    }

    fn environment(surroundings: Surroundings<'_>, launch: Launch) -> Result<WasiEnv> {
        let failed = |message: String| SandboxError::Instantiation { message };
        // WASIX makes standard streams of the host's, which want tokio, before it takes ours.
        let _context = host_runtime()?.enter();
        let Surroundings { engine, policy, control, output, .. } = surroundings;
        let (arguments, environment) = launch.granted(policy)?;
        let mut builder = WasiEnvBuilder::new(launch::PROGRAM)
            .runtime(runtime::SealedRuntime::new(engine, Arc::clone(control)))
            .capabilities(capabilities())
            .disable_default_builtins(true)
            .args(arguments)
            .envs(environment)
            .stdin(Box::new(virtual_fs::StaticFile::new(launch.stdin)))
            .stdout(output.stdout())
            .stderr(output.stderr())
            .fs(Arc::new(GuestFiles::new(policy, control)?) as Arc<_>);
        // The root lets a guest name anything by an absolute path. The granted folders have a descriptor
        // each besides, because that is where libraries look for folders.
        let writable = |access| access == Access::ReadWrite;
        let root = ("/", true);
        let folders = policy.folders.iter();
        let folders = folders.map(|grant| (grant.guest.as_str(), writable(grant.access)));
        for (path, writable) in std::iter::once(root).chain(folders) {
            builder
                .add_preopen_build(|folder| {
                    folder.directory(path).read(true).write(writable).create(writable)
                })
                .map_err(|error| failed(error.to_string()))?;
        }
        builder.build().map_err(|error| failed(error.to_string()))
    }

    /// Whether the guest may have changed its environment since it was made or reset.
    pub(crate) fn is_changed(&self) -> bool {
        self.reuse == Reuse::Never || self.changes.any()
    }

    /// What the state remembers although it is unchanged. The state becomes what others that begin with this are:
    /// its clocks begin anew, if the guest has looked at them.
    pub(crate) fn remember(&self, store: &mut Store) -> Remembered {
        let random = self.calls.random(store);
        self.calls.reset(store, &random);
        Remembered { random }
    }

    /// Makes the state what it was when that was remembered, with a new environment if the guest may have changed
    /// the one that it had.
    ///
    /// # Errors
    /// As [`WasiContext::new`]; the instance is not to be used then.
    pub(crate) fn reset(
        &mut self,
        store: &mut Store,
        instance: &Instance,
        surroundings: Surroundings<'_>,
        remembered: &Remembered,
    ) -> Result<()> {
        if self.is_changed() {
            *self.environment.data_mut(store) = Self::environment(surroundings, Launch::default())?;
            self.connect(store, instance)?;
        }
        self.changes.forget();
        self.calls.reset(store, &remembered.random);
        Ok(())
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
        self.calls.attach(store, instance);
        self.connect(store, instance)
    }

    fn connect(&mut self, store: &mut Store, instance: &Instance) -> Result<()> {
        self.environment.initialize(store, instance.clone()).map_err(|_| {
            SandboxError::InvalidDeclaration {
                message: "the module imports WASI but exports no memory".to_owned(),
            }
        })
    }
}

/// Only what is in the namespaces of WASI, and nothing that WASIX adds to it.
fn without_extensions(all: &Imports) -> Imports {
    let mut imports = Imports::new();
    for ((namespace, name), value) in all {
        if NAMESPACES.contains(&namespace.as_str()) {
            imports.define(&namespace, &name, value.clone());
        }
    }
    imports
}

/// What WASIX itself may do: as little as there is.
fn capabilities() -> Capabilities {
    let mut capabilities = Capabilities::new();
    capabilities.threading.max_threads = Some(1);
    capabilities.threading.enable_asynchronous_threading = false;
    capabilities
}

/// Unwinds the guest if its call is to stop. Why is known to the control.
fn stop_if_told(control: &CallControl) -> Result<(), wasmer::RuntimeError> {
    match control.stop_reason() {
        Some(_) => Err(wasmer::RuntimeError::new("the call is to stop")),
        None => Ok(()),
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
