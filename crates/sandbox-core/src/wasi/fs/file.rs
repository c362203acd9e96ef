//! An open file of a guest.

use std::io::{IoSlice, IoSliceMut};
use std::sync::Arc;

use super::bundled::BundledFile;
use super::host::HostFile;
use super::memory::NodeId;
use super::shared::{Handle, Shared};
use super::{Errno, Result, SetTimes, Stat};

/// Part of a write that is on the disk when it returns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Durability {
    #[default]
    Eventual,
    /// The data (`fdflags::dsync`).
    Data,
    /// The data and what is known of the file (`fdflags::sync`).
    All,
}

/// Advice of a guest about how it will use a part of a file, with the numbers of preview 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Advice {
    Normal = 0,
    Sequential = 1,
    Random = 2,
    WillNeed = 3,
    DontNeed = 4,
    NoReuse = 5,
}

impl Advice {
    pub(super) const fn of_host(self) -> rustix::fs::Advice {
        match self {
            Self::Normal => rustix::fs::Advice::Normal,
            Self::Sequential => rustix::fs::Advice::Sequential,
            Self::Random => rustix::fs::Advice::Random,
            Self::WillNeed => rustix::fs::Advice::WillNeed,
            Self::DontNeed => rustix::fs::Advice::DontNeed,
            Self::NoReuse => rustix::fs::Advice::NoReuse,
        }
    }
}

/// Outcome of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    /// Number of bytes that were written.
    pub(crate) written: usize,
    /// The file's end after them, where the position of the descriptor now is.
    pub(crate) end: u64,
}

/// Open file of a guest, without a position: each operation says where. Whether the descriptor may read or write is the
/// caller's to know.
#[derive(Debug)]
pub(crate) struct File {
    shared: Arc<Shared>,
    storage: Storage,
}

#[derive(Debug)]
pub(super) enum Storage {
    Memory(Handle),
    Host(HostFile),
    Bundled(BundledFile),
}

/// Open file as a template keeps it; [`FileSystem::reopen_file`](super::FileSystem::reopen_file) makes it one again.
#[derive(Debug, Clone)]
pub(crate) struct SavedFile(pub(super) SavedStorage);

#[derive(Debug, Clone)]
pub(super) enum SavedStorage {
    Memory(NodeId),
    Bundled(BundledFile),
}

impl File {
    pub(super) fn new(shared: &Arc<Shared>, storage: Storage) -> Self {
        Self { shared: Arc::clone(shared), storage }
    }

    /// Whether the file is in a granted folder.
    pub(super) fn is_of_host(&self) -> bool {
        matches!(self.storage, Storage::Host(_))
    }

    /// Reads into the buffers in turn; less than their length at the end of the file, or where there are very many.
    ///
    /// # Errors
    /// [`Errno::Inval`] beyond what a file can have, and those of the host.
    pub(crate) fn read_at(&self, buffers: &mut [IoSliceMut<'_>], offset: u64) -> Result<usize> {
        match &self.storage {
            _ if offset > i64::MAX as u64 => Err(Errno::Inval),
            Storage::Memory(handle) => handle.memory()?.read(handle.id(), buffers, offset),
            Storage::Host(file) => file.read_at(buffers, offset),
            Storage::Bundled(file) => file.read(buffers, offset),
        }
    }

    /// Writes what is in the buffers. Bytes between the end of the file and `offset` become zero.
    ///
    /// # Errors
    /// [`Errno::NoSpc`] if not one byte fits the budget, [`Errno::FBig`] beyond the largest file, [`Errno::Inval`] beyond what
    /// a file can have, and those of the host.
    pub(crate) fn write_at(
        &self,
        buffers: &[IoSlice<'_>],
        offset: u64,
        durability: Durability,
    ) -> Result<usize> {
        match &self.storage {
            _ if offset > i64::MAX as u64 => Err(Errno::Inval),
            Storage::Memory(handle) => {
                let now = self.shared.now();
                Ok(handle.memory()?.write(handle.id(), buffers, Some(offset), now)?.0)
            }
            Storage::Host(file) => {
                self.shared.note_host_change();
                file.write_at(buffers, offset, durability)
            }
            Storage::Bundled(_) => Err(Errno::RoFs),
        }
    }

    /// Writes what is in the buffers at the file's end, wherever that is now, in one piece.
    ///
    /// # Errors
    /// Those of [`File::write_at`].
    pub(crate) fn append(
        &self,
        buffers: &[IoSlice<'_>],
        durability: Durability,
    ) -> Result<Appended> {
        match &self.storage {
            Storage::Memory(handle) => {
                let now = self.shared.now();
                let (written, end) = handle.memory()?.write(handle.id(), buffers, None, now)?;
                Ok(Appended { written, end })
            }
            Storage::Host(file) => {
                self.shared.note_host_change();
                file.append(buffers, durability)
            }
            Storage::Bundled(_) => Err(Errno::RoFs),
        }
    }

    /// Tells what is known of the file.
    ///
    /// # Errors
    /// Those of the host.
    pub(crate) fn stat(&self) -> Result<Stat> {
        match &self.storage {
            Storage::Memory(handle) => handle.memory()?.stat(handle.id()),
            Storage::Host(file) => file.stat(),
            Storage::Bundled(file) => file.stat(),
        }
    }

    /// Cuts the file, or enlarges it with zeros, which take no room in memory.
    ///
    /// # Errors
    /// [`Errno::NoSpc`] if the file would be longer than all that may be kept in memory, [`Errno::FBig`] beyond the largest
    /// file, and those of the host.
    pub(crate) fn set_len(&self, len: u64) -> Result<()> {
        match &self.storage {
            Storage::Memory(handle) => {
                handle.memory()?.set_len(handle.id(), len, self.shared.now())
            }
            Storage::Host(file) => {
                self.shared.note_host_change();
                file.set_len(len)
            }
            Storage::Bundled(_) => Err(Errno::RoFs),
        }
    }

    /// Makes room for that part of the file and enlarges it if it ends before.
    ///
    /// # Errors
    /// [`Errno::Inval`] if the length is zero, [`Errno::NoSpc`] if there is not so much room, [`Errno::FBig`] beyond the largest
    /// file, and those of the host.
    pub(crate) fn allocate(&self, offset: u64, len: u64) -> Result<()> {
        match &self.storage {
            _ if len == 0 => Err(Errno::Inval),
            Storage::Memory(handle) => {
                handle.memory()?.allocate(handle.id(), offset, len, self.shared.now())
            }
            Storage::Host(file) => {
                self.shared.note_host_change();
                file.allocate(offset, len)
            }
            Storage::Bundled(_) => Err(Errno::RoFs),
        }
    }

    /// Tells the host how a part of the file will be used; a length of zero is all that follows.
    ///
    /// # Errors
    /// Those of the host.
    pub(crate) fn advise(&self, offset: u64, len: u64, advice: Advice) -> Result<()> {
        match &self.storage {
            Storage::Memory(_) | Storage::Bundled(_) => Ok(()),
            Storage::Host(file) => file.advise(offset, len, advice),
        }
    }

    /// Sets the file's times.
    ///
    /// # Errors
    /// Those of the host.
    pub(crate) fn set_times(&self, times: SetTimes) -> Result<()> {
        match &self.storage {
            Storage::Memory(handle) => {
                handle.memory()?.set_times(handle.id(), times, self.shared.now())
            }
            Storage::Host(file) => {
                self.shared.note_host_change();
                file.set_times(times)
            }
            Storage::Bundled(_) => Err(Errno::RoFs),
        }
    }

    /// Waits until the file is on the disk; with [`Durability::Data`] only what is needed to read it.
    ///
    /// # Errors
    /// Those of the host.
    pub(crate) fn sync(&self, durability: Durability) -> Result<()> {
        match &self.storage {
            Storage::Memory(_) | Storage::Bundled(_) => Ok(()),
            Storage::Host(file) => file.sync(durability),
        }
    }

    /// Keeps the file for a template; nothing if it is the host's.
    pub(crate) fn save(&self) -> Option<SavedFile> {
        match &self.storage {
            Storage::Memory(handle) => Some(SavedFile(SavedStorage::Memory(handle.id()))),
            Storage::Bundled(file) => Some(SavedFile(SavedStorage::Bundled(file.clone()))),
            Storage::Host(_) => None,
        }
    }
}
