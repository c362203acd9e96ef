//! Operations that make, rename and remove names below a folder.

use std::sync::Arc;

use super::super::bundled::BundledFolder;
use super::super::host::HostFolder;
use super::super::memory::{Child, NodeId};
use super::super::path::Tail;
use super::super::walk::{Position, Spot, Way};
use super::super::{Errno, Follow, GuestPath, Kind, Result};
use super::Folder;

impl Folder {
    /// Makes a folder.
    ///
    /// # Errors
    /// Those of `mkdirat` on Linux.
    pub(crate) fn create_folder(&self, path: GuestPath<'_>) -> Result<()> {
        match self.walk(path, Tail::Name)? {
            Spot::Memory { folder, name, .. } => {
                self.shared.memory().create_folder(folder, &name, self.shared.now()).map(drop)
            }
            Spot::Host { folder, path } => {
                self.note_change(&folder);
                folder.create_folder(&path)
            }
            Spot::Bundled { folder, name, .. } => refuse_new(&folder, &name),
            Spot::Here(..) => Err(Errno::Exist),
            Spot::Nothing => Err(Errno::RoFs),
        }
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    /// Those of `unlinkat` with `AT_REMOVEDIR` on Linux.
    pub(crate) fn remove_folder(&self, path: GuestPath<'_>) -> Result<()> {
        match self.walk(path, Tail::Name)? {
            Spot::Memory { folder, name, .. } => {
                self.shared.memory().remove_folder(folder, &name, self.shared.now())
            }
            Spot::Host { folder, path } => {
                self.note_change(&folder);
                folder.remove_folder(&path)
            }
            Spot::Bundled { folder, name, .. } => refuse_change(&folder, &name),
            Spot::Here(_, Way::Dot) => Err(Errno::Inval),
            Spot::Here(_, Way::DotDot) => Err(Errno::NotEmpty),
            Spot::Here(_, Way::Mount) => Err(Errno::Busy),
            Spot::Nothing => Err(Errno::NoEnt),
        }
    }

    /// Removes a name of a file or link. Who has it open keeps it.
    ///
    /// # Errors
    /// Those of `unlinkat` on Linux.
    pub(crate) fn remove_file(&self, path: GuestPath<'_>) -> Result<()> {
        match self.walk(path, Tail::Name)? {
            Spot::Memory { folder, name, has_slash } => {
                let mut memory = self.shared.memory();
                if has_slash
                    && let Some(Child::Node(id)) = memory.child(folder, &name)?
                    && memory.kind(id)? != Kind::Folder
                {
                    return Err(Errno::NotDir);
                }
                memory.remove_file(folder, &name, self.shared.now())
            }
            Spot::Host { folder, path } => {
                self.note_change(&folder);
                folder.remove_file(&path)
            }
            Spot::Bundled { folder, name, .. } => refuse_change(&folder, &name),
            Spot::Here(..) => Err(Errno::IsDir),
            Spot::Nothing => Err(Errno::NoEnt),
        }
    }

    /// Renames what a path leads to, over what may be there, atomically.
    ///
    /// # Errors
    /// Those of `renameat` on Linux, where granted folders and files in memory are mounts.
    pub(crate) fn rename(
        &self,
        from: GuestPath<'_>,
        to_folder: &Self,
        to: GuestPath<'_>,
    ) -> Result<()> {
        from.relative().and(to.relative())?;
        let source = self.walk(from, Tail::Name)?;
        let target = to_folder.walk(to, Tail::Name)?;
        match (source, target) {
            (Spot::Here(..), _) | (_, Spot::Here(..)) => Err(Errno::Busy),
            (Spot::Nothing, _) => Err(Errno::NoEnt),
            (
                Spot::Memory { folder, name, has_slash },
                Spot::Memory { folder: to, name: to_name, has_slash: to_slash },
            ) if Arc::ptr_eq(&self.shared, &to_folder.shared) => {
                let mut memory = self.shared.memory();
                let source = memory.child(folder, &name)?.ok_or(Errno::NoEnt)?;
                memory.child(to, &to_name)?;
                if (has_slash || to_slash)
                    && let Child::Node(id) = source
                    && memory.kind(id)? != Kind::Folder
                {
                    return Err(Errno::NotDir);
                }
                memory.rename((folder, &name), (to, &to_name), self.shared.now())
            }
            (Spot::Host { folder, path }, Spot::Host { folder: to, path: to_path })
                if folder.is_in_grant_of(&to) =>
            {
                self.note_change(&folder);
                folder.rename(&path, &to, &to_path)
            }
            (Spot::Bundled { folder, name, .. }, Spot::Bundled { folder: to, .. })
                if folder.is_in_bundle_of(&to) =>
            {
                refuse_change(&folder, &name)
            }
            (_, Spot::Nothing) => Err(Errno::RoFs),
            _ => Err(Errno::XDev),
        }
    }

    /// Gives a file in memory another name. `follow` is about a link as the last name of `from`.
    ///
    /// # Errors
    /// Those of `linkat` on Linux; in a granted folder [`Errno::Perm`], as on a file system without links.
    pub(crate) fn link(
        &self,
        from: GuestPath<'_>,
        follow: Follow,
        to_folder: &Self,
        to: GuestPath<'_>,
    ) -> Result<()> {
        from.relative().and(to.relative())?;
        // The source is looked at first, as on Linux, so that its error is the one that is told.
        let source = match self.walk(from, Tail::Target(follow))? {
            Spot::Memory { folder, name, has_slash } => {
                Source::Memory(self.node(folder, &name, has_slash)?)
            }
            Spot::Host { folder, path } => {
                folder.stat_at(&path, follow)?;
                Source::Host(folder)
            }
            Spot::Bundled { folder, name, has_slash } => {
                folder.find(&name, has_slash)?;
                Source::Bundled(folder)
            }
            Spot::Here(Position::Memory(id), _) => Source::Memory(id),
            Spot::Here(..) => Source::Mount,
            Spot::Nothing => return Err(Errno::NoEnt),
        };
        match (source, to_folder.walk(to, Tail::Name)?) {
            (_, Spot::Here(..)) => Err(Errno::Exist),
            (_, Spot::Nothing) => Err(Errno::RoFs),
            (Source::Memory(id), Spot::Memory { folder, name, has_slash })
                if Arc::ptr_eq(&self.shared, &to_folder.shared) =>
            {
                let mut memory = self.shared.memory();
                if has_slash && memory.child(folder, &name)?.is_none() {
                    return Err(Errno::NoEnt);
                }
                memory.add_name(id, folder, &name, self.shared.now())
            }
            (Source::Host(from), Spot::Host { folder, path }) if from.is_in_grant_of(&folder) => {
                folder.refuse_link(&path)
            }
            (Source::Bundled(from), Spot::Bundled { folder, name, .. })
                if from.is_in_bundle_of(&folder) =>
            {
                refuse_new(&folder, &name)
            }
            _ => Err(Errno::XDev),
        }
    }

    /// Makes a symbolic link in memory. Its target is kept as it is.
    ///
    /// # Errors
    /// Those of `symlinkat` on Linux; in a granted folder [`Errno::Perm`], as on a file system without links.
    pub(crate) fn symlink(&self, target: GuestPath<'_>, path: GuestPath<'_>) -> Result<()> {
        if target.text().is_empty() {
            return Err(Errno::NoEnt);
        }
        match self.walk(path, Tail::Name)? {
            Spot::Memory { folder, name, has_slash } => {
                let mut memory = self.shared.memory();
                if has_slash && memory.child(folder, &name)?.is_none() {
                    return Err(Errno::NoEnt);
                }
                memory.create_link(folder, &name, target.text(), self.shared.now()).map(drop)
            }
            Spot::Host { folder, path } => folder.refuse_link(&path),
            Spot::Bundled { folder, name, .. } => refuse_new(&folder, &name),
            Spot::Here(..) => Err(Errno::Exist),
            Spot::Nothing => Err(Errno::RoFs),
        }
    }
}

/// File or folder that is to get another name.
enum Source {
    Memory(NodeId),
    Host(HostFolder),
    Bundled(BundledFolder),
    Mount,
}

/// Refuses to make something in a bundle.
fn refuse_new(folder: &BundledFolder, name: &str) -> Result<()> {
    match folder.child(name)? {
        Some(_) => Err(Errno::Exist),
        None => Err(Errno::RoFs),
    }
}

/// Refuses to remove or rename something in a bundle; what is missing is missing there too.
fn refuse_change(folder: &BundledFolder, name: &str) -> Result<()> {
    match folder.child(name)? {
        Some(_) => Err(Errno::RoFs),
        None => Err(Errno::NoEnt),
    }
}
