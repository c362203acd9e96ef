//! An open file of a guest.

use std::io::{IoSlice, IoSliceMut};
use super::*;

/// What is on the disk when a write returns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Durability {
    #[default]
    Eventual,
    /// The data (`fdflags::dsync`).
    Data,
    /// The data and what is known of the file (`fdflags::sync`).
    All,
}

/// What an append did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    /// How many bytes were written.
    pub(crate) written: usize,
    /// The file's end after them, where the position of the descriptor now is.
    pub(crate) end: u64,
}

/// Open file of a guest, without a position: each operation says where. Whether the descriptor may read or write is the
/// caller's to know.
#[derive(Debug)]
pub(crate) struct File {}

/// What a template keeps of an open file in memory; [`FileSystem::reopen_file`] makes it one again.
#[derive(Debug, Clone)]
pub(crate) struct SavedFile {}

impl File {
    /// Reads into the buffers in turn; less than their length at the end of the file, or for a good many buffers.
    pub(crate) fn read_at(&self, buffers: &mut [IoSliceMut<'_>], offset: u64) -> Result<usize> { todo!() }

    /// Writes what is in the buffers. Bytes between the end of the file and `offset` become zero.
    ///
    /// # Errors
    /// [`Errno::NoSpc`] if not one byte fits the budget, [`Errno::FBig`] beyond the largest file.
    pub(crate) fn write_at(&self, buffers: &[IoSlice<'_>], offset: u64, durability: Durability) -> Result<usize> { todo!() }

    /// Writes what is in the buffers at the file's end, wherever that is now, in one piece.
    pub(crate) fn append(&self, buffers: &[IoSlice<'_>], durability: Durability) -> Result<Appended> { todo!() }

    /// Tells what is known of the file.
    pub(crate) fn stat(&self) -> Result<Stat> { todo!() }

    /// Cuts the file, or enlarges it with zeros, which take no room in memory.
    pub(crate) fn set_len(&self, len: u64) -> Result<()> { todo!() }

    /// Makes room for that part of the file and enlarges it if it ends before. A length of zero is [`Errno::Inval`].
    pub(crate) fn allocate(&self, offset: u64, len: u64) -> Result<()> { todo!() }

    /// Sets the file's times.
    pub(crate) fn set_times(&self, times: SetTimes) -> Result<()> { todo!() }

    /// Waits until the file is on the disk; with [`Durability::Data`] only what is needed to read it.
    pub(crate) fn sync(&self, durability: Durability) -> Result<()> { todo!() }

    /// Keeps the file for a template; nothing if it is the host's.
    pub(crate) fn save(&self) -> Option<SavedFile> { todo!() }
}
