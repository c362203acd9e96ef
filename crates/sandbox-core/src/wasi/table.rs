//! The descriptors of a guest: one table for streams, files, folders and sockets.

pub(super) mod written;

use std::sync::Arc;

use super::errno::Errno;
use super::fs::{Durability, File, FileSystem, Folder, Listing, SavedFile, SavedFolder};
use super::rights::Rights;
use super::socket::Socket;
use super::streams::Source;
use crate::output::StreamName;

/// One open thing.
#[derive(Debug)]
pub(super) struct Descriptor {
    pub(super) kind: Kind,
    /// Rights: what it may be used for.
    pub(super) rights: Rights,
    /// Rights of what is opened from it.
    pub(super) inheriting: Rights,
    pub(super) flags: Flags,
}

/// Thing that a descriptor leads to.
#[derive(Debug)]
pub(super) enum Kind {
    Input {
        bytes: Arc<[u8]>,
        position: usize,
    },
    /// A reader of the host.
    Reader(Source),
    Output(StreamName),
    File {
        file: File,
        position: u64,
    },
    Folder {
        folder: Folder,
        /// The name under which a library finds it.
        preopened: Option<Arc<str>>,
        /// Entries of the folder, as they were when the guest began to list it.
        listing: Option<Arc<Listing>>,
    },
    Socket(Box<Socket>),
}

/// Source of a guest's standard input.
#[derive(Debug)]
pub(super) enum Input {
    Bytes(Arc<[u8]>),
    Reader(Source),
}

/// Flags of a descriptor: how it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flags(u16);

impl Flags {
    pub(super) const APPEND: Self = Self(1);
    const DSYNC: Self = Self(1 << 1);
    pub(super) const NONBLOCK: Self = Self(1 << 2);
    const RSYNC: Self = Self(1 << 3);
    const SYNC: Self = Self(1 << 4);
    const ALL: u16 =
        Self::APPEND.0 | Self::DSYNC.0 | Self::NONBLOCK.0 | Self::RSYNC.0 | Self::SYNC.0;

    /// Takes what a guest said.
    ///
    /// # Errors
    /// [`Errno::Inval`] for flags that there are not.
    pub(super) fn from_bits(bits: u32) -> Result<Self, Errno> {
        match u16::try_from(bits) {
            Ok(bits) if bits & !Self::ALL == 0 => Ok(Self(bits)),
            _ => Err(Errno::Inval),
        }
    }

    pub(super) const fn bits(self) -> u16 {
        self.0
    }

    pub(super) const fn contains(self, flag: Self) -> bool {
        self.0 & flag.0 == flag.0
    }

    /// Says what has to be on the disk when a write returns.
    pub(super) const fn durability(self) -> Durability {
        if self.contains(Self::SYNC) {
            Durability::All
        } else if self.contains(Self::DSYNC) {
            Durability::Data
        } else {
            Durability::Eventual
        }
    }
}

/// The descriptors, by number.
#[derive(Debug)]
pub(super) struct Table {
    slots: Vec<Option<Descriptor>>,
    limit: usize,
}

impl Table {
    /// Descriptors with the numbers from 0, and room for so many in all.
    pub(super) fn new(first: Vec<Descriptor>, limit: u32) -> Self {
        let limit = (limit as usize).max(first.len());
        Self { slots: first.into_iter().map(Some).collect(), limit }
    }

    /// # Errors
    /// [`Errno::BadF`] if nothing is open under that number.
    pub(super) fn get(&self, fd: u32) -> Result<&Descriptor, Errno> {
        self.slots.get(fd as usize).and_then(Option::as_ref).ok_or(Errno::BadF)
    }

    /// # Errors
    /// As [`Table::get`].
    pub(super) fn get_mut(&mut self, fd: u32) -> Result<&mut Descriptor, Errno> {
        self.slots.get_mut(fd as usize).and_then(Option::as_mut).ok_or(Errno::BadF)
    }

    /// The lowest number that is free.
    ///
    /// # Errors
    /// [`Errno::MFile`] if as many are open as may be.
    pub(super) fn free(&self) -> Result<usize, Errno> {
        let free = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        if free < self.limit { Ok(free) } else { Err(Errno::MFile) }
    }

    /// Opens a descriptor under the lowest number that is free.
    ///
    /// # Errors
    /// As [`Table::free`].
    pub(super) fn open(&mut self, descriptor: Descriptor) -> Result<u32, Errno> {
        let free = self.free()?;
        match self.slots.get_mut(free) {
            Some(slot) => *slot = Some(descriptor),
            None => self.slots.push(Some(descriptor)),
        }
        u32::try_from(free).map_err(|_| Errno::MFile)
    }

    /// # Errors
    /// [`Errno::BadF`] if nothing is open under that number.
    pub(super) fn close(&mut self, fd: u32) -> Result<(), Errno> {
        self.get(fd)?;
        self.slots[fd as usize] = None;
        Ok(())
    }

    /// Moves a descriptor to the number of another, which is closed.
    ///
    /// # Errors
    /// [`Errno::BadF`] if either is not open.
    pub(super) fn renumber(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        self.get(from)?;
        self.get(to)?;
        if from != to {
            self.slots[to as usize] = self.slots[from as usize].take();
        }
        Ok(())
    }

    /// Keeps the table for instances that begin with it. Nothing if something in it can be had only once.
    pub(super) fn save(&self) -> Option<SavedTable> {
        let slots = self.slots.iter().map(|slot| match slot {
            Some(descriptor) => descriptor.save().map(Some),
            None => Some(None),
        });
        Some(SavedTable { slots: slots.collect::<Option<_>>()?, limit: self.limit })
    }
}

/// Table as a template keeps it.
#[derive(Debug)]
pub(super) struct SavedTable {
    slots: Vec<Option<SavedDescriptor>>,
    limit: usize,
}

#[derive(Debug)]
struct SavedDescriptor {
    kind: SavedKind,
    rights: Rights,
    inheriting: Rights,
    flags: Flags,
}

#[derive(Debug)]
enum SavedKind {
    Input { bytes: Arc<[u8]>, position: usize },
    Output(StreamName),
    File { file: SavedFile, position: u64 },
    Folder { folder: SavedFolder, preopened: Option<Arc<str>>, listing: Option<Arc<Listing>> },
}

impl SavedTable {
    /// Whether a folder is open that only instances of the sandbox can have.
    pub(super) fn has_folder_of_sandbox(&self) -> bool {
        self.slots.iter().flatten().any(|slot| match &slot.kind {
            SavedKind::Folder { folder, .. } => folder.is_of_sandbox(),
            SavedKind::Input { .. } | SavedKind::Output(_) | SavedKind::File { .. } => false,
        })
    }

    /// Makes a table of an instance whose files are those that were kept with this one.
    ///
    /// # Errors
    /// Those of [`FileSystem::reopen_file`].
    pub(super) fn open(&self, files: &FileSystem) -> Result<Table, Errno> {
        let slots =
            self.slots.iter().map(|slot| slot.as_ref().map(|slot| slot.open(files)).transpose());
        Ok(Table { slots: slots.collect::<Result<_, _>>()?, limit: self.limit })
    }
}

impl SavedDescriptor {
    fn open(&self, files: &FileSystem) -> Result<Descriptor, Errno> {
        let kind = match &self.kind {
            SavedKind::Input { bytes, position } => {
                Kind::Input { bytes: Arc::clone(bytes), position: *position }
            }
            SavedKind::Output(name) => Kind::Output(*name),
            SavedKind::File { file, position } => {
                Kind::File { file: files.reopen_file(file)?, position: *position }
            }
            SavedKind::Folder { folder, preopened, listing } => Kind::Folder {
                folder: files.reopen_folder(folder)?,
                preopened: preopened.clone(),
                listing: listing.clone(),
            },
        };
        let Self { rights, inheriting, flags, .. } = *self;
        Ok(Descriptor { kind, rights, inheriting, flags })
    }
}

impl Descriptor {
    /// A stream.
    pub(super) fn input(input: Input) -> Self {
        let kind = match input {
            Input::Bytes(bytes) => Kind::Input { bytes, position: 0 },
            Input::Reader(source) => Kind::Reader(source),
        };
        Self { kind, rights: Rights::INPUT, inheriting: Rights::NONE, flags: Flags::default() }
    }

    /// A stream that is captured.
    pub(super) fn output(name: StreamName) -> Self {
        let kind = Kind::Output(name);
        Self { kind, rights: Rights::OUTPUT, inheriting: Rights::NONE, flags: Flags::APPEND }
    }

    /// A folder that is there from the start.
    pub(super) fn preopened(folder: Folder, name: Arc<str>) -> Self {
        Self::folder(folder, Some(name), Rights::FOLDER, Rights::INHERITED)
    }

    pub(super) fn folder(
        folder: Folder,
        preopened: Option<Arc<str>>,
        rights: Rights,
        inheriting: Rights,
    ) -> Self {
        let kind = Kind::Folder { folder, preopened, listing: None };
        Self { kind, rights, inheriting, flags: Flags::default() }
    }

    /// # Errors
    /// [`Errno::NotCapable`] if it may not be used so.
    pub(super) fn require(&self, rights: Rights) -> Result<(), Errno> {
        if self.rights.contains(rights) { Ok(()) } else { Err(Errno::NotCapable) }
    }

    /// The folder that it is, to be used in a way that needs those rights.
    ///
    /// # Errors
    /// [`Errno::NotDir`] if it is none, and [`Errno::NotCapable`].
    pub(super) fn as_folder(&self, rights: Rights) -> Result<&Folder, Errno> {
        let Kind::Folder { folder, .. } = &self.kind else { return Err(Errno::NotDir) };
        self.require(rights)?;
        Ok(folder)
    }

    /// Keeps the descriptor for a template, unless only one instance can have it.
    fn save(&self) -> Option<SavedDescriptor> {
        let kind = match &self.kind {
            Kind::Input { bytes, position } => {
                SavedKind::Input { bytes: Arc::clone(bytes), position: *position }
            }
            Kind::Output(name) => SavedKind::Output(*name),
            Kind::File { file, position } => {
                SavedKind::File { file: file.save()?, position: *position }
            }
            Kind::Folder { folder, preopened, listing } => SavedKind::Folder {
                folder: folder.save().ok()?,
                preopened: preopened.clone(),
                listing: listing.clone(),
            },
            Kind::Reader(_) | Kind::Socket(_) => return None,
        };
        let Self { rights, inheriting, flags, .. } = *self;
        Some(SavedDescriptor { kind, rights, inheriting, flags })
    }
}
