//! `proc_exit`, `proc_raise` and `sched_yield`.

use super::{Call, Context, Errno, stop_if_told};
use crate::wasi::Unwound;

/// Offset that is added to the number of a signal for the exit code of a process that one ended.
const ENDED_BY_SIGNAL: i32 = 128;

/// The signals that end a process which does not handle them. Guests have no handlers.
const ENDING: std::ops::RangeInclusive<u32> = 1..=15;
const ENDING_TOO: [u32; 8] = [22, 23, 24, 25, 27, 28, 29, 30];
/// No signal, and those that are ignored: of children, to go on, of urgent data and of windows.
const IGNORED: [u32; 5] = [0, 16, 17, 21, 26];
const STOPPING: std::ops::RangeInclusive<u32> = 18..=20;

pub(super) fn exit(context: Context<'_>, code: i32) -> Result<(), Unwound> {
    stop_if_told(&context.data().control)?;
    Err(Unwound::Exited(code))
}

/// Does to the guest what the signal does to a process that handles none.
pub(super) fn raise(context: Context<'_>, signal: u32) -> Result<i32, Unwound> {
    stop_if_told(&context.data().control)?;
    if ENDING.contains(&signal) || ENDING_TOO.contains(&signal) {
        return Err(Unwound::Exited(ENDED_BY_SIGNAL + signal.cast_signed()));
    }
    let errno = if IGNORED.contains(&signal) {
        Errno::Success
    } else if STOPPING.contains(&signal) {
        // Nobody could have it go on.
        Errno::NotSup
    } else {
        Errno::Inval
    };
    Ok(errno.code())
}

pub(super) fn sched_yield(_call: &mut Call<'_>) -> Result<(), Errno> {
    std::thread::yield_now();
    Ok(())
}
