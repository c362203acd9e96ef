//! An open folder of a guest, and what can be done below it.

mod changes;

use std::sync::Arc;

use super::bundled::BundledFolder;
use super::file::Storage;
use super::grants::{Base, Junction, Mount};
use super::host::{HostFolder, HostOpened};
use super::listing::Names;
use super::memory::{Child, NodeId};
use super::path::Follow;
use super::path::Tail;
use super::shared::{Handle, Shared};
use super::walk::{Position, Spot, walk};
use super::{Errno, File, GuestPath, Kind, Listing, Result, SetTimes, Stat};

/// Whether a path must lead to something, or has it made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Presence {
    /// The file has to exist (`oflags` without `creat`).
    #[default]
    Required,
    /// The file is created if it is missing (`creat`).
    Created,
    /// A file is created, and may not exist (`creat` and `excl`).
    Exclusive,
}

/// Manner of opening something. The caller translates rights and flags. Appending is not a way to open but an
/// operation, [`File::append`], and so is writing to the disk at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "flags that a guest sets one by one")]
pub(crate) struct OpenHow {
    pub(crate) follow: Follow,
    pub(crate) presence: Presence,
    /// Only a folder will do (`directory`). With a presence other than required that is [`Errno::Inval`].
    pub(crate) folder_only: bool,
    /// Cuts a file to nothing (`trunc`), which needs `write`: without it that is [`Errno::Inval`].
    pub(crate) truncate: bool,
    /// The file will be read. What is neither read nor written is opened for reading.
    pub(crate) read: bool,
    /// The file will be written to or its length be changed. A folder is [`Errno::IsDir`] then.
    pub(crate) write: bool,
}

/// File or folder that a path led to.
#[derive(Debug)]
pub(crate) enum Opened {
    File(File),
    Folder(Folder),
}

/// Open folder of a guest. Clones are the same folder.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    shared: Arc<Shared>,
    pub(super) backing: Backing,
}

#[derive(Debug, Clone)]
pub(super) enum Backing {
    Memory(Arc<Handle>),
    Host(HostFolder),
    Bundled(BundledFolder),
    Junction(Arc<Junction>),
}

/// Open folder as a template keeps it; [`FileSystem::reopen_folder`](super::FileSystem::reopen_folder) makes it one
/// again.
#[derive(Debug, Clone)]
pub(crate) struct SavedFolder(pub(super) Saved);

#[derive(Debug, Clone)]
pub(super) enum Saved {
    /// A granted folder, by its number in the order of the policy.
    Mount(usize),
    At(Position),
}

impl Folder {
    pub(super) fn new(shared: &Arc<Shared>, backing: Backing) -> Self {
        Self { shared: Arc::clone(shared), backing }
    }

    pub(super) fn of_mount(shared: &Arc<Shared>, mount: &Mount) -> Self {
        let backing = match mount {
            Mount::Base(Base::Host(folder)) => Backing::Host(folder.clone()),
            Mount::Base(Base::Bundled(folder)) => Backing::Bundled(folder.clone()),
            Mount::Junction(junction) => Backing::Junction(Arc::clone(junction)),
        };
        Self::new(shared, backing)
    }

    pub(super) fn reopen(shared: &Arc<Shared>, saved: &SavedFolder) -> Result<Self> {
        match &saved.0 {
            Saved::Mount(number) => {
                let mount = shared.grants.mount(*number).ok_or(Errno::BadF)?;
                Ok(Self::of_mount(shared, mount))
            }
            Saved::At(position) => Self::at(shared, position.clone()),
        }
    }

    fn at(shared: &Arc<Shared>, position: Position) -> Result<Self> {
        let backing = match position {
            Position::Memory(id) => Backing::Memory(Arc::new(Handle::new(shared, id)?)),
            Position::Host(folder) => Backing::Host(folder),
            Position::Bundled(folder) => Backing::Bundled(folder),
            Position::Junction(junction) => Backing::Junction(junction),
        };
        Ok(Self::new(shared, backing))
    }

    fn position(&self) -> Result<Position> {
        Ok(match &self.backing {
            Backing::Memory(handle) => {
                drop(handle.memory()?);
                Position::Memory(handle.id())
            }
            Backing::Host(folder) => Position::Host(folder.clone()),
            Backing::Bundled(folder) => Position::Bundled(folder.clone()),
            Backing::Junction(junction) => Position::Junction(Arc::clone(junction)),
        })
    }

    fn walk<'a>(&self, path: GuestPath<'a>, tail: Tail) -> Result<Spot<'a>> {
        self.shared.note_asking();
        walk(&self.shared, self.position()?, path.relative()?, tail)
    }

    /// Notes that a folder of the host is about to be changed, if it can be.
    fn note_change(&self, folder: &HostFolder) {
        if folder.is_writable() {
            self.shared.note_host_change();
        }
    }

    /// Opens what a path leads to.
    ///
    /// # Errors
    /// Those of `openat` on Linux, and [`Errno::Acces`] for what is neither a folder nor a regular file.
    pub(crate) fn open(&self, path: GuestPath<'_>, how: OpenHow) -> Result<Opened> {
        if how.folder_only && how.presence != Presence::Required || how.truncate && !how.write {
            return Err(Errno::Inval);
        }
        let follow = if how.presence == Presence::Exclusive { Follow::Never } else { how.follow };
        let tail = match how.presence {
            Presence::Required => Tail::Target(follow),
            Presence::Created | Presence::Exclusive => Tail::New(follow),
        };
        match self.walk(path, tail)? {
            Spot::Memory { folder, name, has_slash } => {
                self.open_in_memory(folder, &name, has_slash, how)
            }
            Spot::Host { folder, path } => {
                if how.truncate || how.presence != Presence::Required {
                    self.note_change(&folder);
                }
                Ok(match folder.open(&path, how)? {
                    HostOpened::File(file) => {
                        Opened::File(File::new(&self.shared, Storage::Host(file)))
                    }
                    HostOpened::Folder(folder) => {
                        Opened::Folder(Self::new(&self.shared, Backing::Host(folder)))
                    }
                })
            }
            Spot::Bundled { folder, name, has_slash } => {
                self.open_bundled(&folder, &name, has_slash, how)
            }
            Spot::Here(position, _) => {
                check_folder(how)?;
                Ok(Opened::Folder(Self::at(&self.shared, position)?))
            }
            Spot::Nothing if how.presence == Presence::Required => Err(Errno::NoEnt),
            Spot::Nothing => Err(Errno::RoFs),
        }
    }

    /// Opens what is only read, as on a file system that is.
    fn open_bundled(
        &self,
        folder: &BundledFolder,
        name: &str,
        has_slash: bool,
        how: OpenHow,
    ) -> Result<Opened> {
        if has_slash && how.presence != Presence::Required {
            return Err(Errno::IsDir);
        }
        let id = match folder.child(name)? {
            None if how.presence == Presence::Required => return Err(Errno::NoEnt),
            None => return Err(Errno::RoFs),
            Some(_) if how.presence == Presence::Exclusive => return Err(Errno::Exist),
            Some(id) => id,
        };
        match folder.kind(id)? {
            Kind::Folder => {
                check_folder(how)?;
                Ok(Opened::Folder(Self::new(&self.shared, Backing::Bundled(folder.at(id)))))
            }
            _ if how.folder_only || has_slash => Err(Errno::NotDir),
            Kind::File if how.write => Err(Errno::RoFs),
            Kind::File => {
                let storage = Storage::Bundled(folder.open(id)?);
                Ok(Opened::File(File::new(&self.shared, storage)))
            }
            _ => Err(Errno::Loop),
        }
    }

    fn open_in_memory(
        &self,
        folder: NodeId,
        name: &str,
        has_slash: bool,
        how: OpenHow,
    ) -> Result<Opened> {
        let mut memory = self.shared.memory();
        if has_slash && how.presence != Presence::Required {
            return Err(Errno::IsDir);
        }
        let id = match memory.child(folder, name)? {
            None if how.presence == Presence::Required => return Err(Errno::NoEnt),
            None => memory.create_file(folder, name, self.shared.now())?,
            Some(Child::Mount(_)) => return Err(Errno::Busy),
            Some(Child::Node(_)) if how.presence == Presence::Exclusive => {
                return Err(Errno::Exist);
            }
            Some(Child::Node(id)) => id,
        };
        match memory.kind(id)? {
            Kind::Folder => {
                check_folder(how)?;
                drop(memory);
                return Ok(Opened::Folder(Self::at(&self.shared, Position::Memory(id))?));
            }
            _ if how.folder_only || has_slash => return Err(Errno::NotDir),
            Kind::File => {}
            _ => return Err(Errno::Loop),
        }
        if how.truncate {
            memory.set_len(id, 0, self.shared.now())?;
        }
        drop(memory);
        Ok(Opened::File(File::new(&self.shared, Storage::Memory(Handle::new(&self.shared, id)?))))
    }

    /// Tells what is known of the folder itself.
    ///
    /// # Errors
    /// Those of the host.
    pub(crate) fn stat(&self) -> Result<Stat> {
        self.stat_of(&self.position()?)
    }

    fn stat_of(&self, position: &Position) -> Result<Stat> {
        self.shared.note_asking();
        match position {
            Position::Memory(id) => self.shared.memory().stat(*id),
            Position::Host(folder) => folder.stat(),
            Position::Bundled(folder) => folder.stat(),
            Position::Junction(junction) => match &junction.base {
                Some(base) => base.stat(),
                None => Ok(Stat::of_fixed_folder(junction.inode)),
            },
        }
    }

    /// Tells what is known of what a path leads to.
    ///
    /// # Errors
    /// Those of `fstatat` on Linux.
    pub(crate) fn stat_at(&self, path: GuestPath<'_>, follow: Follow) -> Result<Stat> {
        match self.walk(path, Tail::Target(follow))? {
            Spot::Memory { folder, name, has_slash } => {
                let id = self.node(folder, &name, has_slash)?;
                self.shared.memory().stat(id)
            }
            Spot::Host { folder, path } => folder.stat_at(&path, follow),
            Spot::Bundled { folder, name, has_slash } => {
                folder.stat_of(folder.find(&name, has_slash)?)
            }
            Spot::Here(position, _) => self.stat_of(&position),
            Spot::Nothing => Err(Errno::NoEnt),
        }
    }

    /// Looks up the node of a name in memory, which has to be there, and a folder if a slash is behind it.
    fn node(&self, folder: NodeId, name: &str, has_slash: bool) -> Result<NodeId> {
        let memory = self.shared.memory();
        match memory.child(folder, name)? {
            Some(Child::Node(id)) if has_slash && memory.kind(id)? != Kind::Folder => {
                Err(Errno::NotDir)
            }
            Some(Child::Node(id)) => Ok(id),
            Some(Child::Mount(_)) => Err(Errno::Busy),
            None => Err(Errno::NoEnt),
        }
    }

    /// Lists the folder as it is now, beginning with `.` and `..`.
    ///
    /// # Errors
    /// [`Errno::NoMem`] if the open listings of the guest have become too large, and those of the host.
    pub(crate) fn list(&self) -> Result<Listing> {
        let own = self.stat()?.inode;
        match &self.backing {
            Backing::Memory(handle) => self.list_memory(handle, own),
            Backing::Host(folder) => {
                let mut names = Names::new(&self.shared.listed, own, own)?;
                folder.list(&mut names)?;
                Ok(names.into())
            }
            Backing::Bundled(folder) => {
                let mut names = Names::new(&self.shared.listed, own, folder.parent_inode()?)?;
                folder.list(&mut names)?;
                Ok(names.into())
            }
            Backing::Junction(junction) => {
                let mut names = Names::new(&self.shared.listed, own, own)?;
                if let Some(base) = &junction.base {
                    base.list(&mut names)?;
                }
                for (name, mount) in &junction.children {
                    let inode = self.stat_of(&mount.into())?.inode;
                    names.set(name, inode, Kind::Folder)?;
                }
                Ok(names.into())
            }
        }
    }

    fn list_memory(&self, handle: &Handle, own: u64) -> Result<Listing> {
        let mut mounts = Vec::new();
        let memory = handle.memory()?;
        // The folder that a removed one was in may be gone.
        let parent = memory.parent(handle.id()).and_then(|parent| memory.stat(parent));
        let mut names =
            Names::new(&self.shared.listed, own, parent.map_or(own, |stat| stat.inode))?;
        for (name, child) in memory.entries(handle.id())? {
            match child {
                Child::Node(id) => {
                    let stat = memory.stat(id)?;
                    names.add(name, stat.inode, stat.kind)?;
                }
                Child::Mount(number) => mounts.push((name.to_owned(), number)),
            }
        }
        drop(memory);
        for (name, number) in mounts {
            let mount = self.shared.grants.outermost(number).ok_or(Errno::NoEnt)?;
            names.add(&name, self.stat_of(&mount.into())?.inode, Kind::Folder)?;
        }
        Ok(names.into())
    }

    /// Tells the target of a symbolic link.
    ///
    /// # Errors
    /// Those of `readlinkat` on Linux.
    pub(crate) fn read_link(&self, path: GuestPath<'_>) -> Result<String> {
        match self.walk(path, Tail::Target(Follow::Never))? {
            Spot::Memory { folder, name, has_slash } => {
                let id = self.node(folder, &name, has_slash)?;
                let memory = self.shared.memory();
                memory.link_target(id).map(str::to_owned).ok_or(Errno::Inval)
            }
            Spot::Host { folder, path } => folder.read_link(&path),
            Spot::Bundled { folder, name, has_slash } => {
                let id = folder.find(&name, has_slash)?;
                folder.link_target(id).map(str::to_owned).ok_or(Errno::Inval)
            }
            Spot::Here(..) => Err(Errno::Inval),
            Spot::Nothing => Err(Errno::NoEnt),
        }
    }

    /// Sets the times of the folder itself.
    ///
    /// # Errors
    /// Those of the host.
    pub(crate) fn set_times(&self, times: SetTimes) -> Result<()> {
        self.set_times_of(&self.position()?, times)
    }

    fn set_times_of(&self, position: &Position, times: SetTimes) -> Result<()> {
        let folder = match position {
            Position::Memory(id) => {
                return self.shared.memory().set_times(*id, times, self.shared.now());
            }
            Position::Host(folder) => folder,
            Position::Bundled(_) => return Err(Errno::RoFs),
            Position::Junction(junction) => match &junction.base {
                Some(Base::Host(folder)) => folder,
                Some(Base::Bundled(_)) | None => return Err(Errno::RoFs),
            },
        };
        self.note_change(folder);
        folder.set_times(times)
    }

    /// Sets the times of what a path leads to.
    ///
    /// # Errors
    /// Those of `utimensat` on Linux.
    pub(crate) fn set_times_at(
        &self,
        path: GuestPath<'_>,
        follow: Follow,
        times: SetTimes,
    ) -> Result<()> {
        match self.walk(path, Tail::Target(follow))? {
            Spot::Memory { folder, name, has_slash } => {
                let id = self.node(folder, &name, has_slash)?;
                self.set_times_of(&Position::Memory(id), times)
            }
            Spot::Host { folder, path } => {
                self.note_change(&folder);
                folder.set_times_at(&path, follow, times)
            }
            Spot::Bundled { folder, name, has_slash } => {
                folder.find(&name, has_slash)?;
                Err(Errno::RoFs)
            }
            Spot::Here(position, _) => self.set_times_of(&position, times),
            Spot::Nothing => Err(Errno::NoEnt),
        }
    }

    /// Waits until the folder is on the disk.
    ///
    /// # Errors
    /// Those of the host.
    pub(crate) fn sync(&self) -> Result<()> {
        self.shared.note_asking();
        match self.position()? {
            Position::Memory(_) | Position::Bundled(_) => Ok(()),
            Position::Host(folder) => folder.sync(),
            Position::Junction(junction) => match &junction.base {
                Some(Base::Host(folder)) => folder.sync(),
                Some(Base::Bundled(_)) | None => Ok(()),
            },
        }
    }

    /// Keeps the folder for a template.
    ///
    /// # Errors
    /// [`Errno::BadF`] if it is of files in memory that were put back since.
    pub(crate) fn save(&self) -> Result<SavedFolder> {
        let grants = &self.shared.grants;
        let number = match &self.backing {
            Backing::Host(folder) => grants.number_of_folder(folder),
            Backing::Junction(junction) => grants.number_of_junction(junction),
            Backing::Memory(_) | Backing::Bundled(_) => None,
        };
        Ok(SavedFolder(match number {
            Some(number) => Saved::Mount(number),
            None => Saved::At(self.position()?),
        }))
    }
}

/// Whether a folder can be opened like that.
fn check_folder(how: OpenHow) -> Result<()> {
    match how.presence {
        Presence::Exclusive => Err(Errno::Exist),
        Presence::Created => Err(Errno::IsDir),
        Presence::Required if how.write => Err(Errno::IsDir),
        Presence::Required => Ok(()),
    }
}
