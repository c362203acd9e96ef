//! Room of an instance, computed before there is one.
//!
//! A guest can make the host hold much without using any linear memory: with tables, globals, exports, functions. So what
//! the module's [`Extent`](crate::module::Extent) says of that counts together with linear memory, against one limit.
//! Ordinary guests have little of it, so the first MiB is free, and their limit is one of linear memory alone. Several linear
//! memories share what is left at the start, as tables do.

use std::ops::RangeInclusive;

use wasmer::Pages;

use crate::error::{Result, SandboxError};
use crate::module::Module;
use crate::policy::{PAGE_BYTES, SecurityPolicy};
use crate::sys::limits::{Room, most_pages};

/// Memory of the host that is not counted, in bytes.
const FREE_BYTES: u64 = 1 << 20;

/// Bytes for each element that a table grows by: its own, and when the table is copied to where there is room, as
/// many again.
const GROWN_ELEMENT_BYTES: u64 = 16;

/// The room for an instance of the module.
///
/// # Errors
/// Refuses a module that could not even start within its limits, with the numbers.
pub(super) fn of(module: &Module, policy: &SecurityPolicy) -> Result<Room> {
    let extent = module.extent();
    let limit = policy.table_limit_elements;
    let left = u64::from(limit).checked_sub(extent.table_elements());
    let Some(left) = left else {
        let requested = u32::try_from(extent.table_elements()).unwrap_or(u32::MAX);
        return Err(SandboxError::TableLimit { requested, limit, call: Box::default() });
    };
    let growing_tables = extent.growing_tables().to_vec();
    let limit_bytes = u64::from(most_pages(policy)) * PAGE_BYTES;
    let memory_bytes = module.memory_minimum_bytes();
    let taken_bytes = extent.held_bytes().saturating_add(memory_bytes);
    // Half of what is left at the start: a table never takes all of it from the memory, nor keeps the guest from starting.
    let growth_bytes = limit_bytes.saturating_add(FREE_BYTES).saturating_sub(taken_bytes) / 2;
    let growing = growing_tables.len() as u64;
    let growth_elements =
        left.min(growth_bytes / GROWN_ELEMENT_BYTES).checked_div(growing).unwrap_or(0);
    let grown_bytes = growth_elements.saturating_mul(growing).saturating_mul(GROWN_ELEMENT_BYTES);
    let held_bytes = extent.held_bytes().saturating_add(grown_bytes);
    let counted_bytes = held_bytes.saturating_sub(FREE_BYTES);
    if counted_bytes.saturating_add(memory_bytes) > limit_bytes {
        return Err(match counted_bytes {
            0 => SandboxError::MemoryLimit {
                requested_bytes: memory_bytes,
                limit_bytes,
                call: Box::default(),
            },
            _ => SandboxError::InstanceTooLarge { memory_bytes, held_bytes, limit_bytes },
        });
    }
    let most_pages = (limit_bytes - counted_bytes) / PAGE_BYTES;
    let memories = module.compiled().info().memories.len().max(1) as u64;
    let growth_pages = most_pages.saturating_sub(memory_bytes / PAGE_BYTES) / memories;
    Ok(Room {
        most_pages: u32::try_from(most_pages).unwrap_or(u32::MAX),
        growth_pages: u32::try_from(growth_pages).unwrap_or(u32::MAX),
        most_elements: limit,
        growth_elements: u32::try_from(growth_elements).unwrap_or(u32::MAX),
        growing_tables,
        exceptions: exceptions(module, limit_bytes),
    })
}

/// Sizes that each linear memory of an instance of the module can have, in bytes.
///
/// # Errors
/// Those of starting the module under the policy.
pub(crate) fn memory_sizes(
    module: &Module,
    policy: &SecurityPolicy,
) -> Result<Vec<RangeInclusive<u64>>> {
    let room = of(module, policy)?;
    let memories = module.compiled().info().memories.values();
    let bytes = |pages: Pages| u64::from(pages.0) * PAGE_BYTES;
    Ok(memories.map(|ty| bytes(ty.minimum)..=bytes(room.most_grown(ty))).collect())
}

/// Number of exceptions that an instance can make: so many that all of them take a quarter of its limit at most,
/// beside what is counted before it begins. Wasmer keeps each as long as the instance.
fn exceptions(module: &Module, limit_bytes: u64) -> u32 {
    /// An exception without its values: its entry in the store, and the few frames that its backtrace has.
    const BYTES: u64 = 1024;
    const BYTES_OF_VALUE: u64 = 16;
    let info = module.compiled().info();
    let values = info.tags.values().filter_map(|ty| info.signatures.get(*ty));
    let most = values.map(|ty| ty.params().len()).max().unwrap_or_default() as u64;
    u32::try_from(limit_bytes / 4 / (BYTES + most * BYTES_OF_VALUE)).unwrap_or(u32::MAX)
}
