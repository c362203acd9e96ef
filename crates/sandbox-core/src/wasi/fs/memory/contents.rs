//! Contents of a file in memory: chunks, of which those that were never written are not there.

use std::collections::BTreeMap;
use std::io::{IoSlice, IoSliceMut};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::{Errno, Result};

/// Size of a chunk: small enough to be copied when a snapshot shares it, large enough to need few.
const CHUNK_BYTES: usize = 1 << 16;

/// The least that a chunk beyond the first counts, since its place in the file takes memory as well.
const LEAST_BYTES: u64 = 1024;

/// The largest file of any file system.
const LARGEST: u64 = i64::MAX as u64;

/// Budget of memory: how much may be kept, and how much is.
#[derive(Debug)]
pub(super) struct Budget<'a> {
    pub(super) used_bytes: &'a mut u64,
    pub(super) limit_bytes: u64,
}

impl Budget<'_> {
    fn available(&self) -> u64 {
        self.limit_bytes.saturating_sub(*self.used_bytes)
    }

    /// Takes a share; nothing changes if there is not so much.
    pub(super) fn charge(&mut self, bytes: u64) -> Result<()> {
        if bytes > self.available() {
            return Err(Errno::NoSpc);
        }
        *self.used_bytes += bytes;
        Ok(())
    }

    pub(super) fn release(&mut self, bytes: u64) {
        *self.used_bytes = self.used_bytes.saturating_sub(bytes);
    }
}

/// Contents of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Contents {
    len: u64,
    chunks: BTreeMap<u64, Arc<Chunk>>,
}

/// Part of a file. What it does not have to its full size is zero.
#[derive(Debug, Clone, Default)]
struct Chunk {
    bytes: Vec<u8>,
    charged: u64,
}

impl Chunk {
    /// Makes room for `len` bytes, or for as many as the budget allows. Returns for how many.
    fn make_room(&mut self, index: u64, len: usize, budget: &mut Budget<'_>) -> usize {
        let least = if index == 0 { 0 } else { LEAST_BYTES };
        if self.charged >= len as u64 && self.bytes.capacity() >= len {
            return len;
        }
        // Twice what is there, so that many small writes copy little; else exactly what is asked for, else what is left.
        let generous = len.max((self.bytes.len() * 2).min(CHUNK_BYTES));
        for wanted in [generous, len] {
            let charge = (wanted as u64).max(least).saturating_sub(self.charged);
            if budget.charge(charge).is_ok() {
                self.charged += charge;
                return self.reserve(wanted).min(len);
            }
        }
        let affordable = self.charged + budget.available();
        if affordable < least {
            return self.bytes.len();
        }
        let wanted = usize::try_from(affordable).unwrap_or(usize::MAX).min(len);
        let charge = (wanted as u64).max(least).saturating_sub(self.charged);
        if budget.charge(charge).is_err() {
            return self.bytes.len();
        }
        self.charged += charge;
        self.reserve(wanted)
    }

    /// Reserves memory for `len` bytes; without it, there is room for what is there.
    fn reserve(&mut self, len: usize) -> usize {
        match self.bytes.try_reserve_exact(len.saturating_sub(self.bytes.len())) {
            Ok(()) => len,
            Err(_) => self.bytes.len(),
        }
    }
}

/// Splits a place in a file into the chunk that it is in and the place there.
fn split(offset: u64) -> (u64, usize) {
    let within = usize::try_from(offset % CHUNK_BYTES as u64).unwrap_or_default();
    (offset / CHUNK_BYTES as u64, within)
}

impl Contents {
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Part of a budget that the contents take.
    pub(super) fn charged(&self) -> u64 {
        self.chunks.values().map(|chunk| chunk.charged).sum()
    }

    /// Reads what there is from `offset` on.
    pub(super) fn read(&self, buffers: &mut [IoSliceMut<'_>], offset: u64) -> usize {
        let mut total = 0;
        let mut at = offset;
        for buffer in buffers {
            let mut rest = &mut buffer[..];
            while !rest.is_empty() && at < self.len {
                let (index, within) = split(at);
                let left = usize::try_from(self.len - at).unwrap_or(usize::MAX);
                let count = rest.len().min(CHUNK_BYTES - within).min(left);
                let (part, after) = rest.split_at_mut(count);
                let there = self.chunks.get(&index).map_or(&[][..], |chunk| &chunk.bytes);
                let known = there.get(within..).unwrap_or_default();
                let copied = known.len().min(count);
                part[..copied].copy_from_slice(&known[..copied]);
                part[copied..].fill(0);
                rest = after;
                at += count as u64;
                total += count;
            }
        }
        total
    }

    /// Writes from `offset` on as much as the budget allows.
    pub(super) fn write(
        &mut self,
        buffers: &[IoSlice<'_>],
        offset: u64,
        budget: &mut Budget<'_>,
    ) -> Result<usize> {
        if buffers.iter().all(|buffer| buffer.is_empty()) {
            return Ok(0);
        }
        if offset >= LARGEST {
            return Err(Errno::FBig);
        }
        if offset >= budget.limit_bytes {
            return Err(Errno::NoSpc);
        }
        let (mut at, mut total) = (offset, 0);
        'all: for buffer in buffers {
            let mut rest = &buffer[..];
            while !rest.is_empty() {
                let (index, within) = split(at);
                let wanted = rest.len().min(CHUNK_BYTES - within);
                let room = self.make_room(index, within + wanted, budget);
                let count = room.saturating_sub(within).min(wanted);
                if count == 0 {
                    break 'all;
                }
                let chunk = self.chunk(index);
                if chunk.bytes.len() < within + count {
                    chunk.bytes.resize(within + count, 0);
                }
                chunk.bytes[within..within + count].copy_from_slice(&rest[..count]);
                rest = &rest[count..];
                at += count as u64;
                total += count;
                self.len = self.len.max(at);
                if count < wanted {
                    break 'all;
                }
            }
        }
        if total == 0 { Err(Errno::NoSpc) } else { Ok(total) }
    }

    /// Makes the file end at `len`. What is new is zero and takes no room; but no file is longer than the budget.
    pub(super) fn set_len(&mut self, len: u64, budget: &mut Budget<'_>) -> Result<()> {
        if len > LARGEST {
            return Err(Errno::FBig);
        }
        if len > budget.limit_bytes && len > self.len {
            return Err(Errno::NoSpc);
        }
        if len < self.len {
            let (index, within) = split(len);
            let mut beyond = self.chunks.split_off(&index);
            if within > 0
                && let Some(mut last) = beyond.remove(&index)
            {
                let chunk = Arc::make_mut(&mut last);
                chunk.bytes.truncate(within);
                chunk.bytes.shrink_to_fit();
                let least = if index == 0 { 0 } else { LEAST_BYTES };
                let charge = (chunk.bytes.len() as u64).max(least).min(chunk.charged);
                budget.release(chunk.charged - charge);
                chunk.charged = charge;
                self.chunks.insert(index, last);
            }
            budget.release(beyond.values().map(|chunk| chunk.charged).sum());
        }
        self.len = len;
        Ok(())
    }

    /// Keeps room for a part of the file, all of it or none, and makes the file at least so long.
    pub(super) fn allocate(
        &mut self,
        offset: u64,
        len: u64,
        budget: &mut Budget<'_>,
    ) -> Result<()> {
        let end = offset.checked_add(len).filter(|end| *end <= LARGEST).ok_or(Errno::FBig)?;
        if end > budget.limit_bytes {
            return Err(Errno::NoSpc);
        }
        let mut needed = 0;
        for (index, until) in parts(offset, end) {
            let charged = self.chunks.get(&index).map_or(0, |chunk| chunk.charged);
            let least = if index == 0 { 0 } else { LEAST_BYTES };
            needed += (until as u64).max(least).saturating_sub(charged);
        }
        if needed > budget.available() {
            return Err(Errno::NoSpc);
        }
        // Only counted: what nobody writes is zero without being there, however much it is.
        for (index, until) in parts(offset, end) {
            let least = if index == 0 { 0 } else { LEAST_BYTES };
            let chunk = self.chunk(index);
            let charge = (until as u64).max(least).saturating_sub(chunk.charged);
            budget.charge(charge)?;
            chunk.charged += charge;
        }
        self.len = self.len.max(end);
        Ok(())
    }

    /// Makes room in a chunk, which is there afterwards if it has any.
    fn make_room(&mut self, index: u64, len: usize, budget: &mut Budget<'_>) -> usize {
        if let Some(chunk) = self.chunks.get_mut(&index) {
            return Arc::make_mut(chunk).make_room(index, len, budget);
        }
        let mut chunk = Chunk::default();
        let room = chunk.make_room(index, len, budget);
        if chunk.charged > 0 {
            self.chunks.insert(index, Arc::new(chunk));
        }
        room
    }

    fn chunk(&mut self, index: u64) -> &mut Chunk {
        Arc::make_mut(self.chunks.entry(index).or_default())
    }
}

/// A file as it is written out of the process: where its chunks are and how long they are. What they hold is beside the record.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContentsRecord {
    len: u64,
    chunks: Vec<ChunkRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChunkRecord {
    index: u64,
    len: u64,
    charged: u64,
}

impl Contents {
    /// Writes where the chunks are, and to `all` what they hold.
    pub(super) fn written(&self, all: &mut Vec<u8>) -> ContentsRecord {
        let chunks = self.chunks.iter().map(|(index, chunk)| {
            all.extend_from_slice(&chunk.bytes);
            let (len, charged) = (chunk.bytes.len() as u64, chunk.charged);
            ChunkRecord { index: *index, len, charged }
        });
        ContentsRecord { len: self.len, chunks: chunks.collect() }
    }

    /// Reads contents that were written, or `None` if there can be none such.
    pub(super) fn of(record: ContentsRecord, all: &mut &[u8]) -> Option<Self> {
        if record.len > LARGEST {
            return None;
        }
        let mut contents = Self { len: record.len, ..Self::default() };
        for ChunkRecord { index, len, charged } in record.chunks {
            let len = usize::try_from(len).ok()?;
            let is_possible = index <= LARGEST / CHUNK_BYTES as u64
                && len <= CHUNK_BYTES
                && (len as u64..=CHUNK_BYTES as u64).contains(&charged);
            let bytes = all.split_off(..len).filter(|_| is_possible)?.to_vec();
            if contents.chunks.insert(index, Arc::new(Chunk { bytes, charged })).is_some() {
                return None;
            }
        }
        Some(contents)
    }
}

/// The chunks of a part of a file, each with how long it has to be.
fn parts(offset: u64, end: u64) -> impl Iterator<Item = (u64, usize)> {
    let first = offset / CHUNK_BYTES as u64;
    let last = end.saturating_sub(1) / CHUNK_BYTES as u64;
    (first..=last).map(move |index| {
        let until = end - index * CHUNK_BYTES as u64;
        (index, usize::try_from(until).unwrap_or(usize::MAX).min(CHUNK_BYTES))
    })
}

#[cfg(test)]
mod tests;
