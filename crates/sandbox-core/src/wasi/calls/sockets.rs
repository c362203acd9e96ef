//! Outgoing TCP connections and datagrams: the socket functions of `wasix_32v1`, to granted hosts only. Functions of
//! WASI that take sockets serve the same ones.

mod address;
pub(super) mod transfer;

use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::{Call, Errno};
use crate::error::DeniedCapability;
use crate::wasi::lookups::LookupFailure;
use crate::wasi::network::{MOST_NAME_BYTES, NetworkGrants};
use crate::wasi::rights::Rights;
use crate::wasi::socket::{Family, Socket, SocketKind, Stream};
use crate::wasi::state::State;
use crate::wasi::table::{Descriptor, Flags, Kind, Table};

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

const STREAM: u32 = 1;
const DATAGRAMS: u32 = 2;
const DEFAULT_PROTOCOL: u32 = 0;
const TCP: u32 = 6;
const UDP: u32 = 17;
const NO_DELAY: u32 = 3;
const KEEP_ALIVE: u32 = 12;
const RECV_TIMEOUT: u32 = 19;
const SEND_TIMEOUT: u32 = 20;

/// The socket of that number.
///
/// # Errors
/// [`Errno::NotSock`] if it is something else.
fn socket(table: &Table, fd: u32) -> Result<&Socket, Errno> {
    match &table.get(fd)?.kind {
        Kind::Socket(socket) => Ok(socket),
        _ => Err(Errno::NotSock),
    }
}

fn socket_mut(table: &mut Table, fd: u32) -> Result<&mut Socket, Errno> {
    match &mut table.get_mut(fd)?.kind {
        Kind::Socket(socket) => Ok(socket),
        _ => Err(Errno::NotSock),
    }
}

fn network(state: &State) -> Result<&NetworkGrants, Errno> {
    state.network.as_ref().ok_or(Errno::NotSup)
}

/// Refuses what no grant allows.
fn check(
    state: &State,
    to: SocketAddr,
    capability: fn(SocketAddr) -> DeniedCapability,
) -> Result<(), Errno> {
    if network(state)?.permits(to) {
        return Ok(());
    }
    state.refusals.deny(capability(to));
    Err(Errno::NotCapable)
}

/// Refuses to accept: as no socket can listen, no connection comes.
pub(super) fn accept(call: &mut Call<'_>, fd: u32, _flags: u32, _out: u32) -> Result<(), Errno> {
    socket(&call.state.table, fd)?;
    Err(Errno::NotSup)
}

pub(super) fn open(
    call: &mut Call<'_>,
    family: u32,
    kind: u32,
    protocol: u32,
    out: u32,
) -> Result<(), Errno> {
    network(call.state)?;
    let family = match family {
        1 => Family::V4,
        2 => Family::V6,
        _ => return Err(Errno::AfNoSupport),
    };
    let kind = match (kind, protocol) {
        (STREAM, DEFAULT_PROTOCOL | TCP) => {
            SocketKind::Stream { stream: None, no_delay: false, keep_alive: false }
        }
        (DATAGRAMS, DEFAULT_PROTOCOL | UDP) => SocketKind::Datagrams(None),
        _ => return Err(Errno::NotSup),
    };
    call.memory.check(out, 4)?;
    let fd = call.state.table.open(Descriptor {
        kind: Kind::Socket(Box::new(Socket::new(family, kind))),
        rights: Rights::SOCKET,
        inheriting: Rights::NONE,
        flags: Flags::default(),
    })?;
    call.memory.store(out, 0, &fd.to_le_bytes())
}

/// A socket for datagrams gets a port of the host's choice, as programs want before they send from it. No other address
/// can be had, and nothing can be listened on.
pub(super) fn bind(call: &mut Call<'_>, fd: u32, to: u32) -> Result<(), Errno> {
    let socket = socket_mut(&mut call.state.table, fd)?;
    let to = address::read(&call.memory, to, socket.family)?;
    match &socket.kind {
        SocketKind::Datagrams(None) if to.ip().is_unspecified() && to.port() == 0 => {
            socket.datagrams().map(drop)
        }
        SocketKind::Datagrams(Some(_)) => Err(Errno::Inval),
        SocketKind::Datagrams(None) | SocketKind::Stream { .. } => {
            call.state.refusals.deny(DeniedCapability::LocalAddress(to));
            Err(Errno::NotCapable)
        }
    }
}

pub(super) fn connect(call: &mut Call<'_>, fd: u32, to: u32) -> Result<(), Errno> {
    let known = socket(&call.state.table, fd)?;
    if matches!(known.kind, SocketKind::Stream { stream: Some(_), .. }) {
        return Err(Errno::IsConn);
    }
    let to = address::read(&call.memory, to, known.family)?;
    check(call.state, to, DeniedCapability::Connection)?;
    let socket = socket_mut(&mut call.state.table, fd)?;
    match &mut socket.kind {
        SocketKind::Stream { stream, no_delay, keep_alive } => {
            let made = Stream::connect(to, &call.state.control)?;
            made.set_no_delay(*no_delay)?;
            made.set_keep_alive(*keep_alive)?;
            *stream = Some(Arc::new(made));
            Ok(())
        }
        SocketKind::Datagrams(_) => socket.datagrams()?.connect(to),
    }
}

pub(super) fn status(call: &mut Call<'_>, fd: u32, out: u32) -> Result<(), Errno> {
    const OPENING: u8 = 0;
    const OPENED: u8 = 1;
    let connected = match socket(&call.state.table, fd)?.channel() {
        Ok(_) => OPENED,
        Err(Errno::NotConn) => OPENING,
        Err(errno) => return Err(errno),
    };
    call.memory.store(out, 0, &[connected])
}

pub(super) fn local_address(call: &mut Call<'_>, fd: u32, out: u32) -> Result<(), Errno> {
    let address = socket(&call.state.table, fd)?.channel()?.local()?;
    address::write(&mut call.memory, out, address)
}

pub(super) fn peer_address(call: &mut Call<'_>, fd: u32, out: u32) -> Result<(), Errno> {
    let address = socket(&call.state.table, fd)?.channel()?.peer()?;
    address::write(&mut call.memory, out, address)
}

pub(super) fn set_flag(call: &mut Call<'_>, fd: u32, option: u32, flag: u32) -> Result<(), Errno> {
    let socket = socket_mut(&mut call.state.table, fd)?;
    let SocketKind::Stream { stream, no_delay, keep_alive } = &mut socket.kind else {
        return Err(Errno::NotSup);
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
        _ => Err(Errno::NotSup),
    }
}

/// The time is a tag that is 1 for some time, and nanoseconds.
pub(super) fn set_time(call: &mut Call<'_>, fd: u32, option: u32, time: u32) -> Result<(), Errno> {
    let socket = socket_mut(&mut call.state.table, fd)?;
    let [tag] = call.memory.load(time, 0)?;
    let nanos = call.memory.load_u64(time, 8)?;
    let timeout = (tag == 1).then(|| Duration::from_nanos(nanos));
    match option {
        RECV_TIMEOUT => socket.recv_timeout = timeout,
        SEND_TIMEOUT => socket.send_timeout = timeout,
        _ => return Err(Errno::NotSup),
    }
    Ok(())
}

pub(super) fn shutdown(call: &mut Call<'_>, fd: u32, how: u32) -> Result<(), Errno> {
    let socket = socket(&call.state.table, fd)?;
    call.state.table.get(fd)?.require(Rights::SOCK_SHUTDOWN)?;
    let how = match how {
        1 => Shutdown::Read,
        2 => Shutdown::Write,
        3 => Shutdown::Both,
        _ => return Err(Errno::Inval),
    };
    socket.channel()?.shutdown(how)
}

pub(super) fn resolve(
    call: &mut Call<'_>,
    host: u32,
    len: u32,
    _port: u32,
    out: u32,
    room: u32,
    out_count: u32,
) -> Result<(), Errno> {
    if len as usize > MOST_NAME_BYTES + 1 {
        return Err(Errno::Inval);
    }
    let Call { state, memory } = call;
    memory.check(out_count, 4)?;
    let name = std::str::from_utf8(memory.bytes(host, len)?).map_err(|_| Errno::Inval)?;
    let network = state.network.as_mut().ok_or(Errno::NotSup)?;
    let found = network.look_up(name, &state.control).map_err(|failure| match failure {
        LookupFailure::NotGranted => {
            state.refusals.deny(DeniedCapability::Lookup(name.to_owned()));
            Errno::NotCapable
        }
        LookupFailure::NotFound => Errno::HostUnreach,
        LookupFailure::Busy => Errno::Again,
        LookupFailure::Stopped => Errno::Canceled,
    })?;
    let mut count = 0u32;
    for ip in found.into_iter().take(room as usize) {
        let offset = u64::from(count) * address::IP_BYTES as u64;
        memory.store(out, offset, &address::ip_bytes(ip))?;
        count += 1;
    }
    memory.store(out_count, 0, &count.to_le_bytes())
}
