//! Contents of files as they are written out of the process.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{CHUNK_BYTES, Chunk, Contents, LARGEST};

/// A file: where its chunks are and how long they are. What they hold is beside the record.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContentsRecord {
    len: u64,
    chunks: Vec<ChunkRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChunkRecord {
    index: u64,
    len: u64,
    charged: u64,
}

impl Contents {
    /// Writes where the chunks are, and to `all` what they hold.
    pub(in super::super) fn written(&self, all: &mut Vec<u8>) -> ContentsRecord {
        let chunks = self.chunks.iter().map(|(index, chunk)| {
            all.extend_from_slice(&chunk.bytes);
            let (len, charged) = (chunk.bytes.len() as u64, chunk.charged);
            ChunkRecord { index: *index, len, charged }
        });
        ContentsRecord { len: self.len, chunks: chunks.collect() }
    }

    /// Reads contents that were written. Nothing if there can be none such.
    pub(in super::super) fn of(record: ContentsRecord, all: &mut &[u8]) -> Option<Self> {
        if record.len > LARGEST {
            return None;
        }
        let mut contents = Self { len: record.len, ..Self::default() };
        for ChunkRecord { index, len, charged } in record.chunks {
            let len = usize::try_from(len).ok()?;
            let is_possible = index <= LARGEST / CHUNK_BYTES as u64
                && len <= CHUNK_BYTES
                && (len as u64..=CHUNK_BYTES as u64).contains(&charged);
            let bytes = all.split_off(..len).filter(|_| is_possible)?.to_vec();
            if contents.chunks.insert(index, Arc::new(Chunk { bytes, charged })).is_some() {
                return None;
            }
        }
        Some(contents)
    }
}
