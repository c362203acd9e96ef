//! WASI preview 1, whole, over one table of descriptors.
//!
//! A guest gets the two namespaces of WASI preview 1. There are no threads, processes or dynamic loading, neither as
//! imports nor behind them. Where the policy grants hosts of the network, it gets socket functions under the names that
//! they have in WASIX. Its output is captured up to a limit, and its files live in memory up to a limit. What it gets from
//! the host beyond that (folders, environment, arguments, time, randomness) is what the policy says.
//!
//! Functions are in [`calls`]; what they work with is the [`State`] of an instance, which lives in the instance's store.
//! To make one takes little: grants are opened once for a sandbox, and their handles are shared.

mod calls;
mod clock;
mod errno;
mod files;
mod fs;
mod launch;
mod lookups;
mod memory;
mod network;
mod output;
mod random;
mod rights;
mod socket;
mod state;
mod streams;
mod table;
pub(crate) mod written;

use std::fmt;
use std::sync::Arc;

use wasmer::{FunctionEnv, Imports, Module, Store};

use crate::error::{Result, SandboxError, SnapshotFault};
use crate::policy::SecurityPolicy;
use crate::sys::refusals::Refusals;
use crate::watchdog::CallControl;

use calls::{Version, sockets};
use state::State;

pub use files::{GuestFile, GuestFiles};
pub(crate) use fs::Grants;
pub(crate) use launch::Launch;
pub(crate) use lookups::Lookups;
pub(crate) use network::check as check_network;
pub(crate) use output::OutputCapture;
pub(crate) use state::Remembered;
pub(crate) use streams::Source;

/// Change of the policy that would grant a connection.
/// Whether there can be functions in the namespace. Of the one of sockets there are only some, and only if the policy
/// grants hosts.
pub(crate) fn is_namespace_served(namespace: &str) -> bool {
    Version::of(namespace).is_some() || namespace == sockets::NAMESPACE
}

/// Why something in a namespace that others serve is not offered, or nothing if it is not one of these.
pub(crate) fn refusal_of(namespace: &str, name: &str) -> Option<&'static str> {
    match (namespace, name) {
        (sockets::NAMESPACE, name) if sockets::FUNCTIONS.contains(&name) => Some(NETWORK_REFUSAL),
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

/// Why a function of WASI does not return to its guest.
#[derive(Debug)]
pub(crate) enum Unwound {
    /// The call is to stop. Why is known to its control.
    Stopped,
    /// The guest ended itself, with that code.
    Exited(i32),
}

impl fmt::Display for Unwound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("the call is to stop"),
            Self::Exited(code) => write!(f, "the guest exited with code {code}"),
        }
    }
}

impl std::error::Error for Unwound {}

/// The exit code, if that is why the guest was unwound.
pub(crate) fn exit_code(error: &wasmer::RuntimeError) -> Option<i32> {
    match error.downcast_ref()? {
        Unwound::Exited(code) => Some(*code),
        Unwound::Stopped => None,
    }
}

/// The WASI state of one instance.
pub(crate) struct WasiContext {
    state: FunctionEnv<State>,
}

/// The parts of an instance that its WASI state is connected with.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) module: &'a Module,
    pub(crate) policy: &'a SecurityPolicy,
    pub(crate) grants: &'a Arc<Grants>,
    pub(crate) lookups: &'a Arc<Lookups>,
    pub(crate) control: &'a Arc<CallControl>,
    pub(crate) output: &'a Arc<OutputCapture>,
    pub(crate) refusals: &'a Arc<Refusals>,
}

impl WasiContext {
    /// Makes the functions that the module imports, in the instance's store.
    ///
    /// # Errors
    /// [`SandboxError::InvalidGrant`] if the policy grants what it cannot.
    pub(crate) fn new(
        store: &mut Store,
        surroundings: Surroundings<'_>,
        mut launch: Launch,
    ) -> Result<(Self, Imports)> {
        let module = surroundings.module;
        let files = launch.take_files();
        let given = launch.granted(surroundings.policy, surroundings.grants)?;
        let state =
            State::new(&surroundings, given).map_err(|errno| SandboxError::Instantiation {
                message: format!("the guest's folders cannot be opened: {errno}"),
            })?;
        files.put(&state.files)?;
        let has_network = state.network.is_some();
        let state = FunctionEnv::new(store, state);
        let mut imports = Imports::new();
        for import in module.imports() {
            let (namespace, name) = (import.module(), import.name());
            let function = match Version::of(namespace) {
                Some(version) => calls::function(store, &state, version, name),
                None if namespace == sockets::NAMESPACE => {
                    has_network.then(|| calls::socket_function(store, &state, name)).flatten()
                }
                None => None,
            };
            if let Some(function) = function {
                imports.define(namespace, name, function);
            }
        }
        Ok((Self { state }, imports))
    }

    /// The files that the guest sees, which count as changed from now on.
    pub(crate) fn files(&self, store: &mut Store) -> GuestFiles {
        let state = self.state.as_mut(store);
        state.note_change();
        GuestFiles::new(state.files.clone())
    }

    /// Whether the guest may have changed descriptors or files since they were made or put back.
    pub(crate) fn is_changed(&self, store: &Store) -> bool {
        self.state.as_ref(store).is_changed()
    }

    /// Whether the guest was told what another instance might not be: random bytes of its own, a time, or what is in a folder
    /// of the host.
    pub(crate) fn has_told(&self, store: &Store) -> bool {
        let state = self.state.as_ref(store);
        state.random.has_given_secrets() || state.clock.has_told() || state.files.has_asked_host()
    }

    /// Keeps the state for instances that begin with it. Nothing if the guest has what only one instance can have, or did
    /// to the host what cannot be undone.
    pub(crate) fn remember(&self, store: &mut Store) -> Option<Remembered> {
        self.state.as_mut(store).remember()
    }

    /// Keeps the state for instances of other sandboxes that begin with it, and leaves it as it is.
    ///
    /// # Errors
    /// Reasons why a guest's state is for one instance alone, or for those of its sandbox: what it has, or did to the host.
    pub(crate) fn keep(&self, store: &Store) -> Result<Remembered, SnapshotFault> {
        let kept = self.state.as_ref(store).keep()?;
        if kept.table.has_folder_of_sandbox() { Err(SnapshotFault::OpenOfHost) } else { Ok(kept) }
    }

    /// Makes the state what it was when that was kept, whatever it is.
    ///
    /// # Errors
    /// [`SandboxError::Instantiation`] if what was open cannot be opened again; the instance is not to be used then.
    pub(crate) fn adopt(&self, store: &mut Store, remembered: &Remembered) -> Result<()> {
        self.state.as_mut(store).adopt(remembered).map_err(|errno| SandboxError::Instantiation {
            message: format!("what a template has open cannot be opened again: {errno}"),
        })
    }

    /// Whether more has to be put back than handles and numbers.
    pub(crate) fn takes_long_to_reset(&self, store: &Store, remembered: &Remembered) -> bool {
        self.state.as_ref(store).takes_long_to_reset(remembered)
    }

    /// Undoes what the guest did to the state since it was what was kept.
    ///
    /// # Errors
    /// As [`WasiContext::adopt`].
    pub(crate) fn reset(&self, store: &mut Store, remembered: &Remembered) -> Result<()> {
        let state = self.state.as_mut(store);
        if state.is_changed() {
            return self.adopt(store, remembered);
        }
        state.begin_anew(remembered);
        Ok(())
    }
}

/// The types of all functions that an instance may get from here.
#[cfg(test)]
pub(crate) fn types_of_functions() -> Vec<wasmer::FunctionType> {
    let policy = SecurityPolicy::strict();
    let control = CallControl::new(None).unwrap();
    let output = OutputCapture::new(0, crate::output::Sinks::default(), Arc::clone(&control));
    let grants = Arc::new(Grants::open(&[], &[]).unwrap());
    let mut store = Store::default();
    let module = Module::new(&store, wat::parse_str("(module)").unwrap()).unwrap();
    let surroundings = Surroundings {
        module: &module,
        policy: &policy,
        grants: &grants,
        lookups: &Arc::default(),
        control: &control,
        output: &output,
        refusals: &Arc::default(),
    };
    let given = Launch::default().granted(&policy, &grants).unwrap();
    let state = FunctionEnv::new(&mut store, State::new(&surroundings, given).unwrap());
    calls::types(&mut store, &state)
}
