//! Arguments and environment of a guest.

use super::{Call, Errno};
use crate::wasi::launch::Strings;
use crate::wasi::memory::Memory;

pub(super) fn args_get(call: &mut Call<'_>, list: u32, bytes: u32) -> Result<(), Errno> {
    strings(&mut call.memory, &call.state.arguments, list, bytes)
}

pub(super) fn args_sizes_get(call: &mut Call<'_>, count: u32, size: u32) -> Result<(), Errno> {
    sizes(&mut call.memory, &call.state.arguments, count, size)
}

pub(super) fn environ_get(call: &mut Call<'_>, list: u32, bytes: u32) -> Result<(), Errno> {
    strings(&mut call.memory, &call.state.environment, list, bytes)
}

pub(super) fn environ_sizes_get(call: &mut Call<'_>, count: u32, size: u32) -> Result<(), Errno> {
    sizes(&mut call.memory, &call.state.environment, count, size)
}

/// Writes the bytes of all strings, and to `list` where each begins.
fn strings(memory: &mut Memory<'_>, strings: &Strings, list: u32, bytes: u32) -> Result<(), Errno> {
    memory.check(list, 4 * strings.starts().len() as u64)?;
    memory.store(bytes, 0, strings.bytes())?;
    for (index, start) in strings.starts().iter().enumerate() {
        let start = u32::try_from(*start).map_err(|_| Errno::Overflow)?;
        // It lies in memory, and so does not overflow.
        memory.store(list, 4 * index as u64, &bytes.wrapping_add(start).to_le_bytes())?;
    }
    Ok(())
}

fn sizes(memory: &mut Memory<'_>, strings: &Strings, count: u32, size: u32) -> Result<(), Errno> {
    let number = |len: usize| u32::try_from(len).map_err(|_| Errno::Overflow);
    memory.check(size, 4)?;
    memory.store(count, 0, &number(strings.starts().len())?.to_le_bytes())?;
    memory.store(size, 0, &number(strings.bytes().len())?.to_le_bytes())
}
