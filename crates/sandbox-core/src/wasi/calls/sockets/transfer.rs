//! Sending and receiving.

use std::net::SocketAddr;
use std::time::Duration;

use super::{address, check, network, socket, socket_mut};
use crate::error::DeniedCapability;
use crate::wasi::calls::{Call, Errno};
use crate::wasi::memory::{Buffer, Memory};
use crate::wasi::rights::Rights;
use crate::wasi::socket::{Channel, MOST_DATAGRAM_BYTES, Taking};
use crate::wasi::table::{Flags, Table};

/// The most bytes that are sent or received in one call; guests loop anyway. A datagram is smaller.
const MOST_BYTES: u32 = 64 * 1024;
/// The most buffers in one call.
const MOST_BUFFERS: u32 = 1024;

const PEEK: u32 = 1;
/// Says of a received datagram that the end of it did not fit.
const TRUNCATED: u16 = 1;

const _: () = assert!(MOST_DATAGRAM_BYTES < MOST_BYTES as usize);

/// Bytes that were received, and from where.
struct Received {
    len: usize,
    /// Of a datagram.
    from: Option<SocketAddr>,
    flags: u16,
}

/// A list of buffers, up to [`MOST_BYTES`] together.
fn buffers(memory: &Memory<'_>, list: u32, count: u32) -> Result<Vec<Buffer>, Errno> {
    if count > MOST_BUFFERS {
        return Err(Errno::Inval);
    }
    let list = memory.buffers(list, count)?;
    let mut room = MOST_BYTES;
    (0..count)
        .map(|index| {
            let Buffer { at, len } = memory.buffer(list, index)?;
            let len = len.min(room);
            room -= len;
            Ok(Buffer { at, len })
        })
        .collect()
}

/// Time that a guest waits for its socket: none, if it said so of the descriptor.
fn timeout(table: &Table, fd: u32, set: Option<Duration>) -> Result<Option<Duration>, Errno> {
    let is_nonblocking = table.get(fd)?.flags.contains(Flags::NONBLOCK);
    Ok(if is_nonblocking { Some(Duration::ZERO) } else { set })
}

/// Receives, and writes how many bytes came to `out`.
fn received(
    call: &mut Call<'_>,
    fd: u32,
    (list, count): (u32, u32),
    flags: u32,
    out: u32,
) -> Result<Received, Errno> {
    let socket = socket(&call.state.table, fd)?;
    call.state.table.get(fd)?.require(Rights::FD_READ)?;
    let timeout = timeout(&call.state.table, fd, socket.recv_timeout)?;
    if flags & !PEEK != 0 {
        return Err(Errno::NotSup);
    }
    let taking = if flags & PEEK != 0 { Taking::Leave } else { Taking::Take };
    call.memory.check(out, 4)?;
    let buffers = buffers(&call.memory, list, count)?;
    let room = buffers.iter().map(|buffer| buffer.len as usize).sum();
    let mut bytes = vec![0; room];
    let control = &call.state.control;
    let received = match socket.channel()? {
        Channel::Stream(stream) => {
            let len = match taking {
                Taking::Leave => stream.peek(&mut bytes, timeout, control)?,
                Taking::Take => stream.receive(&mut bytes, timeout, control)?,
            };
            Received { len, from: None, flags: 0 }
        }
        Channel::Datagrams(datagrams) => {
            // With room for any, or nobody could tell that the end of one is missing.
            bytes.resize(MOST_BYTES as usize, 0);
            let network = network(call.state)?;
            let accepts = |from| network.permits(from);
            let (len, from) = datagrams.receive(&mut bytes, taking, accepts, timeout, control)?;
            let flags = if len > room { TRUNCATED } else { 0 };
            Received { len: len.min(room), from: Some(from), flags }
        }
    };
    let mut rest = bytes.get(..received.len).unwrap_or_default();
    for Buffer { at, len } in buffers {
        let (part, others) = rest.split_at(rest.len().min(len as usize));
        call.memory.store(at, 0, part)?;
        rest = others;
    }
    let len = u32::try_from(received.len).map_err(|_| Errno::Io)?;
    call.memory.store(out, 0, &len.to_le_bytes())?;
    Ok(received)
}

/// Receives as `fd_read` does.
pub(in crate::wasi::calls) fn read(
    call: &mut Call<'_>,
    fd: u32,
    list: u32,
    count: u32,
    out: u32,
) -> Result<(), Errno> {
    received(call, fd, (list, count), 0, out).map(drop)
}

/// Receives, and writes what is to be said of it to `out_flags`.
fn received_with_flags(
    call: &mut Call<'_>,
    fd: u32,
    buffers: (u32, u32),
    flags: u32,
    (out, out_flags): (u32, u32),
) -> Result<Received, Errno> {
    socket(&call.state.table, fd)?;
    call.memory.check(out_flags, 2)?;
    let received = received(call, fd, buffers, flags, out)?;
    call.memory.store(out_flags, 0, &received.flags.to_le_bytes())?;
    Ok(received)
}

pub(in crate::wasi::calls) fn receive(
    call: &mut Call<'_>,
    fd: u32,
    list: u32,
    count: u32,
    flags: u32,
    out: u32,
    out_flags: u32,
) -> Result<(), Errno> {
    received_with_flags(call, fd, (list, count), flags, (out, out_flags)).map(drop)
}

#[expect(clippy::too_many_arguments, reason = "WASIX gives it so many")]
pub(in crate::wasi::calls) fn receive_from(
    call: &mut Call<'_>,
    fd: u32,
    list: u32,
    count: u32,
    flags: u32,
    out: u32,
    out_flags: u32,
    out_from: u32,
) -> Result<(), Errno> {
    // It has to fit before a datagram is taken.
    call.memory.check(out_from, address::ADDRESS_PORT_BYTES as u64)?;
    let received = received_with_flags(call, fd, (list, count), flags, (out, out_flags))?;
    let from = match received.from {
        Some(from) => from,
        None => socket(&call.state.table, fd)?.channel()?.peer()?,
    };
    address::write(&mut call.memory, out_from, from)
}

pub(in crate::wasi::calls) fn send(
    call: &mut Call<'_>,
    fd: u32,
    list: u32,
    count: u32,
    flags: u32,
    out: u32,
) -> Result<(), Errno> {
    sent(call, fd, (list, count), flags, None, out)
}

pub(in crate::wasi::calls) fn send_to(
    call: &mut Call<'_>,
    fd: u32,
    list: u32,
    count: u32,
    flags: u32,
    to: u32,
    out: u32,
) -> Result<(), Errno> {
    sent(call, fd, (list, count), flags, Some(to), out)
}

/// Sends, and writes how many bytes went to `out`.
fn sent(
    call: &mut Call<'_>,
    fd: u32,
    (list, count): (u32, u32),
    flags: u32,
    to: Option<u32>,
    out: u32,
) -> Result<(), Errno> {
    let family = socket(&call.state.table, fd)?.family;
    call.state.table.get(fd)?.require(Rights::FD_WRITE)?;
    if flags != 0 {
        return Err(Errno::NotSup);
    }
    call.memory.check(out, 4)?;
    let mut bytes = Vec::new();
    for Buffer { at, len } in buffers(&call.memory, list, count)? {
        bytes.extend_from_slice(call.memory.bytes(at, len)?);
    }
    let to = to.map(|to| address::read(&call.memory, to, family)).transpose()?;
    if let Some(to) = to {
        check(call.state, to, DeniedCapability::Datagram)?;
        // Which is what makes the socket, if nothing was sent from it before.
        socket_mut(&mut call.state.table, fd)?.datagrams()?;
    }
    let socket = socket(&call.state.table, fd)?;
    let timeout = timeout(&call.state.table, fd, socket.send_timeout)?;
    let control = &call.state.control;
    let sent = match socket.channel()? {
        Channel::Stream(stream) => stream.send(&bytes, timeout, control)?,
        Channel::Datagrams(datagrams) => datagrams.send(&bytes, to, timeout, control)?,
    };
    let sent = u32::try_from(sent).map_err(|_| Errno::Io)?;
    call.memory.store(out, 0, &sent.to_le_bytes())
}
