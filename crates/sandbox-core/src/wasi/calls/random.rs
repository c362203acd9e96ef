//! `random_get`.

use super::{Call, Errno, look};

/// Number of bytes that are made at once: between two portions the call can be stopped.
const PORTION_BYTES: usize = 64 * 1024;

pub(super) fn get(call: &mut Call<'_>, at: u32, len: u32) -> Result<(), Errno> {
    if len == 0 {
        return Ok(());
    }
    for portion in call.memory.bytes_mut(at, len)?.chunks_mut(PORTION_BYTES) {
        look(&call.state.control)?;
        call.state.random.fill(portion)?;
    }
    Ok(())
}
