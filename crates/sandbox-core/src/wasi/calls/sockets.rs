//! Outgoing TCP connections and datagrams: the socket functions of `wasix_32v1`, to granted hosts only.
//!
//! They are ours and not WASIX's, because a wait in one of those ends only with the connection: here, each wait
//! looks every few milliseconds whether its call is to stop. Sockets have numbers above those of files. So the
//! functions of WASI that take either look at the number and go one way or the other.

mod address;
mod datagrams;
mod stream;
mod transfer;
mod waiting;

use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use wasmer::{AsStoreMut, AsStoreRef, Function, FunctionEnv, Imports, RuntimeError, TypedFunction};

use super::{CallState, Context, Errno, load, store};
use crate::policy::SecurityPolicy;
use crate::sys::limits::Refusals;
use crate::wasi::network::Gate;
use address::{INET4, INET6};
use datagrams::Datagrams;
use stream::Stream;

/// The namespace that the functions are imported from.
pub(in crate::wasi) const NAMESPACE: &str = "wasix_32v1";

/// Those that are offered. `fd_close` is there for guests that import nothing else of WASI.
pub(in crate::wasi) const FUNCTIONS: [&str; 15] = [
    "fd_close",
    "resolve",
    "sock_addr_local",
    "sock_addr_peer",
    "sock_bind",
    "sock_connect",
    "sock_open",
    "sock_recv",
    "sock_recv_from",
    "sock_send",
    "sock_send_to",
    "sock_set_opt_flag",
    "sock_set_opt_time",
    "sock_shutdown",
    "sock_status",
];

const FILES: &str = "wasi_snapshot_preview1";

/// The number of the first socket.
const FIRST: u32 = 1 << 30;

const STREAM: i32 = 1;
const DATAGRAMS: i32 = 2;
const DEFAULT_PROTOCOL: i32 = 0;
const TCP: i32 = 6;
const UDP: i32 = 17;
const NO_DELAY: i32 = 3;
const KEEP_ALIVE: i32 = 12;
const RECV_TIMEOUT: i32 = 19;
const SEND_TIMEOUT: i32 = 20;
const FILETYPE_SOCKET_DGRAM: u8 = 5;
const FILETYPE_SOCKET_STREAM: u8 = 6;

/// The sockets of one instance, and where they may lead.
pub(super) struct Sockets {
    gate: Gate,
    open: BTreeMap<u32, Socket>,
    limit: usize,
    refusals: Arc<Refusals>,
}

struct Socket {
    family: u8,
    kind: Kind,
    recv_timeout: Option<Duration>,
    send_timeout: Option<Duration>,
}

enum Kind {
    Stream {
        /// Once it is connected.
        stream: Option<Arc<Stream>>,
        no_delay: bool,
        keep_alive: bool,
    },
    /// Nothing before it is first used.
    Datagrams(Option<Arc<Datagrams>>),
}

/// What a socket is once it leads somewhere.
#[derive(Clone)]
enum Channel {
    Stream(Arc<Stream>),
    Datagrams(Arc<Datagrams>),
}

impl Sockets {
    /// Those of an instance whose policy grants hosts.
    pub(super) fn of(policy: &SecurityPolicy, refusals: &Arc<Refusals>) -> Option<Self> {
        Some(Self {
            gate: Gate::of(policy)?,
            open: BTreeMap::new(),
            limit: policy.open_file_limit as usize,
            refusals: Arc::clone(refusals),
        })
    }

    fn socket(&mut self, fd: u32) -> Result<&mut Socket, Errno> {
        self.open.get_mut(&fd).ok_or(Errno::Badf)
    }

    fn channel(&self, fd: u32) -> Result<Channel, Errno> {
        let channel = match &self.open.get(&fd).ok_or(Errno::Badf)?.kind {
            Kind::Stream { stream, .. } => stream.clone().map(Channel::Stream),
            Kind::Datagrams(datagrams) => datagrams.clone().map(Channel::Datagrams),
        };
        channel.ok_or(Errno::Notconn)
    }

    /// Refuses what no grant allows.
    fn check(&self, what: &str, to: SocketAddr) -> Result<(), Errno> {
        if self.gate.permits(to) {
            return Ok(());
        }
        self.refusals.deny(format!("{what} to {to}"));
        Err(Errno::Notcapable)
    }
}

impl Socket {
    /// The host's socket of one for datagrams, made now if there is none yet.
    fn datagrams(&mut self) -> Result<Arc<Datagrams>, Errno> {
        let Kind::Datagrams(datagrams) = &mut self.kind else { return Err(Errno::Notsup) };
        if let Some(known) = datagrams {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(Datagrams::new(self.family)?);
        *datagrams = Some(Arc::clone(&made));
        Ok(made)
    }
}

impl Channel {
    fn local(&self) -> Result<SocketAddr, Errno> {
        match self {
            Self::Stream(stream) => stream.local(),
            Self::Datagrams(datagrams) => datagrams.local(),
        }
    }

    fn peer(&self) -> Result<SocketAddr, Errno> {
        match self {
            Self::Stream(stream) => stream.peer(),
            Self::Datagrams(datagrams) => datagrams.peer(),
        }
    }

    fn shutdown(&self, how: Shutdown) -> Result<(), Errno> {
        match self {
            Self::Stream(stream) => stream.shutdown(how),
            Self::Datagrams(datagrams) => datagrams.shutdown(how),
        }
    }
}

fn is_socket(fd: u32) -> bool {
    fd >= FIRST
}

fn sockets<'a>(context: &'a mut Context<'_>) -> Result<&'a mut Sockets, Errno> {
    context.data_mut().sockets.as_mut().ok_or(Errno::Notsup)
}

/// Defines the functions of sockets, and teaches those of files to serve sockets too.
pub(super) fn define(
    store: &mut impl AsStoreMut,
    state: &FunctionEnv<CallState>,
    imports: &mut Imports,
) {
    macro_rules! ours {
        ($name:literal, $function:expr) => {
            imports.define(NAMESPACE, $name, Function::new_typed_with_env(store, state, $function));
        };
    }
    ours!("resolve", address::resolve);
    ours!("sock_bind", bind);
    ours!("sock_open", open);
    ours!("sock_connect", connect);
    ours!("sock_status", status);
    ours!("sock_addr_local", |context: Context<'_>, fd, out| address(context, fd, out, End::Here));
    ours!("sock_addr_peer", |context: Context<'_>, fd, out| address(context, fd, out, End::There));
    ours!("sock_set_opt_flag", set_flag);
    ours!("sock_set_opt_time", set_time);
    ours!("sock_recv", transfer::receive);
    ours!("sock_recv_from", transfer::receive_from);
    ours!("sock_send", transfer::send);
    ours!("sock_send_to", transfer::send_to);
    ours!("sock_shutdown", shutdown);
    ours!("fd_close", close);
    macro_rules! both {
        ($name:literal, $types:ty, ($($argument:ident),*), $serve:expr) => {
            if let Some(original) = original::<$types, _>(store, imports, $name) {
                let both = move |mut context: Context<'_>, fd: u32 $(, $argument: i32)*| {
                    if is_socket(fd) {
                        let serve = $serve;
                        return Ok::<i32, RuntimeError>(serve(context, fd $(, $argument)*));
                    }
                    original.call(&mut context, fd $(, $argument)*)
                };
                let both = Function::new_typed_with_env(store, state, both);
                imports.define(FILES, $name, both);
            }
        };
    }
    both!("sock_recv", (u32, i32, i32, i32, i32, i32), (a, b, c, d, e), transfer::receive);
    both!("sock_send", (u32, i32, i32, i32, i32), (a, b, c, d), transfer::send);
    both!("sock_shutdown", (u32, i32), (a), shutdown);
    both!("fd_close", u32, (), close);
    both!("fd_fdstat_get", (u32, i32), (a), describe);
    both!("fd_read", (u32, i32, i32, i32), (a, b, c), |context, fd, a, b, c| {
        transfer::receive_into(context, fd, a, b, 0, c)
    });
    both!("fd_write", (u32, i32, i32, i32), (a, b, c), |context, fd, a, b, c| {
        transfer::send(context, fd, a, b, 0, c)
    });
}

fn original<P, S>(store: &S, imports: &Imports, name: &str) -> Option<TypedFunction<P, i32>>
where
    P: wasmer::WasmTypeList,
    S: AsStoreRef,
{
    match imports.get_export(FILES, name)? {
        wasmer::Extern::Function(function) => function.typed(store).ok(),
        _ => None,
    }
}

/// Addresses are pointers, which the guest's types make signed.
fn place(address: i32) -> u32 {
    address.cast_unsigned()
}

fn open(mut context: Context<'_>, family: i32, kind: i32, protocol: i32, out: i32) -> i32 {
    Errno::of((|| {
        let family = match family {
            1 => INET4,
            2 => INET6,
            _ => return Err(Errno::Afnosupport),
        };
        let kind = match (kind, protocol) {
            (STREAM, DEFAULT_PROTOCOL | TCP) => {
                Kind::Stream { stream: None, no_delay: false, keep_alive: false }
            }
            (DATAGRAMS, DEFAULT_PROTOCOL | UDP) => Kind::Datagrams(None),
            _ => return Err(Errno::Notsup),
        };
        load::<4>(&context, place(out), 0)?;
        let sockets = sockets(&mut context)?;
        if sockets.open.len() >= sockets.limit {
            return Err(Errno::Mfile);
        }
        let fd = (FIRST..).find(|fd| !sockets.open.contains_key(fd)).ok_or(Errno::Mfile)?;
        let socket = Socket { family, kind, recv_timeout: None, send_timeout: None };
        sockets.open.insert(fd, socket);
        store(&context, place(out), 0, &fd.to_le_bytes())
    })())
}

/// A socket for datagrams gets a port of the host's choice, as programs want before they send from it. No other address
/// can be had, and nothing can be listened on.
fn bind(mut context: Context<'_>, fd: u32, to: i32) -> i32 {
    Errno::of((|| {
        let family = sockets(&mut context)?.socket(fd)?.family;
        let to = address::read(&context, to, family)?;
        let sockets = sockets(&mut context)?;
        let socket = sockets.socket(fd)?;
        match &socket.kind {
            Kind::Datagrams(None) if to.ip().is_unspecified() && to.port() == 0 => {
                socket.datagrams().map(drop)
            }
            Kind::Datagrams(Some(_)) => Err(Errno::Inval),
            Kind::Datagrams(None) | Kind::Stream { .. } => {
                sockets.refusals.deny(format!("the local address {to}"));
                Err(Errno::Notcapable)
            }
        }
    })())
}

fn connect(mut context: Context<'_>, fd: u32, to: i32) -> i32 {
    Errno::of((|| {
        let control = Arc::clone(&context.data().control);
        let socket = sockets(&mut context)?.socket(fd)?;
        if matches!(socket.kind, Kind::Stream { stream: Some(_), .. }) {
            return Err(Errno::Isconn);
        }
        let family = socket.family;
        let to = address::read(&context, to, family)?;
        let sockets = sockets(&mut context)?;
        sockets.check("a connection", to)?;
        let socket = sockets.socket(fd)?;
        match &mut socket.kind {
            Kind::Stream { stream, no_delay, keep_alive } => {
                let made = Stream::connect(to, &control)?;
                made.set_no_delay(*no_delay)?;
                made.set_keep_alive(*keep_alive)?;
                *stream = Some(Arc::new(made));
                Ok(())
            }
            Kind::Datagrams(_) => socket.datagrams()?.connect(to),
        }
    })())
}

fn status(mut context: Context<'_>, fd: u32, out: i32) -> i32 {
    const OPENING: u8 = 0;
    const OPENED: u8 = 1;
    Errno::of((|| {
        let connected = match sockets(&mut context)?.channel(fd) {
            Ok(_) => OPENED,
            Err(Errno::Notconn) => OPENING,
            Err(errno) => return Err(errno),
        };
        store(&context, place(out), 0, &[connected])
    })())
}

#[derive(Clone, Copy)]
enum End {
    Here,
    There,
}

fn address(mut context: Context<'_>, fd: u32, out: i32, end: End) -> i32 {
    Errno::of((|| {
        let channel = sockets(&mut context)?.channel(fd)?;
        let address = match end {
            End::Here => channel.local()?,
            End::There => channel.peer()?,
        };
        address::write(&context, out, address)
    })())
}

fn set_flag(mut context: Context<'_>, fd: u32, option: i32, flag: i32) -> i32 {
    Errno::of((|| {
        let Kind::Stream { stream, no_delay, keep_alive } =
            &mut sockets(&mut context)?.socket(fd)?.kind
        else {
            return Err(Errno::Notsup);
        };
        let flag = flag != 0;
        match option {
            NO_DELAY => {
                *no_delay = flag;
                stream.as_ref().map_or(Ok(()), |stream| stream.set_no_delay(flag))
            }
            KEEP_ALIVE => {
                *keep_alive = flag;
                stream.as_ref().map_or(Ok(()), |stream| stream.set_keep_alive(flag))
            }
            _ => Err(Errno::Notsup),
        }
    })())
}

/// The time is a tag that is 1 for some time, and nanoseconds.
fn set_time(mut context: Context<'_>, fd: u32, option: i32, time: i32) -> i32 {
    Errno::of((|| {
        let [tag] = load(&context, place(time), 0)?;
        let nanos = u64::from_le_bytes(load(&context, place(time), 8)?);
        let timeout = (tag == 1).then(|| Duration::from_nanos(nanos));
        let socket = sockets(&mut context)?.socket(fd)?;
        match option {
            RECV_TIMEOUT => socket.recv_timeout = timeout,
            SEND_TIMEOUT => socket.send_timeout = timeout,
            _ => return Err(Errno::Notsup),
        }
        Ok(())
    })())
}

fn shutdown(mut context: Context<'_>, fd: u32, how: i32) -> i32 {
    Errno::of((|| {
        let how = match how {
            1 => Shutdown::Read,
            2 => Shutdown::Write,
            3 => Shutdown::Both,
            _ => return Err(Errno::Inval),
        };
        sockets(&mut context)?.channel(fd)?.shutdown(how)
    })())
}

fn close(mut context: Context<'_>, fd: u32) -> i32 {
    Errno::of((|| sockets(&mut context)?.open.remove(&fd).map(drop).ok_or(Errno::Badf))())
}

/// What `fd_fdstat_get` says: a socket that can be read and written.
fn describe(mut context: Context<'_>, fd: u32, out: i32) -> i32 {
    const RIGHTS: u64 = 1 << 1 | 1 << 6 | 1 << 27 | 1 << 28;
    Errno::of((|| {
        let mut bytes = [0; 24];
        bytes[0] = match sockets(&mut context)?.socket(fd)?.kind {
            Kind::Stream { .. } => FILETYPE_SOCKET_STREAM,
            Kind::Datagrams(_) => FILETYPE_SOCKET_DGRAM,
        };
        bytes[8..16].copy_from_slice(&RIGHTS.to_le_bytes());
        store(&context, place(out), 0, &bytes)
    })())
}
