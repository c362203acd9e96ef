//! State of WASI as it is written out of the process: files in memory, descriptors, random bytes.
//!
//! The records are types of their own, so that nothing that is done to the state changes what was written before. Contents of
//! files are not in them, but in one stretch of bytes beside them, in order.

use serde::{Deserialize, Serialize};

use super::fs::Snapshot;
use super::fs::written::TreeRecord;
use super::random::RandomSource;
use super::state::Remembered;
use super::table::SavedTable;
use super::table::written::TableRecord;
use crate::policy::{Randomness, SecurityPolicy};

/// More random bytes than any guest can have drawn.
const MOST_DRAWN: u64 = i64::MAX as u64;

/// State of WASI of an instance.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WasiRecord {
    table: TableRecord,
    files: TreeRecord,
    random: RandomRecord,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum RandomRecord {
    Secure { drawn: bool },
    Seeded { used: u64 },
    Denied,
}

impl Remembered {
    /// Writes the state, and to `all` what files and standard input hold. Nothing if a file or folder of a bundle is open.
    pub(crate) fn written(&self, all: &mut Vec<u8>) -> Option<WasiRecord> {
        let table = self.table.written(all)?;
        let files = self.files.written(all);
        let random = match self.random {
            RandomSource::Secure { drawn } => RandomRecord::Secure { drawn },
            RandomSource::Seeded { used, .. } => RandomRecord::Seeded { used },
            RandomSource::Denied => RandomRecord::Denied,
        };
        Some(WasiRecord { table, files, random })
    }

    /// Reads a state that was written, for instances under that policy. Nothing if there can be none such.
    pub(crate) fn read(
        record: WasiRecord,
        all: &mut &[u8],
        policy: &SecurityPolicy,
    ) -> Option<Self> {
        let WasiRecord { table, files, random } = record;
        let random = match (random, policy.randomness) {
            (RandomRecord::Secure { drawn }, Randomness::Secure) => RandomSource::Secure { drawn },
            (RandomRecord::Seeded { used }, Randomness::Seeded(seed)) if used <= MOST_DRAWN => {
                RandomSource::Seeded { seed, used }
            }
            (RandomRecord::Denied, Randomness::Denied) => RandomSource::Denied,
            _ => return None,
        };
        let table = SavedTable::read(table, all, policy.open_file_limit as usize)?;
        let files = Snapshot::read(files, all, policy.scratch_limit_bytes)?;
        Some(Self { table, files, random })
    }
}
