//! Folders and files of bundles, which are only read.

use std::io::IoSliceMut;

use super::listing::Names;
use super::path::LONGEST_NAME;
use super::stat::DEVICE;
use super::{Errno, Kind, Result, Stat};
use crate::bundle::{Body, BundleId, FileBundle, Node};

/// Open folder of a bundle. Clones are the same folder.
#[derive(Debug, Clone)]
pub(super) struct BundledFolder {
    bundle: FileBundle,
    /// Which of a guest's bundles it is.
    number: u64,
    id: BundleId,
}

/// Open file of a bundle.
#[derive(Debug, Clone)]
pub(super) struct BundledFile {
    folder: BundledFolder,
    id: BundleId,
}

impl BundledFolder {
    /// Makes the folder that everything in a bundle is in.
    pub(super) const fn root(bundle: FileBundle, number: u64) -> Self {
        Self { bundle, number, id: BundleId::ROOT }
    }

    fn node(&self, id: BundleId) -> Result<&Node> {
        self.bundle.node(id).ok_or(Errno::Io)
    }

    /// Whether both are of one bundle, at one place.
    pub(super) fn is_in_bundle_of(&self, other: &Self) -> bool {
        self.number == other.number
    }

    /// Looks a name up.
    pub(super) fn child(&self, name: &str) -> Result<Option<BundleId>> {
        if name.len() > LONGEST_NAME {
            return Err(Errno::NameTooLong);
        }
        match &self.node(self.id)?.body {
            Body::Folder(entries) => Ok(entries.get(name).copied()),
            Body::File(_) | Body::Link(_) => Err(Errno::NotDir),
        }
    }

    /// Looks up a name that has to be there, and a folder's if a slash is behind it.
    pub(super) fn find(&self, name: &str, has_slash: bool) -> Result<BundleId> {
        let id = self.child(name)?.ok_or(Errno::NoEnt)?;
        if has_slash && self.kind(id)? != Kind::Folder {
            return Err(Errno::NotDir);
        }
        Ok(id)
    }

    pub(super) fn kind(&self, id: BundleId) -> Result<Kind> {
        Ok(kind(self.node(id)?))
    }

    /// The target of a link, if the node is one.
    pub(super) fn link_target(&self, id: BundleId) -> Option<&str> {
        match &self.bundle.node(id)?.body {
            Body::Link(target) => Some(target),
            Body::Folder(_) | Body::File(_) => None,
        }
    }

    /// The folder of a node below this one.
    pub(super) fn at(&self, id: BundleId) -> Self {
        Self { id, ..self.clone() }
    }

    /// The folder of a name in this one, if there is such: links are not followed.
    pub(super) fn folder_of_name(&self, name: &str) -> Option<Self> {
        let id = self.child(name).ok()??;
        (self.kind(id) == Ok(Kind::Folder)).then(|| self.at(id))
    }

    /// Opens a file.
    ///
    /// # Errors
    /// [`Errno::Io`] if its contents cannot be read.
    pub(super) fn open(&self, id: BundleId) -> Result<BundledFile> {
        self.bundle.contents(id).ok_or(Errno::Io)?;
        Ok(BundledFile { folder: self.clone(), id })
    }

    pub(super) fn stat(&self) -> Result<Stat> {
        self.stat_of(self.id)
    }

    pub(super) fn stat_of(&self, id: BundleId) -> Result<Stat> {
        let node = self.node(id)?;
        Ok(Stat {
            device: DEVICE + 1 + self.number,
            inode: id.inode(),
            kind: kind(node),
            links: 1,
            size: match &node.body {
                Body::Folder(_) => 0,
                Body::File(contents) => contents.len(),
                Body::Link(target) => target.len() as u64,
            },
            accessed: node.modified,
            modified: node.modified,
            changed: node.modified,
        })
    }

    /// Adds what is in the folder to a listing, beside `.` and `..`.
    pub(super) fn list(&self, names: &mut Names) -> Result<()> {
        let Body::Folder(entries) = &self.node(self.id)?.body else { return Err(Errno::NotDir) };
        for (name, id) in entries {
            names.add(name, id.inode(), self.kind(*id)?)?;
        }
        Ok(())
    }

    /// Number of the folder that this one is in; of the first, its own.
    pub(super) fn parent_inode(&self) -> Result<u64> {
        Ok(self.node(self.id)?.parent.inode())
    }
}

impl BundledFile {
    pub(super) fn stat(&self) -> Result<Stat> {
        self.folder.stat_of(self.id)
    }

    /// Reads what there is from `offset` on.
    pub(super) fn read(&self, buffers: &mut [IoSliceMut<'_>], offset: u64) -> Result<usize> {
        let contents = self.folder.bundle.contents(self.id).ok_or(Errno::Io)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(contents.len());
        let mut rest = &contents[start..];
        let mut total = 0;
        for buffer in buffers {
            let (now, later) = rest.split_at(buffer.len().min(rest.len()));
            buffer[..now.len()].copy_from_slice(now);
            total += now.len();
            rest = later;
        }
        Ok(total)
    }
}

const fn kind(node: &Node) -> Kind {
    match node.body {
        Body::Folder(_) => Kind::Folder,
        Body::File(_) => Kind::File,
        Body::Link(_) => Kind::Link,
    }
}
