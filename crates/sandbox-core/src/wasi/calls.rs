//! The functions of WASI preview 1, and of what came before it.
//!
//! Each is a function of a [`Call`]: the state of its instance, and the guest's memory. It checks where results go before
//! it does anything, so a wrong pointer has no effect, and it looks at the request to stop between steps that a guest
//! makes long. A guest that does nothing but call the host is hardly ever in its own code when it is to be interrupted. So
//! each function but the shortest looks at that request before and after its work, and unwinds the guest itself.

mod arguments;
mod clock;
mod descriptors;
mod files;
mod listing;
mod paths;
mod poll;
mod process;
mod random;
pub(super) mod sockets;
mod stat;
mod transfer;

use wasmer::{Function, FunctionEnv, FunctionEnvMut, Store};

use super::Unwound;
use super::errno::Errno;
use super::memory::Memory;
use super::state::State;
use crate::sys::guest_memory::GuestMemory;
use crate::sys::interrupt;
use crate::watchdog::CallControl;

type Context<'a> = FunctionEnvMut<'a, State>;

/// Tools that one call of a function works with.
struct Call<'a> {
    state: &'a mut State,
    memory: Memory<'a>,
}

/// The namespace of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Preview1,
    /// The version before: some numbers and places are others.
    Unstable,
}

impl Version {
    const ALL: [Self; 2] = [Self::Preview1, Self::Unstable];

    /// The version of that namespace, if it is one of WASI.
    pub(super) fn of(namespace: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.namespace() == namespace)
    }

    fn namespace(self) -> &'static str {
        match self {
            Self::Preview1 => "wasi_snapshot_preview1",
            Self::Unstable => "wasi_unstable",
        }
    }
}

/// Extent to which a function changes what is put back for the next caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// It reads, or changes what is put back always, or notes itself what it changes.
    None,
    /// It may change the table or files.
    Changes,
}

/// Serves a call: not at all if the guest is to stop, and to no end if it is to stop by then.
fn serve(
    context: &mut Context<'_>,
    effect: Effect,
    work: impl FnOnce(&mut Call<'_>) -> Result<(), Errno>,
) -> Result<i32, Unwound> {
    stop_if_told(&context.data().control)?;
    let errno = serve_at_once(context, |call| {
        if effect == Effect::Changes {
            call.state.note_change();
        }
        work(call)
    });
    interrupt::settle(context.data().control.requests());
    stop_if_told(&context.data().control)?;
    Ok(errno)
}

/// Serves a call that takes less time than the guest's way to it.
fn serve_at_once(
    context: &mut Context<'_>,
    work: impl FnOnce(&mut Call<'_>) -> Result<(), Errno>,
) -> i32 {
    let (state, mut store) = context.data_and_store_mut();
    let memory = Memory::new(GuestMemory::of(&mut store));
    Errno::of(work(&mut Call { state, memory })).code()
}

/// Unwinds the guest if its call is to stop. Why is known to the control.
fn stop_if_told(control: &CallControl) -> Result<(), Unwound> {
    if control.stop_reason().is_some() { Err(Unwound::Stopped) } else { Ok(()) }
}

/// Ends a function early if its call is to stop. The guest does not see the number.
fn look(control: &CallControl) -> Result<(), Errno> {
    if control.stop_reason().is_some() { Err(Errno::Canceled) } else { Ok(()) }
}

/// Those that WASI offers. What is not here is not offered, whatever serves it.
const FUNCTIONS: [&str; 46] = [
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_advise",
    "fd_allocate",
    "fd_close",
    "fd_datasync",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_fdstat_set_rights",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_pwrite",
    "fd_read",
    "fd_readdir",
    "fd_renumber",
    "fd_seek",
    "fd_sync",
    "fd_tell",
    "fd_write",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "poll_oneoff",
    "proc_exit",
    "proc_raise",
    "random_get",
    "sched_yield",
    "sock_accept",
    "sock_recv",
    "sock_send",
    "sock_shutdown",
];

/// The function of that name in one of the namespaces of WASI, if there is one.
pub(super) fn function(
    store: &mut Store,
    state: &FunctionEnv<State>,
    version: Version,
    name: &str,
) -> Option<Function> {
    macro_rules! short {
        ($serve:path, $($argument:ident: $type:ty),*) => {
            Function::new_typed_with_env(
                store,
                state,
                move |mut context: Context<'_>, $($argument: $type),*| {
                    serve_at_once(&mut context, |call| $serve(call, $($argument),*))
                },
            )
        };
    }
    macro_rules! with_effect {
        ($effect:expr, $serve:path, $($argument:ident: $type:ty),* $(; $version:ident)?) => {
            Function::new_typed_with_env(
                store,
                state,
                move |mut context: Context<'_>, $($argument: $type),*| {
                    serve(&mut context, $effect, |call| $serve(call, $($argument,)* $($version)?))
                },
            )
        };
    }
    macro_rules! reading {
        ($($rest:tt)*) => { with_effect!(Effect::None, $($rest)*) };
    }
    macro_rules! changing {
        ($($rest:tt)*) => { with_effect!(Effect::Changes, $($rest)*) };
    }
    if !FUNCTIONS.contains(&name) {
        return None;
    }
    Some(match name {
        "args_get" => reading!(arguments::args_get, list: u32, bytes: u32),
        "args_sizes_get" => reading!(arguments::args_sizes_get, count: u32, size: u32),
        "clock_res_get" => short!(clock::res_get, id: u32, out: u32),
        "clock_time_get" => short!(clock::time_get, id: u32, precision: u64, out: u32),
        "environ_get" => reading!(arguments::environ_get, list: u32, bytes: u32),
        "environ_sizes_get" => reading!(arguments::environ_sizes_get, count: u32, size: u32),
        "fd_advise" => reading!(files::advise, fd: u32, offset: u64, len: u64, advice: u32),
        "fd_allocate" => changing!(files::allocate, fd: u32, offset: u64, len: u64),
        "fd_close" => changing!(descriptors::close, fd: u32),
        "fd_datasync" => reading!(files::datasync, fd: u32),
        "fd_fdstat_get" => reading!(descriptors::fdstat_get, fd: u32, out: u32),
        "fd_fdstat_set_flags" => changing!(descriptors::fdstat_set_flags, fd: u32, flags: u32),
        "fd_fdstat_set_rights" => {
            changing!(descriptors::fdstat_set_rights, fd: u32, rights: u64, inheriting: u64)
        }
        "fd_filestat_get" => reading!(stat::fd_filestat_get, fd: u32, out: u32; version),
        "fd_filestat_set_size" => changing!(files::set_size, fd: u32, size: u64),
        "fd_filestat_set_times" => {
            changing!(stat::fd_filestat_set_times, fd: u32, accessed: u64, modified: u64, how: u32)
        }
        "fd_pread" => {
            reading!(transfer::pread, fd: u32, list: u32, count: u32, offset: u64, out: u32)
        }
        "fd_prestat_dir_name" => {
            reading!(descriptors::prestat_dir_name, fd: u32, path: u32, len: u32)
        }
        "fd_prestat_get" => reading!(descriptors::prestat_get, fd: u32, out: u32),
        "fd_pwrite" => {
            changing!(transfer::pwrite, fd: u32, list: u32, count: u32, offset: u64, out: u32)
        }
        "fd_read" => changing!(transfer::read, fd: u32, list: u32, count: u32, out: u32),
        "fd_readdir" => {
            changing!(listing::readdir, fd: u32, at: u32, len: u32, cookie: u64, out: u32)
        }
        "fd_renumber" => changing!(descriptors::renumber, from: u32, to: u32),
        "fd_seek" => changing!(files::seek, fd: u32, offset: i64, whence: u32, out: u32; version),
        "fd_sync" => reading!(files::sync, fd: u32),
        "fd_tell" => reading!(files::tell, fd: u32, out: u32),
        // What is captured is put back always.
        "fd_write" => reading!(transfer::write, fd: u32, list: u32, count: u32, out: u32),
        "path_create_directory" => {
            changing!(paths::create_directory, fd: u32, path: u32, len: u32)
        }
        "path_filestat_get" => {
            reading!(stat::path_filestat_get, fd: u32, flags: u32, path: u32, len: u32, out: u32; version)
        }
        "path_filestat_set_times" => changing!(
            stat::path_filestat_set_times, fd: u32, flags: u32, path: u32, len: u32,
            accessed: u64, modified: u64, how: u32
        ),
        "path_link" => changing!(
            paths::link, from_fd: u32, flags: u32, from: u32, from_len: u32,
            to_fd: u32, to: u32, to_len: u32
        ),
        "path_open" => changing!(
            paths::open, fd: u32, lookup: u32, path: u32, len: u32, how: u32,
            rights: u64, inheriting: u64, flags: u32, out: u32
        ),
        "path_readlink" => reading!(
            paths::read_link, fd: u32, path: u32, len: u32, at: u32, room: u32, out: u32
        ),
        "path_remove_directory" => {
            changing!(paths::remove_directory, fd: u32, path: u32, len: u32)
        }
        "path_rename" => changing!(
            paths::rename, from_fd: u32, from: u32, from_len: u32, to_fd: u32, to: u32, to_len: u32
        ),
        "path_symlink" => changing!(
            paths::symlink, target: u32, target_len: u32, fd: u32, path: u32, len: u32
        ),
        "path_unlink_file" => changing!(paths::unlink_file, fd: u32, path: u32, len: u32),
        "poll_oneoff" => {
            reading!(poll::oneoff, subscriptions: u32, events: u32, count: u32, out: u32; version)
        }
        "proc_exit" => Function::new_typed_with_env(store, state, process::exit),
        "proc_raise" => Function::new_typed_with_env(store, state, process::raise),
        "random_get" => reading!(random::get, at: u32, len: u32),
        "sched_yield" => reading!(process::sched_yield,),
        "sock_accept" if version == Version::Preview1 => {
            reading!(sockets::accept, fd: u32, flags: u32, out: u32)
        }
        "sock_recv" => changing!(
            sockets::transfer::receive, fd: u32, list: u32, count: u32, flags: u32, out: u32,
            out_flags: u32
        ),
        "sock_send" => changing!(
            sockets::transfer::send, fd: u32, list: u32, count: u32, flags: u32, out: u32
        ),
        "sock_shutdown" => changing!(sockets::shutdown, fd: u32, how: u32),
        _ => return None,
    })
}

/// The function of that name in the namespace of sockets, if there is one.
pub(super) fn socket_function(
    store: &mut Store,
    state: &FunctionEnv<State>,
    name: &str,
) -> Option<Function> {
    macro_rules! serving {
        ($serve:path, $($argument:ident),*) => {
            Function::new_typed_with_env(
                store,
                state,
                move |mut context: Context<'_>, $($argument: u32),*| {
                    serve(&mut context, Effect::Changes, |call| $serve(call, $($argument),*))
                },
            )
        };
    }
    use sockets::transfer;
    Some(match name {
        "fd_close" => serving!(descriptors::close, fd),
        "resolve" => serving!(sockets::resolve, host, len, port, out, room, out_count),
        "sock_addr_local" => serving!(sockets::local_address, fd, out),
        "sock_addr_peer" => serving!(sockets::peer_address, fd, out),
        "sock_bind" => serving!(sockets::bind, fd, to),
        "sock_connect" => serving!(sockets::connect, fd, to),
        "sock_open" => serving!(sockets::open, family, kind, protocol, out),
        "sock_recv" => serving!(transfer::receive, fd, list, count, flags, out, out_flags),
        "sock_recv_from" => {
            serving!(transfer::receive_from, fd, list, count, flags, out, out_flags, out_from)
        }
        "sock_send" => serving!(transfer::send, fd, list, count, flags, out),
        "sock_send_to" => serving!(transfer::send_to, fd, list, count, flags, to, out),
        "sock_set_opt_flag" => serving!(sockets::set_flag, fd, option, flag),
        "sock_set_opt_time" => serving!(sockets::set_time, fd, option, time),
        "sock_shutdown" => serving!(sockets::shutdown, fd, how),
        "sock_status" => serving!(sockets::status, fd, out),
        _ => return None,
    })
}

/// The types of all functions that are offered.
#[cfg(test)]
pub(super) fn types(store: &mut Store, state: &FunctionEnv<State>) -> Vec<wasmer::FunctionType> {
    let mut types = Vec::new();
    for name in FUNCTIONS {
        let versions = Version::ALL.into_iter();
        let functions: Vec<Function> =
            versions.filter_map(|version| function(store, state, version, name)).collect();
        assert!(!functions.is_empty(), "{name} is listed, and nothing serves it");
        types.extend(functions.iter().map(|function| function.ty(store)));
    }
    for name in sockets::FUNCTIONS {
        let function = socket_function(store, state, name).expect("what is listed is served");
        types.push(function.ty(store));
    }
    types
}

#[cfg(test)]
mod tests;
