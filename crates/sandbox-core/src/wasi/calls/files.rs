//! Functions of open files that move no bytes.

use super::{Call, Errno, Version};
use crate::wasi::fs::{Advice, Durability, File};
use crate::wasi::rights::Rights;
use crate::wasi::state::State;
use crate::wasi::table::{Descriptor, Kind};

/// From where a position is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whence {
    Start,
    Current,
    End,
}

impl Whence {
    fn of(number: u32, version: Version) -> Result<Self, Errno> {
        match (version, number) {
            (Version::Preview1, 0) | (Version::Unstable, 2) => Ok(Self::Start),
            (Version::Preview1, 1) | (Version::Unstable, 0) => Ok(Self::Current),
            (Version::Preview1, 2) | (Version::Unstable, 1) => Ok(Self::End),
            _ => Err(Errno::Inval),
        }
    }
}

/// Advice that a guest may give about how it will use a file, by number.
const ADVICE: [Advice; 6] = [
    Advice::Normal,
    Advice::Sequential,
    Advice::Random,
    Advice::WillNeed,
    Advice::DontNeed,
    Advice::NoReuse,
];

impl Descriptor {
    /// The file that it is.
    ///
    /// # Errors
    /// What a descriptor without a position says to a function of positions.
    fn as_file(&self) -> Result<&File, Errno> {
        match &self.kind {
            Kind::File { file, .. } => Ok(file),
            Kind::Folder { .. } => Err(Errno::IsDir),
            Kind::Input { .. } | Kind::Reader(_) | Kind::Output(_) | Kind::Socket(_) => {
                Err(Errno::SPipe)
            }
        }
    }

    /// The file that it is, to be changed.
    fn as_written_file(&self, rights: Rights) -> Result<&File, Errno> {
        let file = match &self.kind {
            Kind::File { file, .. } => file,
            Kind::Folder { .. } => return Err(Errno::IsDir),
            Kind::Input { .. } | Kind::Reader(_) | Kind::Output(_) | Kind::Socket(_) => {
                return Err(Errno::Inval);
            }
        };
        if !self.rights.contains(Rights::FD_WRITE) {
            return Err(Errno::BadF);
        }
        self.require(rights)?;
        Ok(file)
    }
}

pub(super) fn advise(
    call: &mut Call<'_>,
    fd: u32,
    offset: u64,
    len: u64,
    advice: u32,
) -> Result<(), Errno> {
    let descriptor = call.state.table.get(fd)?;
    let file = descriptor.as_file()?;
    descriptor.require(Rights::FD_ADVISE)?;
    let advice = ADVICE.get(advice as usize).ok_or(Errno::Inval)?;
    if i64::try_from(offset).is_err() || i64::try_from(len).is_err() {
        return Err(Errno::Inval);
    }
    file.advise(offset, len, *advice)
}

pub(super) fn allocate(call: &mut Call<'_>, fd: u32, offset: u64, len: u64) -> Result<(), Errno> {
    call.state.table.get(fd)?.as_written_file(Rights::FD_ALLOCATE)?.allocate(offset, len)
}

pub(super) fn set_size(call: &mut Call<'_>, fd: u32, size: u64) -> Result<(), Errno> {
    call.state.table.get(fd)?.as_written_file(Rights::FD_FILESTAT_SET_SIZE)?.set_len(size)
}

pub(super) fn sync(call: &mut Call<'_>, fd: u32) -> Result<(), Errno> {
    store(call.state, fd, Rights::FD_SYNC, Durability::All)
}

pub(super) fn datasync(call: &mut Call<'_>, fd: u32) -> Result<(), Errno> {
    store(call.state, fd, Rights::FD_DATASYNC, Durability::Data)
}

fn store(state: &State, fd: u32, rights: Rights, durability: Durability) -> Result<(), Errno> {
    let descriptor = state.table.get(fd)?;
    match &descriptor.kind {
        Kind::File { file, .. } => {
            descriptor.require(rights)?;
            file.sync(durability)
        }
        Kind::Folder { folder, .. } => {
            descriptor.require(rights)?;
            folder.sync()
        }
        Kind::Input { .. } | Kind::Reader(_) | Kind::Output(_) | Kind::Socket(_) => {
            Err(Errno::Inval)
        }
    }
}

pub(super) fn seek(
    call: &mut Call<'_>,
    fd: u32,
    offset: i64,
    whence: u32,
    out: u32,
    version: Version,
) -> Result<(), Errno> {
    let descriptor = call.state.table.get_mut(fd)?;
    descriptor.as_file()?;
    let whence = Whence::of(whence, version)?;
    // To ask where it is takes less than to go elsewhere.
    let only_tells = whence == Whence::Current && offset == 0;
    descriptor.require(if only_tells { Rights::FD_TELL } else { Rights::FD_SEEK })?;
    call.memory.check(out, 8)?;
    let Kind::File { file, position } = &mut descriptor.kind else { return Err(Errno::BadF) };
    let from = match whence {
        Whence::Start => 0,
        Whence::Current => *position,
        Whence::End => file.stat()?.size,
    };
    let to = from.checked_add_signed(offset).filter(|to| i64::try_from(*to).is_ok());
    *position = to.ok_or(Errno::Inval)?;
    call.memory.store(out, 0, &position.to_le_bytes())
}

pub(super) fn tell(call: &mut Call<'_>, fd: u32, out: u32) -> Result<(), Errno> {
    let descriptor = call.state.table.get(fd)?;
    descriptor.as_file()?;
    descriptor.require(Rights::FD_TELL)?;
    let Kind::File { position, .. } = &descriptor.kind else { return Err(Errno::BadF) };
    call.memory.store(out, 0, &position.to_le_bytes())
}
