//! Saved snapshots: a sealed file of a record and, behind that, what memories and files hold.
//!
//! | in the file | what |
//! |---|---|
//! | description | the [`Record`], as JSON |
//! | the rest | of each memory the parts that are listed, then what standard input and files hold, in the order of the record |

use std::ops::RangeInclusive;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Snapshot, comparable};
use crate::error::{ArtifactRejection, Result, SandboxError, SnapshotFault, SystemNeed};
use crate::instance::{Template, memory_sizes};
use crate::module::Module;
use crate::policy::{PAGE_BYTES, SecurityPolicy};
use crate::signing::{KeyRing, Purpose, Sealer};
use crate::sys::artifact::envelope;
use crate::sys::memory::PART_BYTES;
use crate::sys::state::{self, SparseMemory, changing_globals};
use crate::wasi::Remembered;
use crate::wasi::written::WasiRecord;

/// Version of the record. To be raised whenever its meaning changes.
const VERSION: u32 = 1;

/// All of a snapshot but what memories and files hold.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: u32,
    /// The hash of the Wasm bytes, in hexadecimal.
    wasm: String,
    /// The hash of the [`comparable`] policy, in hexadecimal.
    policy: String,
    /// Address of the exchange area.
    area: Option<u32>,
    memories: Vec<MemoryRecord>,
    /// The lower and the upper half of each.
    globals: Vec<[u64; 2]>,
    wasi: Option<WasiRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemoryRecord {
    len: u64,
    /// The parts that are not all zeros, by their numbers.
    parts: Vec<usize>,
}

pub(super) fn save(snapshot: &Snapshot, key: Sealer<'_>) -> Result<Vec<u8>> {
    let (template, mut contents) = (&snapshot.template, Vec::new());
    let policy = fingerprint(&snapshot.policy)?;
    let memories = template.state().images().iter().map(|image| {
        let mut parts = Vec::new();
        image
            .each_part(|number, part| {
                parts.push(number);
                contents.extend_from_slice(part);
            })
            .map_err(refused)?;
        Ok(MemoryRecord { len: image.len() as u64, parts })
    });
    let memories = memories.collect::<Result<_>>()?;
    let wasi = template.wasi().map(|wasi| {
        // Only bundles are in the way, and a policy with those was refused.
        wasi.written(&mut contents).ok_or(SandboxError::Snapshot(SnapshotFault::PolicyOfProcess))
    });
    let wasi = wasi.transpose()?;
    let (version, area) = (VERSION, template.area_address());
    let globals = template.state().globals().iter().map(|value| halves(*value)).collect();
    let wasm = snapshot.module.wasm_hash().to_owned();
    let record = Record { version, wasm, policy, area, memories, globals, wasi };
    let description =
        serde_json::to_vec(&record).expect("strings, numbers and lists can be written as JSON");
    Ok(envelope::seal(&description, &contents, key, Purpose::Snapshot))
}

pub(super) fn load(
    saved: &[u8],
    module: &Module,
    policy: &SecurityPolicy,
    keys: &KeyRing,
) -> Result<Template> {
    let opened = envelope::open_snapshot(Bytes::copy_from_slice(saved), keys);
    let (description, contents) =
        opened.map_err(|rejection| SandboxError::Snapshot(fault(&rejection)))?;
    let unrecognised = || SandboxError::Snapshot(SnapshotFault::Unrecognised);
    let record: Record = serde_json::from_slice(&description).map_err(|_| unrecognised())?;
    if record.version != VERSION {
        return Err(unrecognised());
    }
    let info = module.compiled().info();
    if record.wasm != module.wasm_hash() || record.globals.len() != changing_globals(info) {
        return Err(SandboxError::Snapshot(SnapshotFault::OtherModule));
    }
    if record.policy != fingerprint(policy)? {
        return Err(SandboxError::Snapshot(SnapshotFault::OtherPolicy));
    }
    let sizes = memory_sizes(module, policy)?;
    let mut rest = &contents[..];
    let memories = memories(record.memories, &sizes, &mut rest).ok_or_else(unrecognised)?;
    let wasi = record.wasi.map(|wasi| Remembered::read(wasi, &mut rest, policy));
    let wasi = wasi.map(|wasi| wasi.ok_or_else(unrecognised)).transpose()?;
    if !rest.is_empty() {
        return Err(unrecognised());
    }
    let globals = record.globals.into_iter().map(whole).collect();
    let state = state::Snapshot::of(&memories, globals).map_err(refused)?;
    Ok(Template::of_parts(state, record.area, wasi))
}

/// Takes what memories hold. Nothing if they are not as many as those, or one of them cannot be so large or have those parts.
fn memories<'a>(
    records: Vec<MemoryRecord>,
    sizes: &[RangeInclusive<u64>],
    rest: &mut &'a [u8],
) -> Option<Vec<SparseMemory<'a>>> {
    if records.len() != sizes.len() {
        return None;
    }
    let memories = records.into_iter().zip(sizes).map(|(MemoryRecord { len, parts }, size)| {
        let is_possible = size.contains(&len) && len.is_multiple_of(PAGE_BYTES);
        let len = usize::try_from(len).ok().filter(|_| is_possible)?;
        let is_in_order = parts.is_sorted_by(|one, next| one < next);
        let is_within = parts.last().is_none_or(|last| *last < len / PART_BYTES);
        if !is_in_order || !is_within {
            return None;
        }
        let parts = parts.into_iter().map(|number| Some((number, rest.split_off(..PART_BYTES)?)));
        Some(SparseMemory { len, parts: parts.collect::<Option<_>>()? })
    });
    memories.collect()
}

/// The hash of what a guest can tell of the policy, in hexadecimal.
fn fingerprint(policy: &SecurityPolicy) -> Result<String> {
    let written = serde_json::to_vec(&comparable(policy))
        .map_err(|_| SandboxError::Snapshot(SnapshotFault::PolicyOfProcess))?;
    Ok(blake3::hash(&written).to_hex().to_string())
}

fn fault(rejection: &ArtifactRejection) -> SnapshotFault {
    match rejection {
        ArtifactRejection::ForeignKey => SnapshotFault::ForeignKey,
        ArtifactRejection::Altered | ArtifactRejection::WrongLength { .. } => {
            SnapshotFault::Altered
        }
        _ => SnapshotFault::Unrecognised,
    }
}

fn refused(error: std::io::Error) -> SandboxError {
    SandboxError::SystemRefused { need: SystemNeed::Memory, error }
}

#[expect(clippy::cast_possible_truncation, reason = "the other half is the other number")]
const fn halves(value: u128) -> [u64; 2] {
    [value as u64, (value >> 64) as u64]
}

fn whole([low, high]: [u64; 2]) -> u128 {
    u128::from(low) | u128::from(high) << 64
}

#[cfg(test)]
mod tests;
