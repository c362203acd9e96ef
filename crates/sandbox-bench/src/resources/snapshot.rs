//! The counters of the process at one moment.
#![expect(unsafe_code, reason = "a system call that the standard library does not offer")]

use libc::{c_long, rusage, timeval};

/// Resources of the machine that the process has used so far.
#[derive(Debug, Clone, Copy)]
pub struct Snapshot {
    pub(super) cpu_user_ns: u64,
    pub(super) cpu_system_ns: u64,
    pub(super) minor_faults: u64,
    pub(super) major_faults: u64,
    pub(super) voluntary_switches: u64,
    pub(super) involuntary_switches: u64,
}

impl Snapshot {
    /// Reads the counters of all threads of this process.
    pub fn now() -> Self {
        // SAFETY: `rusage` is a struct of integers, for which zero is a value.
        let mut usage: rusage = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer is to a live, writable `rusage`. The call fails only for a wrong first argument
        // or a wrong pointer; were it to, the counters would stay zero.
        unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
        Self {
            cpu_user_ns: nanoseconds(usage.ru_utime),
            cpu_system_ns: nanoseconds(usage.ru_stime),
            minor_faults: count(usage.ru_minflt),
            major_faults: count(usage.ru_majflt),
            voluntary_switches: count(usage.ru_nvcsw),
            involuntary_switches: count(usage.ru_nivcsw),
        }
    }
}

fn nanoseconds(time: timeval) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    seconds * 1_000_000_000 + micros * 1_000
}

fn count(count: c_long) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
