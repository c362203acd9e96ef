//! Sending and receiving.

use std::net::SocketAddr;
use std::sync::Arc;

use super::datagrams::{MOST_DATAGRAM_BYTES, Taking};
use super::{Channel, address, place, sockets};
use crate::wasi::calls::{Context, Errno, load, store};

/// The most bytes that are sent or received in one call; guests loop anyway. A datagram is smaller.
const MOST_BYTES: usize = 64 * 1024;
/// The most buffers in one call.
const MOST_BUFFERS: u32 = 1024;

const PEEK: i32 = 1;
/// Says of a received datagram that the end of it did not fit.
const TRUNCATED: u16 = 1;

const _: () = assert!(MOST_DATAGRAM_BYTES < MOST_BYTES);

/// What was received.
struct Received {
    len: usize,
    /// Of a datagram.
    from: Option<SocketAddr>,
    flags: u16,
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

pub(super) fn bytes_at(context: &Context<'_>, at: u32, len: usize) -> Result<Vec<u8>, Errno> {
    let memory = context.data().memory.as_ref().ok_or(Errno::Fault)?;
    let mut bytes = vec![0; len];
    memory.view(context).read(u64::from(at), &mut bytes).map_err(|_| Errno::Fault)?;
    Ok(bytes)
}

/// Receives, and writes how many bytes came to `out`.
fn received(
    context: &mut Context<'_>,
    fd: u32,
    (list, count): (i32, i32),
    flags: i32,
    out: i32,
) -> Result<Received, Errno> {
    if flags & !PEEK != 0 {
        return Err(Errno::Notsup);
    }
    let taking = if flags & PEEK != 0 { Taking::Leave } else { Taking::Take };
    load::<4>(context, place(out), 0)?;
    let buffers = buffers(context, list, count)?;
    let mut bytes = vec![0; buffers.iter().map(|(_, len)| len).sum()];
    let control = Arc::clone(&context.data().control);
    let sockets = sockets(context)?;
    let timeout = sockets.socket(fd)?.recv_timeout;
    let received = match sockets.channel(fd)? {
        Channel::Stream(stream) => {
            let len = match taking {
                Taking::Leave => stream.peek(&mut bytes, timeout, &control)?,
                Taking::Take => stream.receive(&mut bytes, timeout, &control)?,
            };
            Received { len, from: None, flags: 0 }
        }
        Channel::Datagrams(datagrams) => {
            let room = bytes.len();
            // With room for any, or nobody could tell that the end of one is missing.
            bytes.resize(MOST_BYTES, 0);
            let accepts = |from| sockets.gate.permits(from);
            let (len, from) = datagrams.receive(&mut bytes, taking, accepts, timeout, &control)?;
            let flags = if len > room { TRUNCATED } else { 0 };
            Received { len: len.min(room), from: Some(from), flags }
        }
    };
    let mut rest = bytes.get(..received.len).unwrap_or_default();
    for (at, len) in buffers {
        let (part, others) = rest.split_at(len.min(rest.len()));
        store(context, at, 0, part)?;
        rest = others;
    }
    let len = u32::try_from(received.len).map_err(|_| Errno::Io)?;
    store(context, place(out), 0, &len.to_le_bytes())?;
    Ok(received)
}

pub(super) fn receive_into(
    mut context: Context<'_>,
    fd: u32,
    list: i32,
    count: i32,
    flags: i32,
    out: i32,
) -> i32 {
    Errno::of(received(&mut context, fd, (list, count), flags, out).map(drop))
}

/// The same, and writes what is to be said of it to `out_flags`.
fn received_with_flags(
    context: &mut Context<'_>,
    fd: u32,
    buffers: (i32, i32),
    flags: i32,
    (out, out_flags): (i32, i32),
) -> Result<Received, Errno> {
    store(context, place(out_flags), 0, &[0, 0])?;
    let received = received(context, fd, buffers, flags, out)?;
    store(context, place(out_flags), 0, &received.flags.to_le_bytes())?;
    Ok(received)
}

pub(super) fn receive(
    mut context: Context<'_>,
    fd: u32,
    list: i32,
    count: i32,
    flags: i32,
    out: i32,
    out_flags: i32,
) -> i32 {
    let outs = (out, out_flags);
    Errno::of(received_with_flags(&mut context, fd, (list, count), flags, outs).map(drop))
}

#[expect(clippy::too_many_arguments, reason = "WASIX gives it so many")]
pub(super) fn receive_from(
    mut context: Context<'_>,
    fd: u32,
    list: i32,
    count: i32,
    flags: i32,
    out: i32,
    out_flags: i32,
    out_from: i32,
) -> i32 {
    Errno::of((|| {
        // It has to fit before a datagram is taken.
        load::<{ address::ADDRESS_PORT_BYTES }>(&context, place(out_from), 0)?;
        let outs = (out, out_flags);
        let received = received_with_flags(&mut context, fd, (list, count), flags, outs)?;
        let from = match received.from {
            Some(from) => from,
            None => sockets(&mut context)?.channel(fd)?.peer()?,
        };
        address::write(&context, out_from, from)
    })())
}

pub(super) fn send(
    context: Context<'_>,
    fd: u32,
    list: i32,
    count: i32,
    flags: i32,
    out: i32,
) -> i32 {
    Errno::of(sent(context, fd, (list, count), flags, None, out))
}

pub(super) fn send_to(
    context: Context<'_>,
    fd: u32,
    list: i32,
    count: i32,
    flags: i32,
    to: i32,
    out: i32,
) -> i32 {
    Errno::of(sent(context, fd, (list, count), flags, Some(to), out))
}

/// Sends, and writes how many bytes went to `out`.
fn sent(
    mut context: Context<'_>,
    fd: u32,
    (list, count): (i32, i32),
    flags: i32,
    to: Option<i32>,
    out: i32,
) -> Result<(), Errno> {
    if flags != 0 {
        return Err(Errno::Notsup);
    }
    load::<4>(&context, place(out), 0)?;
    let mut bytes = Vec::new();
    for (at, len) in buffers(&context, list, count)? {
        bytes.extend(bytes_at(&context, at, len)?);
    }
    let family = sockets(&mut context)?.socket(fd)?.family;
    let to = to.map(|to| address::read(&context, to, family)).transpose()?;
    let control = Arc::clone(&context.data().control);
    let sockets = sockets(&mut context)?;
    if let Some(to) = to {
        sockets.check("a datagram", to)?;
        // Which is what makes the socket, if nothing was sent from it before.
        sockets.socket(fd)?.datagrams()?;
    }
    let timeout = sockets.socket(fd)?.send_timeout;
    let sent = match sockets.channel(fd)? {
        Channel::Stream(stream) => stream.send(&bytes, timeout, &control)?,
        Channel::Datagrams(datagrams) => datagrams.send(&bytes, to, timeout, &control)?,
    };
    let sent = u32::try_from(sent).map_err(|_| Errno::Io)?;
    store(&context, place(out), 0, &sent.to_le_bytes())
}
