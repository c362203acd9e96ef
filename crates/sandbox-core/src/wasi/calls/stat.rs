//! Attributes of files, and their times.

use super::{Call, Errno, Version, descriptors};
use crate::wasi::clock::ClockSource;
use crate::wasi::fs::{Follow, SetTime, SetTimes, Stat};
use crate::wasi::rights::Rights;
use crate::wasi::table::Kind;

/// Follow a link at the end of a path.
const FOLLOW: u32 = 1;

const SET_ACCESSED: u32 = 1;
const SET_ACCESSED_NOW: u32 = 1 << 1;
const SET_MODIFIED: u32 = 1 << 2;
const SET_MODIFIED_NOW: u32 = 1 << 3;

/// The description of something that is no file.
const NOT_A_FILE: Stat = Stat {
    device: 0,
    inode: 0,
    kind: crate::wasi::fs::Kind::Unknown,
    links: 1,
    size: 0,
    accessed: 0,
    modified: 0,
    changed: 0,
};

/// Way in which a path is looked up.
///
/// # Errors
/// [`Errno::Inval`] for flags that there are not.
pub(super) fn follow(flags: u32) -> Result<Follow, Errno> {
    match flags {
        0 => Ok(Follow::Never),
        FOLLOW => Ok(Follow::Links),
        _ => Err(Errno::Inval),
    }
}

pub(super) fn fd_filestat_get(
    call: &mut Call<'_>,
    fd: u32,
    out: u32,
    version: Version,
) -> Result<(), Errno> {
    let descriptor = call.state.table.get(fd)?;
    if !matches!(descriptor.kind, Kind::Socket(_)) {
        descriptor.require(Rights::FD_FILESTAT_GET)?;
    }
    let stat = match &descriptor.kind {
        Kind::File { file, .. } => file.stat()?,
        Kind::Folder { folder, .. } => folder.stat()?,
        // Different numbers for different things, and none of them zero.
        Kind::Input { .. } | Kind::Reader(_) => Stat { inode: 1, ..NOT_A_FILE },
        Kind::Output(name) => Stat { inode: 2 + *name as u64, ..NOT_A_FILE },
        Kind::Socket(_) => Stat { inode: 4 + u64::from(fd), ..NOT_A_FILE },
    };
    let mut bytes = written(&stat, &call.state.clock);
    bytes[16] = descriptors::file_type(&descriptor.kind);
    store(call, out, &bytes, version)
}

pub(super) fn path_filestat_get(
    call: &mut Call<'_>,
    fd: u32,
    flags: u32,
    path: u32,
    len: u32,
    out: u32,
    version: Version,
) -> Result<(), Errno> {
    let folder = call.state.table.get(fd)?.as_folder(Rights::PATH_FILESTAT_GET)?;
    let stat = folder.stat_at(call.memory.path(path, len)?, follow(flags)?)?;
    let bytes = written(&stat, &call.state.clock);
    store(call, out, &bytes, version)
}

/// The description as preview 1 lays it out.
fn written(stat: &Stat, clock: &ClockSource) -> [u8; 64] {
    let mut bytes = [0; 64];
    let mut put = |at: usize, number: u64| {
        bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
    };
    put(0, stat.device);
    put(8, stat.inode);
    put(16, u64::from(stat.kind as u8));
    put(24, stat.links);
    put(32, stat.size);
    put(40, clock.file_time(stat.accessed));
    put(48, clock.file_time(stat.modified));
    put(56, clock.file_time(stat.changed));
    bytes
}

fn store(call: &mut Call<'_>, out: u32, bytes: &[u8; 64], version: Version) -> Result<(), Errno> {
    match version {
        Version::Preview1 => call.memory.store(out, 0, bytes),
        // The number of links had 32 bits, right behind the kind.
        Version::Unstable => {
            let mut older = [0; 56];
            older[..20].copy_from_slice(&bytes[..20]);
            older[20..24].copy_from_slice(&bytes[24..28]);
            older[24..].copy_from_slice(&bytes[32..]);
            call.memory.store(out, 0, &older)
        }
    }
}

/// # Errors
/// [`Errno::Inval`] for flags that there are not, and those that contradict each other.
fn times(accessed: u64, modified: u64, how: u32) -> Result<SetTimes, Errno> {
    const ALL: u32 = SET_ACCESSED | SET_ACCESSED_NOW | SET_MODIFIED | SET_MODIFIED_NOW;
    if how & !ALL != 0 {
        return Err(Errno::Inval);
    }
    let time = |set: u32, set_now: u32, time: u64| match (how & set != 0, how & set_now != 0) {
        (false, false) => Ok(SetTime::Keep),
        (false, true) => Ok(SetTime::Now),
        (true, false) => Ok(SetTime::To(time)),
        (true, true) => Err(Errno::Inval),
    };
    Ok(SetTimes {
        accessed: time(SET_ACCESSED, SET_ACCESSED_NOW, accessed)?,
        modified: time(SET_MODIFIED, SET_MODIFIED_NOW, modified)?,
    })
}

pub(super) fn fd_filestat_set_times(
    call: &mut Call<'_>,
    fd: u32,
    accessed: u64,
    modified: u64,
    how: u32,
) -> Result<(), Errno> {
    let descriptor = call.state.table.get(fd)?;
    let times = times(accessed, modified, how)?;
    match &descriptor.kind {
        Kind::File { file, .. } => {
            descriptor.require(Rights::FD_FILESTAT_SET_TIMES)?;
            file.set_times(times)
        }
        Kind::Folder { folder, .. } => {
            descriptor.require(Rights::FD_FILESTAT_SET_TIMES)?;
            folder.set_times(times)
        }
        Kind::Input { .. } | Kind::Reader(_) | Kind::Output(_) | Kind::Socket(_) => {
            Err(Errno::NotSup)
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "WASI gives it so many")]
pub(super) fn path_filestat_set_times(
    call: &mut Call<'_>,
    fd: u32,
    flags: u32,
    path: u32,
    len: u32,
    accessed: u64,
    modified: u64,
    how: u32,
) -> Result<(), Errno> {
    let folder = call.state.table.get(fd)?.as_folder(Rights::PATH_FILESTAT_SET_TIMES)?;
    let path = call.memory.path(path, len)?;
    folder.set_times_at(path, follow(flags)?, times(accessed, modified, how)?)
}
