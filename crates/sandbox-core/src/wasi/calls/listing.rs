//! `fd_readdir`: the names in a folder.
//!
//! A listing is taken when a guest begins with a folder, and kept with its descriptor. So what is added or removed
//! while the guest goes through it makes nothing appear twice or not at all.

use std::sync::Arc;

use super::{Call, Errno, look};
use crate::wasi::fs::Entry;
use crate::wasi::rights::Rights;
use crate::wasi::table::Kind;

const HEADER_BYTES: usize = 24;

/// After how many entries it is looked whether the call is to stop.
const LOOK_EVERY: u64 = 4096;

/// Writes entries from that one on. The last may be cut where the room ends; a guest that finds the room full asks again.
pub(super) fn readdir(
    call: &mut Call<'_>,
    fd: u32,
    at: u32,
    len: u32,
    cookie: u64,
    out: u32,
) -> Result<(), Errno> {
    let Call { state, memory } = call;
    let descriptor = state.table.get_mut(fd)?;
    descriptor.as_folder(Rights::FD_READDIR)?;
    memory.check(out, 4)?;
    memory.check(at, len.into())?;
    let Kind::Folder { folder, listing, .. } = &mut descriptor.kind else {
        return Err(Errno::NotDir);
    };
    if cookie == 0 {
        *listing = None;
    }
    let listing = match listing {
        Some(listing) => listing,
        None => listing.insert(Arc::new(folder.list()?)),
    };
    let room = memory.bytes_mut(at, len)?;
    let mut used = 0;
    let mut position = cookie;
    while used < room.len()
        && let Some(entry) = listing.entry(position)
    {
        if position % LOOK_EVERY == LOOK_EVERY - 1 {
            look(&state.control)?;
        }
        // There is an entry, so it is not the last number.
        position += 1;
        for part in [&header(entry, position)?[..], entry.name.as_bytes()] {
            let fitting = part.len().min(room.len() - used);
            room[used..used + fitting].copy_from_slice(&part[..fitting]);
            used += fitting;
        }
    }
    let used = u32::try_from(used).map_err(|_| Errno::Overflow)?;
    memory.store(out, 0, &used.to_le_bytes())
}

/// Bytes that stand before a name. `next` is the cookie of the entry after it.
fn header(entry: Entry<'_>, next: u64) -> Result<[u8; HEADER_BYTES], Errno> {
    let mut bytes = [0; HEADER_BYTES];
    let len = u32::try_from(entry.name.len()).map_err(|_| Errno::Overflow)?;
    bytes[..8].copy_from_slice(&next.to_le_bytes());
    bytes[8..16].copy_from_slice(&entry.inode.to_le_bytes());
    bytes[16..20].copy_from_slice(&len.to_le_bytes());
    bytes[20] = entry.kind as u8;
    Ok(bytes)
}
