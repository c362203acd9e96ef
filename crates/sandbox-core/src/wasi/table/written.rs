//! Descriptors as they are written out of the process.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Flags, SavedDescriptor, SavedKind, SavedTable};
use crate::output::StreamName;
use crate::wasi::fs::written::{FileRecord, FolderRecord};
use crate::wasi::fs::{SavedFile, SavedFolder};
use crate::wasi::rights::Rights;

/// Descriptors by their numbers.
#[derive(Serialize, Deserialize)]
pub(crate) struct TableRecord(Vec<Option<DescriptorRecord>>);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DescriptorRecord {
    kind: KindRecord,
    rights: u64,
    inheriting: u64,
    flags: u16,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum KindRecord {
    Input {
        len: u64,
        position: u64,
    },
    Stdout,
    Stderr,
    File {
        file: FileRecord,
        position: u64,
    },
    /// A folder. How far it was listed is not kept: it is listed anew.
    Folder {
        folder: FolderRecord,
        preopened: Option<String>,
    },
}

impl SavedTable {
    /// Writes the descriptors, and to `all` what standard input holds. Nothing if one is of a grant, and not there from the
    /// start.
    pub(in crate::wasi) fn written(&self, all: &mut Vec<u8>) -> Option<TableRecord> {
        let slots = self.slots.iter().map(|slot| match slot {
            Some(descriptor) => descriptor.written(all).map(Some),
            None => Some(None),
        });
        slots.collect::<Option<_>>().map(TableRecord)
    }

    /// Reads descriptors that were written, of which so many may be open.
    pub(in crate::wasi) fn read(
        TableRecord(records): TableRecord,
        all: &mut &[u8],
        limit: usize,
    ) -> Option<Self> {
        let limit = limit.max(records.len());
        let slots = records.into_iter().map(|slot| match slot {
            Some(record) => SavedDescriptor::read(record, all).map(Some),
            None => Some(None),
        });
        Some(Self { slots: slots.collect::<Option<_>>()?, limit })
    }
}

impl SavedDescriptor {
    fn written(&self, all: &mut Vec<u8>) -> Option<DescriptorRecord> {
        let kind = match &self.kind {
            SavedKind::Input { bytes, position } => {
                all.extend_from_slice(bytes);
                KindRecord::Input { len: bytes.len() as u64, position: *position as u64 }
            }
            SavedKind::Output(StreamName::Stdout) => KindRecord::Stdout,
            SavedKind::Output(StreamName::Stderr) => KindRecord::Stderr,
            SavedKind::File { file, position } => {
                KindRecord::File { file: file.written()?, position: *position }
            }
            SavedKind::Folder { folder, preopened, .. } => KindRecord::Folder {
                folder: folder.written()?,
                preopened: preopened.as_deref().map(str::to_owned),
            },
        };
        let Self { rights, inheriting, flags, .. } = *self;
        let (rights, inheriting) = (rights.bits(), inheriting.bits());
        Some(DescriptorRecord { kind, rights, inheriting, flags: flags.bits() })
    }

    fn read(record: DescriptorRecord, all: &mut &[u8]) -> Option<Self> {
        let DescriptorRecord { kind, rights, inheriting, flags } = record;
        let kind = match kind {
            KindRecord::Input { len, position } => {
                let bytes = all.split_off(..usize::try_from(len).ok()?)?;
                let position = usize::try_from(position.min(len)).ok()?;
                SavedKind::Input { bytes: Arc::from(bytes), position }
            }
            KindRecord::Stdout => SavedKind::Output(StreamName::Stdout),
            KindRecord::Stderr => SavedKind::Output(StreamName::Stderr),
            KindRecord::File { file, position } => {
                SavedKind::File { file: SavedFile::read(file), position }
            }
            KindRecord::Folder { folder, preopened } => SavedKind::Folder {
                folder: SavedFolder::read(folder),
                preopened: preopened.map(Arc::from),
                listing: None,
            },
        };
        let (rights, inheriting) = (Rights::from_bits(rights), Rights::from_bits(inheriting));
        let flags = Flags::from_bits(flags.into()).ok()?;
        Some(Self { kind, rights, inheriting, flags })
    }
}
