//! Waits of sockets, which end with the call that they are in.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use crate::threads::{callers_thread, workers};
use crate::wasi::errno::Errno;
use crate::watchdog::CallControl;

/// Time that the operating system waits before we look whether the call is to stop.
pub(in crate::wasi) const TICK: Duration = Duration::from_millis(5);

/// Tries until something happens, the timeout of the guest is over, or the call is to stop.
pub(super) fn wait<T>(
    timeout: Option<Duration>,
    control: &CallControl,
    mut attempt: impl FnMut() -> io::Result<T>,
) -> Result<T, Errno> {
    let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let is_over = || until.is_some_and(|until| Instant::now() >= until);
    let mut once = || {
        if control.stop_reason().is_some() {
            return Some(Err(Errno::Canceled));
        }
        let error = match attempt() {
            Ok(done) => return Some(Ok(done)),
            Err(error) => error,
        };
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut if is_over() => Some(Err(Errno::Again)),
            ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => None,
            _ => Some(Err(error.into())),
        }
    };
    match once() {
        Some(done) => done,
        // It will take a while, so other tasks of the caller's thread go on elsewhere.
        None => callers_thread::while_waiting(|| {
            workers::asleep(|| {
                loop {
                    if let Some(done) = once() {
                        return done;
                    }
                }
            })
        }),
    }
}
