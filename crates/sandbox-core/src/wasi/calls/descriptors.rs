//! Functions of descriptors of any kind.

use super::{Call, Errno};
use crate::wasi::fs;
use crate::wasi::rights::Rights;
use crate::wasi::state::State;
use crate::wasi::table::{Flags, Kind};

const FDSTAT_BYTES: usize = 24;
const PRESTAT_BYTES: usize = 8;

/// WASI's number of the kind of a datagram socket, which no file has.
const DATAGRAMS: u8 = 5;

pub(super) fn close(call: &mut Call<'_>, fd: u32) -> Result<(), Errno> {
    call.state.table.close(fd)
}

pub(super) fn renumber(call: &mut Call<'_>, from: u32, to: u32) -> Result<(), Errno> {
    call.state.table.renumber(from, to)
}

/// Kind of a descriptor as the guest sees it. Captured streams are none that WASI knows: neither terminal nor file.
pub(super) fn file_type(kind: &Kind) -> u8 {
    match kind {
        Kind::Input { .. } | Kind::Reader(_) | Kind::Output(_) => fs::Kind::Unknown as u8,
        Kind::File { .. } => fs::Kind::File as u8,
        Kind::Folder { .. } => fs::Kind::Folder as u8,
        Kind::Socket(socket) if socket.is_for_datagrams() => DATAGRAMS,
        Kind::Socket(_) => fs::Kind::Socket as u8,
    }
}

pub(super) fn fdstat_get(call: &mut Call<'_>, fd: u32, out: u32) -> Result<(), Errno> {
    let descriptor = call.state.table.get(fd)?;
    let mut bytes = [0; FDSTAT_BYTES];
    bytes[0] = file_type(&descriptor.kind);
    bytes[2..4].copy_from_slice(&descriptor.flags.bits().to_le_bytes());
    bytes[8..16].copy_from_slice(&descriptor.rights.bits().to_le_bytes());
    bytes[16..24].copy_from_slice(&descriptor.inheriting.bits().to_le_bytes());
    call.memory.store(out, 0, &bytes)
}

pub(super) fn fdstat_set_flags(call: &mut Call<'_>, fd: u32, flags: u32) -> Result<(), Errno> {
    let descriptor = call.state.table.get_mut(fd)?;
    let flags = Flags::from_bits(flags)?;
    descriptor.require(Rights::FD_FDSTAT_SET_FLAGS)?;
    descriptor.flags = flags;
    Ok(())
}

/// Takes rights away. None can be given.
pub(super) fn fdstat_set_rights(
    call: &mut Call<'_>,
    fd: u32,
    rights: u64,
    inheriting: u64,
) -> Result<(), Errno> {
    let descriptor = call.state.table.get_mut(fd)?;
    let (rights, inheriting) = (Rights::from_bits(rights), Rights::from_bits(inheriting));
    if !descriptor.rights.contains(rights) || !descriptor.inheriting.contains(inheriting) {
        return Err(Errno::NotCapable);
    }
    (descriptor.rights, descriptor.inheriting) = (rights, inheriting);
    Ok(())
}

/// The name of a folder that is there from the start.
fn preopened(state: &State, fd: u32) -> Result<&str, Errno> {
    match &state.table.get(fd)?.kind {
        Kind::Folder { preopened: Some(name), .. } => Ok(name),
        _ => Err(Errno::BadF),
    }
}

pub(super) fn prestat_get(call: &mut Call<'_>, fd: u32, out: u32) -> Result<(), Errno> {
    let len = u32::try_from(preopened(call.state, fd)?.len()).map_err(|_| Errno::Overflow)?;
    let mut bytes = [0; PRESTAT_BYTES];
    bytes[4..].copy_from_slice(&len.to_le_bytes());
    call.memory.store(out, 0, &bytes)
}

pub(super) fn prestat_dir_name(
    call: &mut Call<'_>,
    fd: u32,
    path: u32,
    len: u32,
) -> Result<(), Errno> {
    let name = preopened(call.state, fd)?;
    if name.len() > len as usize {
        return Err(Errno::NameTooLong);
    }
    call.memory.store(path, 0, name.as_bytes())
}
