//! The WASI functions that this crate answers itself, in place of WASIX.
//!
//! WASIX offers no way to choose a guest's clock or randomness. Its `poll_oneoff` can wait for ever (for a
//! timeout of zero, of all things) where nothing wakes it, and its tables of open files and of names in
//! folders grow as long as the guest asks. So those functions are replaced, or called through a check.

mod clock;
mod descriptors;
mod poll;
mod random;
mod sockets;

use std::sync::Arc;

use wasmer::{AsStoreMut, Function, FunctionEnv, FunctionEnvMut, Imports, Instance, Memory, Store};

use crate::policy::SecurityPolicy;
use crate::sys::limits::Refusals;
use crate::watchdog::CallControl;

use clock::ClockSource;
use descriptors::Originals;
use poll::Layout;
pub(super) use random::RandomSource;
use sockets::Sockets;
pub(super) use sockets::{FUNCTIONS as SOCKET_FUNCTIONS, NAMESPACE as SOCKETS};

/// What the replaced functions work with.
pub(super) struct CallState {
    memory: Option<Memory>,
    control: Arc<CallControl>,
    clock: ClockSource,
    random: RandomSource,
    open_file_limit: u32,
    /// Files are open beyond the limit and cannot be closed: see [`descriptors::open`].
    exhausted: bool,
    /// Where the policy grants hosts.
    sockets: Option<Sockets>,
}

type Context<'a> = FunctionEnvMut<'a, CallState>;

/// The error numbers of WASI preview 1 that are used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Errno {
    Success = 0,
    Addrnotavail = 4,
    Afnosupport = 5,
    Again = 6,
    Badf = 8,
    Canceled = 11,
    Connaborted = 13,
    Connrefused = 14,
    Connreset = 15,
    Fault = 21,
    Hostunreach = 23,
    Inval = 28,
    Io = 29,
    Isconn = 30,
    Mfile = 33,
    Msgsize = 35,
    Netunreach = 40,
    Notconn = 53,
    Notsup = 58,
    Perm = 63,
    Pipe = 64,
    Timedout = 73,
    Notcapable = 76,
}

impl Errno {
    fn of(result: Result<(), Errno>) -> i32 {
        result.err().unwrap_or(Errno::Success) as i32
    }
}

/// The replaced functions of one instance.
#[derive(Clone)]
pub(super) struct Calls {
    state: FunctionEnv<CallState>,
}

impl Calls {
    /// The state of the functions.
    pub(super) fn new(
        store: &mut Store,
        policy: &SecurityPolicy,
        control: &Arc<CallControl>,
        refusals: &Arc<Refusals>,
    ) -> Self {
        let sockets = Sockets::of(policy, refusals);
        let state = CallState {
            memory: None,
            control: Arc::clone(control),
            clock: ClockSource::new(policy.clock),
            random: RandomSource::new(policy.randomness),
            open_file_limit: policy.open_file_limit,
            exhausted: false,
            sockets,
        };
        Self { state: FunctionEnv::new(store, state) }
    }

    /// A function that needs nothing of WASIX, and takes less time than the guest's way to it or looks itself whether
    /// the call is to stop.
    pub(super) fn own(&self, store: &mut Store, namespace: &str, name: &str) -> Option<Function> {
        let state = &self.state;
        match name {
            _ if !super::NAMESPACES.contains(&namespace) => None,
            "clock_time_get" => Some(Function::new_typed_with_env(store, state, clock::time_get)),
            "clock_res_get" => Some(Function::new_typed_with_env(store, state, clock::res_get)),
            "random_get" => Some(Function::new_typed_with_env(store, state, random::get)),
            _ => None,
        }
    }

    /// Puts the functions in place of those of WASIX, in each of the namespaces.
    pub(super) fn replace(&self, store: &mut impl AsStoreMut, imports: &mut Imports) {
        let state = &self.state;
        // Before the others, which call what this replaces.
        if state.as_ref(store).sockets.is_some() {
            sockets::define(store, state, imports);
        }
        for (namespace, layout) in super::NAMESPACES.into_iter().zip(poll::LAYOUTS) {
            if let Some(originals) = Originals::find(store, imports, namespace) {
                define(store, state, imports, namespace, layout, originals);
            }
        }
    }

    /// Where the guest's random bytes would come from next.
    pub(super) fn random(&self, store: &Store) -> RandomSource {
        self.state.as_ref(store).random.clone()
    }

    /// Whether the guest was told what another instance would not be: random bytes of its own, or a time.
    pub(super) fn have_told(&self, store: &Store) -> bool {
        let state = self.state.as_ref(store);
        state.random.has_given_secrets() || state.clock.has_told()
    }

    /// Puts back what the functions of this module remember. The clock of a new instance begins at zero.
    pub(super) fn reset(&self, store: &mut Store, random: &RandomSource) {
        let state = self.state.as_mut(store);
        state.random = random.clone();
        state.clock.restart();
        state.exhausted = false;
    }

    /// Connects the functions with the instance's memory.
    pub(super) fn attach(&self, store: &mut Store, instance: &Instance) {
        self.state.as_mut(store).memory = instance.exports.get_memory("memory").ok().cloned();
    }
}

fn define(
    store: &mut impl AsStoreMut,
    state: &FunctionEnv<CallState>,
    imports: &mut Imports,
    namespace: &str,
    layout: &'static Layout,
    originals: Originals,
) {
    let Originals { path_open, fd_close, fd_renumber, fd_filestat, path_filestat, fd_fdstat } =
        originals;
    let mut put = |name, function: Function| imports.define(namespace, name, function);
    put(
        "poll_oneoff",
        Function::new_typed_with_env(store, state, move |context: Context<'_>, a, b, c, d| {
            poll::oneoff(context, layout, &fd_fdstat, [a, b, c, d])
        }),
    );
    put(
        "path_open",
        Function::new_typed_with_env(
            store,
            state,
            move |context: Context<'_>, a, b, c, d, e, f, g, h, i| {
                descriptors::open(context, &path_open, &fd_close, (a, b, c, d, e, f, g, h, i))
            },
        ),
    );
    put(
        "fd_renumber",
        Function::new_typed_with_env(store, state, move |context: Context<'_>, from, to| {
            descriptors::renumber(context, &fd_renumber, from, to)
        }),
    );
    let file_times = layout.file_times;
    put(
        "fd_filestat_get",
        Function::new_typed_with_env(store, state, move |mut context: Context<'_>, fd, out| {
            let errno = fd_filestat.call(&mut context, fd, out)?;
            descriptors::blur_times(&context, errno, out, file_times)
        }),
    );
    put(
        "path_filestat_get",
        Function::new_typed_with_env(
            store,
            state,
            move |mut context: Context<'_>, fd, flags, path, len, out| {
                let errno = path_filestat.call(&mut context, fd, flags, path, len, out)?;
                descriptors::blur_times(&context, errno, out, file_times)
            },
        ),
    );
    put("path_link", Function::new_typed_with_env(store, state, descriptors::link));
    put("path_symlink", Function::new_typed_with_env(store, state, descriptors::symlink));
}

/// Reads bytes of the guest's memory.
fn load<const N: usize>(context: &Context<'_>, at: u32, offset: u64) -> Result<[u8; N], Errno> {
    let memory = context.data().memory.as_ref().ok_or(Errno::Fault)?;
    let mut bytes = [0; N];
    memory
        .view(context)
        .read(u64::from(at) + offset, &mut bytes)
        .map(|()| bytes)
        .map_err(|_| Errno::Fault)
}

/// Writes bytes to the guest's memory.
fn store(context: &Context<'_>, at: u32, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
    let memory = context.data().memory.as_ref().ok_or(Errno::Fault)?;
    memory.view(context).write(u64::from(at) + offset, bytes).map_err(|_| Errno::Fault)
}
