//! Functions of paths.

use super::stat::follow;
use super::{Call, Errno};
use crate::wasi::fs::{Follow, OpenHow, Opened, Presence};
use crate::wasi::rights::Rights;
use crate::wasi::table::{Descriptor, Flags, Kind};

const CREATE: u32 = 1;
const DIRECTORY: u32 = 1 << 1;
const EXCLUSIVE: u32 = 1 << 2;
const TRUNCATE: u32 = 1 << 3;

pub(super) fn create_directory(
    call: &mut Call<'_>,
    fd: u32,
    path: u32,
    len: u32,
) -> Result<(), Errno> {
    let folder = call.state.table.get(fd)?.as_folder(Rights::PATH_CREATE_DIRECTORY)?;
    folder.create_folder(call.memory.path(path, len)?)
}

pub(super) fn remove_directory(
    call: &mut Call<'_>,
    fd: u32,
    path: u32,
    len: u32,
) -> Result<(), Errno> {
    let folder = call.state.table.get(fd)?.as_folder(Rights::PATH_REMOVE_DIRECTORY)?;
    folder.remove_folder(call.memory.path(path, len)?)
}

pub(super) fn unlink_file(call: &mut Call<'_>, fd: u32, path: u32, len: u32) -> Result<(), Errno> {
    let folder = call.state.table.get(fd)?.as_folder(Rights::PATH_UNLINK_FILE)?;
    folder.remove_file(call.memory.path(path, len)?)
}

pub(super) fn rename(
    call: &mut Call<'_>,
    from_fd: u32,
    from: u32,
    from_len: u32,
    to_fd: u32,
    to: u32,
    to_len: u32,
) -> Result<(), Errno> {
    let table = &call.state.table;
    let (source, target) = (table.get(from_fd)?, table.get(to_fd)?);
    let source = source.as_folder(Rights::PATH_RENAME_SOURCE)?;
    let target = target.as_folder(Rights::PATH_RENAME_TARGET)?;
    source.rename(call.memory.path(from, from_len)?, target, call.memory.path(to, to_len)?)
}

#[expect(clippy::too_many_arguments, reason = "WASI gives it so many")]
pub(super) fn link(
    call: &mut Call<'_>,
    from_fd: u32,
    flags: u32,
    from: u32,
    from_len: u32,
    to_fd: u32,
    to: u32,
    to_len: u32,
) -> Result<(), Errno> {
    let table = &call.state.table;
    let (source, target) = (table.get(from_fd)?, table.get(to_fd)?);
    let source = source.as_folder(Rights::PATH_LINK_SOURCE)?;
    let target = target.as_folder(Rights::PATH_LINK_TARGET)?;
    let (from, to) = (call.memory.path(from, from_len)?, call.memory.path(to, to_len)?);
    match follow(flags)? {
        Follow::Never => source.link(from, Follow::Never, target, to),
        // Other hosts refuse it, too.
        Follow::Links => Err(Errno::Inval),
    }
}

pub(super) fn symlink(
    call: &mut Call<'_>,
    target: u32,
    target_len: u32,
    fd: u32,
    path: u32,
    len: u32,
) -> Result<(), Errno> {
    let folder = call.state.table.get(fd)?.as_folder(Rights::PATH_SYMLINK)?;
    let (target, path) = (call.memory.path(target, target_len)?, call.memory.path(path, len)?);
    // It could only lead out of whatever it is in.
    if target.text().starts_with('/') {
        return Err(Errno::Perm);
    }
    folder.symlink(target, path)
}

/// Writes as much of a link's target as there is room for.
pub(super) fn read_link(
    call: &mut Call<'_>,
    fd: u32,
    path: u32,
    len: u32,
    at: u32,
    room: u32,
    out: u32,
) -> Result<(), Errno> {
    let folder = call.state.table.get(fd)?.as_folder(Rights::PATH_READLINK)?;
    call.memory.check(out, 4)?;
    call.memory.check(at, room.into())?;
    let target = folder.read_link(call.memory.path(path, len)?)?;
    let fitting = &target.as_bytes()[..target.len().min(room as usize)];
    call.memory.store(at, 0, fitting)?;
    let used = u32::try_from(fitting.len()).map_err(|_| Errno::Overflow)?;
    call.memory.store(out, 0, &used.to_le_bytes())
}

#[expect(clippy::too_many_arguments, reason = "WASI gives it so many")]
pub(super) fn open(
    call: &mut Call<'_>,
    fd: u32,
    lookup: u32,
    path: u32,
    len: u32,
    how: u32,
    rights: u64,
    _inheriting: u64,
    flags: u32,
    out: u32,
) -> Result<(), Errno> {
    let table = &mut call.state.table;
    let parent = table.get(fd)?;
    let folder = parent.as_folder(Rights::PATH_OPEN)?;
    let (asked, passed_on) = (Rights::from_bits(rights), parent.inheriting);
    let how = open_how(lookup, how, asked)?;
    let flags = Flags::from_bits(flags)?;
    if how.presence != Presence::Required {
        parent.require(Rights::PATH_CREATE_FILE)?;
    }
    if how.truncate {
        parent.require(Rights::PATH_FILESTAT_SET_SIZE)?;
    }
    if !passed_on.contains(asked & Rights::DIRECTIONS) {
        return Err(Errno::NotCapable);
    }
    let path = call.memory.path(path, len)?;
    call.memory.check(out, 4)?;
    table.free()?;
    let opened = match folder.open(path, how)? {
        Opened::File(file) => Descriptor {
            kind: Kind::File { file, position: 0 },
            rights: Rights::of_file(asked) & passed_on,
            inheriting: Rights::NONE,
            flags,
        },
        Opened::Folder(folder) => {
            Descriptor::folder(folder, None, Rights::FOLDER & passed_on, passed_on)
        }
    };
    let fd = table.open(opened)?;
    call.memory.store(out, 0, &fd.to_le_bytes())
}

/// # Errors
/// [`Errno::Inval`] for flags that there are not, and those that contradict each other.
fn open_how(lookup: u32, how: u32, asked: Rights) -> Result<OpenHow, Errno> {
    if how & !(CREATE | DIRECTORY | EXCLUSIVE | TRUNCATE) != 0 {
        return Err(Errno::Inval);
    }
    let presence = match (how & CREATE != 0, how & EXCLUSIVE != 0) {
        (false, _) => Presence::Required,
        (true, false) => Presence::Created,
        (true, true) => Presence::Exclusive,
    };
    let truncate = how & TRUNCATE != 0;
    let folder_only = how & DIRECTORY != 0;
    if folder_only && how != DIRECTORY {
        return Err(Errno::Inval);
    }
    Ok(OpenHow {
        follow: follow(lookup)?,
        presence,
        folder_only,
        truncate,
        read: asked.contains(Rights::FD_READ),
        write: asked.wants_to_write() || truncate,
    })
}
