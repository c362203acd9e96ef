//! Outgoing TCP connections: the socket functions of `wasix_32v1`, to granted hosts only.
//!
//! They are ours and not WASIX's, because a wait in one of those ends only with the connection: here, each wait
//! looks every few milliseconds whether its call is to stop. Sockets have numbers above those of files. So the
//! functions of WASI that take either look at the number and go one way or the other.

mod stream;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use wasmer::{AsStoreMut, AsStoreRef, Function, FunctionEnv, Imports, RuntimeError, TypedFunction};

use super::{CallState, Context, Errno, load, store};
use crate::policy::SecurityPolicy;
use crate::sys::limits::Refusals;
use crate::wasi::network::{Gate, LookupFailure, MOST_NAME_BYTES};
use stream::Stream;

/// The namespace that the functions are imported from.
pub(in crate::wasi) const NAMESPACE: &str = "wasix_32v1";

/// Those that are offered. `fd_close` is there for guests that import nothing else of WASI.
pub(in crate::wasi) const FUNCTIONS: [&str; 12] = [
    "fd_close",
    "resolve",
    "sock_addr_local",
    "sock_addr_peer",
    "sock_connect",
    "sock_open",
    "sock_recv",
    "sock_send",
    "sock_set_opt_flag",
    "sock_set_opt_time",
    "sock_shutdown",
    "sock_status",
];

const FILES: &str = "wasi_snapshot_preview1";

/// The number of the first socket.
const FIRST: u32 = 1 << 30;

/// The most bytes that are sent or received in one call; guests loop anyway.
const MOST_BYTES: usize = 64 * 1024;
/// The most buffers in one call.
const MOST_BUFFERS: u32 = 1024;

const INET4: u8 = 1;
const INET6: u8 = 2;
const STREAM: i32 = 1;
const DEFAULT_PROTOCOL: i32 = 0;
const TCP: i32 = 6;
const NO_DELAY: i32 = 3;
const KEEP_ALIVE: i32 = 12;
const RECV_TIMEOUT: i32 = 19;
const SEND_TIMEOUT: i32 = 20;
const PEEK: i32 = 1;
const FILETYPE_SOCKET_STREAM: u8 = 6;

/// An address and a port as WASIX lays them out: family, padding, port, address.
const ADDRESS_PORT_BYTES: usize = 20;
/// An address: family, padding, address.
const ADDRESS_BYTES: usize = 18;

/// The sockets of one instance, and where they may lead.
pub(super) struct Sockets {
    gate: Gate,
    open: BTreeMap<u32, Socket>,
    limit: usize,
    refusals: Arc<Refusals>,
}

struct Socket {
    family: u8,
    stream: Option<Arc<Stream>>,
    no_delay: bool,
    keep_alive: bool,
    recv_timeout: Option<Duration>,
    send_timeout: Option<Duration>,
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

    fn stream(&self, fd: u32) -> Result<Arc<Stream>, Errno> {
        let socket = self.open.get(&fd).ok_or(Errno::Badf)?;
        socket.stream.clone().ok_or(Errno::Notconn)
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
    ours!("resolve", resolve);
    ours!("sock_open", open);
    ours!("sock_connect", connect);
    ours!("sock_status", status);
    ours!("sock_addr_local", |context: Context<'_>, fd, out| address(context, fd, out, End::Here));
    ours!("sock_addr_peer", |context: Context<'_>, fd, out| address(context, fd, out, End::There));
    ours!("sock_set_opt_flag", set_flag);
    ours!("sock_set_opt_time", set_time);
    ours!("sock_recv", receive);
    ours!("sock_send", send);
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
    both!("sock_recv", (u32, i32, i32, i32, i32, i32), (a, b, c, d, e), receive);
    both!("sock_send", (u32, i32, i32, i32, i32), (a, b, c, d), send);
    both!("sock_shutdown", (u32, i32), (a), shutdown);
    both!("fd_close", u32, (), close);
    both!("fd_fdstat_get", (u32, i32), (a), describe);
    both!("fd_read", (u32, i32, i32, i32), (a, b, c), |context, fd, a, b, c| receive_into(
        context, fd, a, b, 0, c
    ));
    both!("fd_write", (u32, i32, i32, i32), (a, b, c), |context, fd, a, b, c| send(
        context, fd, a, b, 0, c
    ));
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
        if kind != STREAM || ![DEFAULT_PROTOCOL, TCP].contains(&protocol) {
            return Err(Errno::Notsup);
        }
        load::<4>(&context, place(out), 0)?;
        let sockets = sockets(&mut context)?;
        if sockets.open.len() >= sockets.limit {
            return Err(Errno::Mfile);
        }
        let fd = (FIRST..).find(|fd| !sockets.open.contains_key(fd)).ok_or(Errno::Mfile)?;
        let socket = Socket {
            family,
            stream: None,
            no_delay: false,
            keep_alive: false,
            recv_timeout: None,
            send_timeout: None,
        };
        sockets.open.insert(fd, socket);
        store(&context, place(out), 0, &fd.to_le_bytes())
    })())
}

fn connect(mut context: Context<'_>, fd: u32, to: i32) -> i32 {
    Errno::of((|| {
        let bytes = load::<ADDRESS_PORT_BYTES>(&context, place(to), 0)?;
        let control = Arc::clone(&context.data().control);
        let sockets = sockets(&mut context)?;
        let socket = sockets.open.get_mut(&fd).ok_or(Errno::Badf)?;
        if socket.stream.is_some() {
            return Err(Errno::Isconn);
        }
        let to = parse(&bytes).ok_or(Errno::Inval)?;
        if bytes[0] != socket.family {
            return Err(Errno::Afnosupport);
        }
        if !sockets.gate.permits(to) {
            sockets.refusals.deny(format!("a connection to {to}"));
            return Err(Errno::Notcapable);
        }
        let stream = Stream::connect(to, &control)?;
        stream.set_no_delay(socket.no_delay)?;
        stream.set_keep_alive(socket.keep_alive)?;
        socket.stream = Some(Arc::new(stream));
        Ok(())
    })())
}

fn resolve(
    mut context: Context<'_>,
    host: i32,
    host_len: i32,
    _port: i32,
    out: i32,
    room: i32,
    out_count: i32,
) -> i32 {
    Errno::of((|| {
        let len = host_len.cast_unsigned() as usize;
        if len > MOST_NAME_BYTES + 1 {
            return Err(Errno::Inval);
        }
        let name = bytes_at(&context, place(host), len)?;
        let name = String::from_utf8(name).map_err(|_| Errno::Inval)?;
        let control = Arc::clone(&context.data().control);
        let sockets = sockets(&mut context)?;
        let found = sockets.gate.look_up(&name, &control).map_err(|failure| match failure {
            LookupFailure::NotGranted => {
                sockets.refusals.deny(format!("a lookup of the host {name:?}"));
                Errno::Notcapable
            }
            LookupFailure::NotFound => Errno::Hostunreach,
            LookupFailure::Busy => Errno::Again,
            LookupFailure::Stopped => Errno::Canceled,
        })?;
        let mut count = 0u32;
        for ip in found.into_iter().take(room.cast_unsigned() as usize) {
            let mut bytes = [0; ADDRESS_BYTES];
            match ip {
                IpAddr::V4(ip) => {
                    bytes[0] = INET4;
                    bytes[2..6].copy_from_slice(&ip.octets());
                }
                IpAddr::V6(ip) => {
                    bytes[0] = INET6;
                    bytes[2..18].copy_from_slice(&ip.octets());
                }
            }
            store(&context, place(out), u64::from(count) * ADDRESS_BYTES as u64, &bytes)?;
            count += 1;
        }
        store(&context, place(out_count), 0, &count.to_le_bytes())
    })())
}

/// WASIX reads the port of an address in the byte order of the guest, and writes it in that of the network.
fn parse(bytes: &[u8; ADDRESS_PORT_BYTES]) -> Option<SocketAddr> {
    let port = u16::from_le_bytes([bytes[2], bytes[3]]);
    let ip = match bytes[0] {
        INET4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(&bytes[4..8]).ok()?)),
        INET6 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[4..20]).ok()?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip.to_canonical(), port))
}

fn written(address: SocketAddr) -> [u8; ADDRESS_PORT_BYTES] {
    let mut bytes = [0; ADDRESS_PORT_BYTES];
    bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
    match address.ip() {
        IpAddr::V4(ip) => {
            bytes[0] = INET4;
            bytes[4..8].copy_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            bytes[0] = INET6;
            bytes[4..20].copy_from_slice(&ip.octets());
        }
    }
    bytes
}

fn status(mut context: Context<'_>, fd: u32, out: i32) -> i32 {
    const OPENING: u8 = 0;
    const OPENED: u8 = 1;
    Errno::of((|| {
        let connected = match sockets(&mut context)?.stream(fd) {
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
        let stream = sockets(&mut context)?.stream(fd)?;
        let address = match end {
            End::Here => stream.local()?,
            End::There => stream.peer()?,
        };
        store(&context, place(out), 0, &written(address))
    })())
}

fn set_flag(mut context: Context<'_>, fd: u32, option: i32, flag: i32) -> i32 {
    Errno::of((|| {
        let socket = sockets(&mut context)?.open.get_mut(&fd).ok_or(Errno::Badf)?;
        let flag = flag != 0;
        match option {
            NO_DELAY => {
                socket.no_delay = flag;
                socket.stream.as_ref().map_or(Ok(()), |stream| stream.set_no_delay(flag))
            }
            KEEP_ALIVE => {
                socket.keep_alive = flag;
                socket.stream.as_ref().map_or(Ok(()), |stream| stream.set_keep_alive(flag))
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
        let socket = sockets(&mut context)?.open.get_mut(&fd).ok_or(Errno::Badf)?;
        match option {
            RECV_TIMEOUT => socket.recv_timeout = timeout,
            SEND_TIMEOUT => socket.send_timeout = timeout,
            _ => return Err(Errno::Notsup),
        }
        Ok(())
    })())
}

/// The places of a list of buffers, up to [`MOST_BYTES`] together.
fn buffers(context: &Context<'_>, list: i32, count: i32) -> Result<Vec<(u32, usize)>, Errno> {
    let count = count.cast_unsigned();
    if count > MOST_BUFFERS {
        return Err(Errno::Inval);
    }
    let mut room = MOST_BYTES;
    let mut buffers = Vec::new();
    for index in 0..u64::from(count) {
        let at = u32::from_le_bytes(load(context, place(list), 8 * index)?);
        let len = u32::from_le_bytes(load(context, place(list), 8 * index + 4)?) as usize;
        let len = len.min(room);
        room -= len;
        buffers.push((at, len));
    }
    Ok(buffers)
}

fn bytes_at(context: &Context<'_>, at: u32, len: usize) -> Result<Vec<u8>, Errno> {
    let memory = context.data().memory.as_ref().ok_or(Errno::Fault)?;
    let mut bytes = vec![0; len];
    memory.view(context).read(u64::from(at), &mut bytes).map_err(|_| Errno::Fault)?;
    Ok(bytes)
}

fn receive(
    context: Context<'_>,
    fd: u32,
    list: i32,
    count: i32,
    flags: i32,
    out: i32,
    out_flags: i32,
) -> i32 {
    match store(&context, place(out_flags), 0, &[0, 0]) {
        Ok(()) => receive_into(context, fd, list, count, flags, out),
        Err(errno) => errno as i32,
    }
}

fn receive_into(
    mut context: Context<'_>,
    fd: u32,
    list: i32,
    count: i32,
    flags: i32,
    out: i32,
) -> i32 {
    Errno::of((|| {
        if flags & !PEEK != 0 {
            return Err(Errno::Notsup);
        }
        load::<4>(&context, place(out), 0)?;
        let buffers = buffers(&context, list, count)?;
        let mut bytes = vec![0; buffers.iter().map(|(_, len)| len).sum()];
        let control = Arc::clone(&context.data().control);
        let sockets = sockets(&mut context)?;
        let timeout = sockets.open.get(&fd).and_then(|socket| socket.recv_timeout);
        let stream = sockets.stream(fd)?;
        let received = if flags & PEEK != 0 {
            stream.peek(&mut bytes, timeout, &control)?
        } else {
            stream.receive(&mut bytes, timeout, &control)?
        };
        let mut rest = bytes.get(..received).unwrap_or_default();
        for (at, len) in buffers {
            let (part, others) = rest.split_at(len.min(rest.len()));
            store(&context, at, 0, part)?;
            rest = others;
        }
        let received = u32::try_from(received).map_err(|_| Errno::Io)?;
        store(&context, place(out), 0, &received.to_le_bytes())
    })())
}

fn send(mut context: Context<'_>, fd: u32, list: i32, count: i32, flags: i32, out: i32) -> i32 {
    Errno::of((|| {
        if flags != 0 {
            return Err(Errno::Notsup);
        }
        load::<4>(&context, place(out), 0)?;
        let mut bytes = Vec::new();
        for (at, len) in buffers(&context, list, count)? {
            bytes.extend(bytes_at(&context, at, len)?);
        }
        let control = Arc::clone(&context.data().control);
        let sockets = sockets(&mut context)?;
        let timeout = sockets.open.get(&fd).and_then(|socket| socket.send_timeout);
        let sent = sockets.stream(fd)?.send(&bytes, timeout, &control)?;
        let sent = u32::try_from(sent).map_err(|_| Errno::Io)?;
        store(&context, place(out), 0, &sent.to_le_bytes())
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
        sockets(&mut context)?.stream(fd)?.shutdown(how)
    })())
}

fn close(mut context: Context<'_>, fd: u32) -> i32 {
    Errno::of((|| sockets(&mut context)?.open.remove(&fd).map(drop).ok_or(Errno::Badf))())
}

/// What `fd_fdstat_get` says: a stream socket that can be read and written.
fn describe(mut context: Context<'_>, fd: u32, out: i32) -> i32 {
    const RIGHTS: u64 = 1 << 1 | 1 << 6 | 1 << 27 | 1 << 28;
    Errno::of((|| {
        if !sockets(&mut context)?.open.contains_key(&fd) {
            return Err(Errno::Badf);
        }
        let mut bytes = [0; 24];
        bytes[0] = FILETYPE_SOCKET_STREAM;
        bytes[8..16].copy_from_slice(&RIGHTS.to_le_bytes());
        store(&context, place(out), 0, &bytes)
    })())
}
