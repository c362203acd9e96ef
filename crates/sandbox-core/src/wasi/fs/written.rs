//! Files and what is open of them, as they are written out of the process.

use serde::{Deserialize, Serialize};

use super::file::SavedStorage;
use super::folder::Saved;
pub(crate) use super::memory::TreeRecord;
use super::memory::{NodeId, Tree};
use super::walk::Position;
use super::{SavedFile, SavedFolder, Snapshot};

/// An open file in memory, by its number.
#[derive(Serialize, Deserialize)]
pub(crate) struct FileRecord(u32);

/// An open folder.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FolderRecord {
    /// A granted folder, by its number in the order of the policy.
    Mount(usize),
    /// A folder in memory, by its number.
    Memory(u32),
}

impl Snapshot {
    /// Writes the files, and to `all` what they hold.
    pub(crate) fn written(&self, all: &mut Vec<u8>) -> TreeRecord {
        self.tree().written(all)
    }

    /// Reads files that were written, where so many bytes may be kept. Nothing if they take more, or there can be none such.
    pub(crate) fn read(record: TreeRecord, all: &mut &[u8], limit_bytes: u64) -> Option<Self> {
        let tree = Tree::read(record, all)?;
        (tree.used_bytes() <= limit_bytes).then(|| Self::of(tree, limit_bytes))
    }
}

impl SavedFile {
    /// Writes which file it is. Nothing for one of a bundle.
    pub(crate) fn written(&self) -> Option<FileRecord> {
        match &self.0 {
            SavedStorage::Memory(id) => Some(FileRecord(id.number())),
            SavedStorage::Bundled(_) => None,
        }
    }

    /// Reads which file it was.
    pub(crate) fn read(FileRecord(number): FileRecord) -> Self {
        Self(SavedStorage::Memory(NodeId::of_number(number)))
    }
}

impl SavedFolder {
    /// Writes which folder it is. Nothing for one within a grant.
    pub(crate) fn written(&self) -> Option<FolderRecord> {
        match &self.0 {
            Saved::Mount(number) => Some(FolderRecord::Mount(*number)),
            Saved::At(Position::Memory(id)) => Some(FolderRecord::Memory(id.number())),
            Saved::At(Position::Host(_) | Position::Bundled(_) | Position::Junction(_)) => None,
        }
    }

    /// Reads which folder it was.
    pub(crate) fn read(record: FolderRecord) -> Self {
        Self(match record {
            FolderRecord::Mount(number) => Saved::Mount(number),
            FolderRecord::Memory(number) => Saved::At(Position::Memory(NodeId::of_number(number))),
        })
    }

    /// Whether it is within a granted folder of this sandbox, or leads to one, and was opened there.
    pub(crate) fn is_of_sandbox(&self) -> bool {
        matches!(self.0, Saved::At(Position::Host(_) | Position::Junction(_)))
    }
}
