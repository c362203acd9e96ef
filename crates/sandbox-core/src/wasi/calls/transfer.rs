//! Reading and writing: `fd_read`, `fd_write`, and the same at a place.
//!
//! The guest sizes both the list of buffers and each of them. So between portions, and between some thousand buffers,
//! however empty, it is looked whether the call is to stop. What was moved by then counts: an error after it comes with
//! the next call.

use std::io::{IoSlice, IoSliceMut};

use smallvec::SmallVec;

use super::{Call, Errno, look, sockets};
use crate::wasi::fs::{Durability, File};
use crate::wasi::memory::{Buffer, Buffers, Memory};
use crate::wasi::rights::Rights;
use crate::wasi::table::{Descriptor, Flags, Kind};
use crate::watchdog::CallControl;

/// Number of bytes that are moved at once.
const PORTION_BYTES: u32 = 4 << 20;

/// Number of buffers that are given to the host at once: as many as Linux takes.
const MOST_AT_ONCE: usize = 1024;

/// After how many buffers it is looked whether the call is to stop.
const LOOK_EVERY: u32 = 4096;

/// Where in a file bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Destination {
    At(u64),
    End,
}

impl Descriptor {
    /// # Errors
    /// [`Errno::BadF`] if it is not for that direction.
    fn require_direction(&self, direction: Rights) -> Result<(), Errno> {
        match self.kind {
            Kind::Folder { .. } => Err(Errno::IsDir),
            _ if self.rights.contains(direction) => Ok(()),
            _ => Err(Errno::BadF),
        }
    }

    /// The file that it is, to be read or written at a place.
    fn at_a_place(&self, direction: Rights, offset: u64) -> Result<&File, Errno> {
        match &self.kind {
            Kind::Input { .. } | Kind::Reader(_) | Kind::Output(_) | Kind::Socket(_) => {
                Err(Errno::SPipe)
            }
            Kind::Folder { .. } => Err(Errno::IsDir),
            Kind::File { file, .. } => {
                self.require_direction(direction)?;
                // Positions are signed on the host.
                i64::try_from(offset).map_err(|_| Errno::Inval)?;
                Ok(file)
            }
        }
    }
}

pub(super) fn read(
    call: &mut Call<'_>,
    fd: u32,
    list: u32,
    count: u32,
    out: u32,
) -> Result<(), Errno> {
    let descriptor = call.state.table.get_mut(fd)?;
    descriptor.require_direction(Rights::FD_READ)?;
    if let Kind::Socket(_) = descriptor.kind {
        return sockets::transfer::read(call, fd, list, count, out);
    }
    let memory = &mut call.memory;
    memory.check(out, 4)?;
    let buffers = memory.buffers(list, count)?;
    let moved = match &mut descriptor.kind {
        Kind::Input { bytes, position } => fill(memory, buffers, &call.state.control, |portion| {
            let rest = bytes.get(*position..).unwrap_or_default();
            let len = rest.len().min(portion.len());
            portion[..len].copy_from_slice(&rest[..len]);
            *position += len;
            Ok(len)
        })?,
        Kind::Reader(source) => {
            fill(memory, buffers, &call.state.control, |portion| source.read(portion))?
        }
        Kind::File { file, position } => fill(memory, buffers, &call.state.control, |portion| {
            let len = file.read_at(&mut [IoSliceMut::new(portion)], *position)?;
            *position = position.saturating_add(len as u64);
            Ok(len)
        })?,
        _ => return Err(Errno::BadF),
    };
    memory.store(out, 0, &moved.to_le_bytes())
}

pub(super) fn pread(
    call: &mut Call<'_>,
    fd: u32,
    list: u32,
    count: u32,
    offset: u64,
    out: u32,
) -> Result<(), Errno> {
    let Call { state, memory } = call;
    let file = state.table.get(fd)?.at_a_place(Rights::FD_READ, offset)?;
    memory.check(out, 4)?;
    let buffers = memory.buffers(list, count)?;
    let mut position = offset;
    let moved = fill(memory, buffers, &state.control, |portion| {
        let len = file.read_at(&mut [IoSliceMut::new(portion)], position)?;
        position = position.saturating_add(len as u64);
        Ok(len)
    })?;
    memory.store(out, 0, &moved.to_le_bytes())
}

pub(super) fn write(
    call: &mut Call<'_>,
    fd: u32,
    list: u32,
    count: u32,
    out: u32,
) -> Result<(), Errno> {
    let descriptor = call.state.table.get(fd)?;
    descriptor.require_direction(Rights::FD_WRITE)?;
    if let Kind::Output(name) = descriptor.kind {
        let Call { state, memory } = call;
        memory.check(out, 4)?;
        let buffers = memory.buffers(list, count)?;
        let moved = drain(memory, buffers, &state.control, |portions| {
            portions.iter().try_for_each(|portion| state.output.write(name, portion))?;
            Ok(portions.iter().map(|portion| portion.len()).sum())
        })?;
        return memory.store(out, 0, &moved.to_le_bytes());
    }
    call.state.note_change();
    if let Kind::Socket(_) = call.state.table.get(fd)?.kind {
        return sockets::transfer::send(call, fd, list, count, 0, out);
    }
    let Call { state, memory } = call;
    memory.check(out, 4)?;
    let buffers = memory.buffers(list, count)?;
    let descriptor = state.table.get_mut(fd)?;
    let (flags, Kind::File { file, position }) = (descriptor.flags, &mut descriptor.kind) else {
        return Err(Errno::BadF);
    };
    let appends = flags.contains(Flags::APPEND);
    let moved = drain(memory, buffers, &state.control, |portions| {
        let destination = if appends { Destination::End } else { Destination::At(*position) };
        let (len, end) = put(file, portions, destination, flags.durability())?;
        *position = end;
        Ok(len)
    })?;
    memory.store(out, 0, &moved.to_le_bytes())
}

pub(super) fn pwrite(
    call: &mut Call<'_>,
    fd: u32,
    list: u32,
    count: u32,
    offset: u64,
    out: u32,
) -> Result<(), Errno> {
    let Call { state, memory } = call;
    let descriptor = state.table.get(fd)?;
    let file = descriptor.at_a_place(Rights::FD_WRITE, offset)?;
    memory.check(out, 4)?;
    let buffers = memory.buffers(list, count)?;
    let appends = descriptor.flags.contains(Flags::APPEND);
    let mut position = offset;
    let moved = drain(memory, buffers, &state.control, |portions| {
        // As on Linux.
        let destination = if appends { Destination::End } else { Destination::At(position) };
        let (len, end) = put(file, portions, destination, descriptor.flags.durability())?;
        position = end;
        Ok(len)
    })?;
    memory.store(out, 0, &moved.to_le_bytes())
}

/// Writes to a file, and tells how much and where that ends.
fn put(
    file: &File,
    portions: &[IoSlice<'_>],
    destination: Destination,
    durability: Durability,
) -> Result<(usize, u64), Errno> {
    match destination {
        Destination::At(position) => {
            let len = file.write_at(portions, position, durability)?;
            Ok((len, position.saturating_add(len as u64)))
        }
        Destination::End => {
            let appended = file.append(portions, durability)?;
            Ok((appended.written, appended.end))
        }
    }
}

/// Fills buffers until `more` has less than there is room for.
fn fill(
    memory: &mut Memory<'_>,
    buffers: Buffers,
    control: &CallControl,
    mut more: impl FnMut(&mut [u8]) -> Result<usize, Errno>,
) -> Result<u32, Errno> {
    let mut moved = 0u32;
    for index in 0..buffers.count {
        if index % LOOK_EVERY == LOOK_EVERY - 1 {
            look(control)?;
        }
        let Buffer { mut at, len } = match memory.buffer(buffers, index) {
            Ok(buffer) => buffer,
            Err(_) if moved > 0 => break,
            Err(errno) => return Err(errno),
        };
        let mut left = len.min(u32::MAX - moved);
        while left > 0 {
            let portion = memory.bytes_mut(at, left.min(PORTION_BYTES))?;
            let room = portion.len();
            let done = match more(portion) {
                Ok(done) => done.min(room),
                Err(_) if moved > 0 => return Ok(moved),
                Err(errno) => return Err(errno),
            };
            let count = u32::try_from(done).map_err(|_| Errno::Io)?;
            moved += count;
            if done < room {
                return Ok(moved);
            }
            // The last portion may end where memory does.
            at = at.wrapping_add(count);
            left -= count;
            if room as u64 == u64::from(PORTION_BYTES) {
                look(control)?;
            }
        }
    }
    Ok(moved)
}

/// Empties buffers, many at once, until `take` takes less than it was given.
fn drain(
    memory: &Memory<'_>,
    buffers: Buffers,
    control: &CallControl,
    mut take: impl FnMut(&[IoSlice<'_>]) -> Result<usize, Errno>,
) -> Result<u32, Errno> {
    let mut moved = 0u32;
    let mut portions = Portions { memory, buffers, index: 0, begun: 0, fault: None };
    loop {
        let batch = portions.next_batch(control, u32::MAX - moved)?;
        let room: usize = batch.iter().map(|portion| portion.len()).sum();
        let done = match (room, portions.fault) {
            (0, Some(errno)) if moved == 0 => return Err(errno),
            // A guest that writes nothing is told so by what it writes to.
            (0, _) if moved > 0 => return Ok(moved),
            _ => match take(&batch) {
                Ok(done) => done.min(room),
                Err(_) if moved > 0 => return Ok(moved),
                Err(errno) => return Err(errno),
            },
        };
        moved += u32::try_from(done).map_err(|_| Errno::Io)?;
        if done < room || room == 0 {
            return Ok(moved);
        }
        look(control)?;
    }
}

/// Rest of a list of buffers.
struct Portions<'a> {
    memory: &'a Memory<'a>,
    buffers: Buffers,
    /// The buffer that comes next, and how much of it was given out.
    index: u32,
    begun: u32,
    /// A buffer was not in memory.
    fault: Option<Errno>,
}

impl<'a> Portions<'a> {
    /// As much as is moved at once, and at most so many bytes.
    fn next_batch(
        &mut self,
        control: &CallControl,
        most: u32,
    ) -> Result<SmallVec<[IoSlice<'a>; 8]>, Errno> {
        let mut batch = SmallVec::new();
        let mut room = PORTION_BYTES.min(most);
        while self.index < self.buffers.count && room > 0 && batch.len() < MOST_AT_ONCE {
            if self.index % LOOK_EVERY == LOOK_EVERY - 1 {
                look(control)?;
            }
            let Buffer { at, len } = match self.memory.buffer(self.buffers, self.index) {
                Ok(buffer) => buffer,
                Err(errno) => {
                    self.fault = Some(errno);
                    break;
                }
            };
            let left = len - self.begun;
            let portion = left.min(room);
            if portion > 0 {
                let begin = at.wrapping_add(self.begun);
                batch.push(IoSlice::new(self.memory.bytes(begin, portion)?));
            }
            room -= portion;
            if portion == left {
                (self.index, self.begun) = (self.index + 1, 0);
            } else {
                self.begun += portion;
            }
        }
        Ok(batch)
    }
}
