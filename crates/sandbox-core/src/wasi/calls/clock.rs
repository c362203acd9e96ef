//! `clock_time_get` and `clock_res_get`.

use super::{Call, Errno};
use crate::wasi::clock::in_nanoseconds;

pub(super) fn time_get(
    call: &mut Call<'_>,
    id: u32,
    _precision: u64,
    out: u32,
) -> Result<(), Errno> {
    let now = call.state.clock.now(id).ok_or(Errno::Inval)?;
    call.memory.store(out, 0, &in_nanoseconds(now).to_le_bytes())
}

pub(super) fn res_get(call: &mut Call<'_>, id: u32, out: u32) -> Result<(), Errno> {
    let clock = &call.state.clock;
    clock.now(id).ok_or(Errno::Inval)?;
    call.memory.store(out, 0, &in_nanoseconds(clock.resolution()).to_le_bytes())
}
