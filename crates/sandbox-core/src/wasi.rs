//! The WASI environment of an instance: WASIX with everything outside the sandbox taken away.
//!
//! A guest gets the two WASI preview 1 namespaces and nothing else of WASIX: no threads, processes,
//! sockets, dynamic loading or packages, neither as imports nor behind them. Where the policy grants hosts of
//! the network, it gets socket functions under their names in WASIX, and they are ours. Its output is captured up to
//! a limit, and its files live in memory up to a limit. What it gets from the host beyond that (folders,
//! environment, arguments, time, randomness) is what the policy says.

mod calls;
mod changes;
mod deferred;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "nothing uses the file systems of the new descriptors yet")
)]
mod errno;
mod files;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "nothing uses the file systems of the new descriptors yet")
)]
mod fs;
mod launch;
mod network;
mod output;
mod runtime;
mod signatures;

use std::sync::Arc;

use wasmer::{FunctionEnv, Imports, Instance, Module, Store};
use wasmer_wasix::WasiError;
use wasmer_wasix::capabilities::Capabilities;

use crate::error::Result;
use crate::policy::SecurityPolicy;
use crate::sys::limits::Refusals;
use crate::watchdog::CallControl;

use calls::{Calls, RandomSource};
use changes::Changes;
use deferred::{Belongings, Deferred};

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
    deferred: FunctionEnv<Deferred>,
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
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) module: &'a Module,
    pub(crate) policy: &'a Arc<SecurityPolicy>,
    pub(crate) control: &'a Arc<CallControl>,
    pub(crate) output: &'a Arc<OutputCapture>,
    pub(crate) refusals: &'a Arc<Refusals>,
}

impl WasiContext {
    /// Prepares the functions that the module may import, in the instance's store. The environment behind them is made
    /// when the guest first calls one.
    ///
    /// # Errors
    /// [`SandboxError::InvalidGrant`] if the policy grants what it cannot, and
    /// [`SandboxError::Instantiation`] if WASIX refuses.
    pub(crate) fn new(
        store: &mut Store,
        surroundings: Surroundings<'_>,
        launch: Launch,
        reuse: Reuse,
    ) -> Result<(Self, Imports)> {
        let Surroundings { policy, control, refusals, .. } = &surroundings;
        let belongings = Belongings::new(policy, control, launch)?;
        let calls = Calls::new(store, policy, control, refusals);
        let changes = Changes::default();
        let deferred = Deferred::new(&surroundings, belongings, calls.clone(), changes.clone());
        let deferred = FunctionEnv::new(store, deferred);
        let imports = Deferred::imports(store, &deferred)?;
        Ok((Self { deferred, calls, changes, reuse }, imports))
    }

    /// Whether the guest may have changed its environment since it was made or reset.
    pub(crate) fn is_changed(&self) -> bool {
        self.reuse == Reuse::Never || self.changes.any()
    }

    /// Whether the guest was told what another instance would not be: random bytes of its own, or a time.
    pub(crate) fn has_told(&self, store: &Store) -> bool {
        self.calls.have_told(store)
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
        surroundings: Surroundings<'_>,
        remembered: &Remembered,
    ) -> Result<()> {
        if self.is_changed() {
            let Surroundings { policy, control, .. } = surroundings;
            let belongings = Belongings::new(policy, control, Launch::default())?;
            Deferred::replace(store, &self.deferred, belongings)?;
        }
        self.changes.forget();
        self.calls.reset(store, &remembered.random);
        Ok(())
    }

    /// Connects the state with the instance's memory.
    ///
    /// # Errors
    /// [`SandboxError::InvalidDeclaration`] if the module exports no memory for WASI to use.
    pub(crate) fn attach(&mut self, store: &mut Store, instance: &mut Instance) -> Result<()> {
        self.calls.attach(store, instance);
        Deferred::attach(store, &self.deferred, instance)
    }
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
