//! What a process does between its birth and its program: the only unsafe code of the crate.
#![expect(
    unsafe_code,
    reason = "the standard library lets nobody else act in a child before its program"
)]

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Has a command join a control group before its program starts, so that nothing it starts is
/// outside. `members` is the group's `cgroup.procs`. One that may not join starts all the same.
pub(crate) fn join_group(command: &mut Command, members: File) {
    let join = move || {
        // Zero is whoever writes it.
        let _ = rustix::io::write(&members, b"0");
        Ok(())
    };
    // SAFETY: between fork and exec, only functions that are safe in signal handlers may be called.
    // The closure makes one system call. It allocates nothing, takes no lock, and cannot panic.
    unsafe {
        command.pre_exec(join);
    }
}
