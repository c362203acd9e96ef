//! Systems on which guests cannot be stopped: none is started there.

use std::io;
use std::ops::Range;

use super::thread::ThreadNumber;
use crate::error::{CallResult, SandboxError, SystemNeed};

/// Signals opened again, which a thread that is not admitted never gets.
#[derive(Debug)]
pub(crate) enum Reopened {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deafness {
    Denied,
    Unknown,
}

pub(crate) fn install(_: fn()) -> bool {
    false
}

pub(crate) fn admit() -> CallResult<Option<Reopened>> {
    let error = io::ErrorKind::Unsupported.into();
    Err(SandboxError::SystemRefused { need: SystemNeed::Interrupts, error }.into())
}

pub(crate) fn forget_admissions() {}

pub(crate) fn look_at_masks_again() {}

pub(crate) fn look_at_mask_again() {}

pub(crate) fn look_after_handlers() {}

pub(crate) fn interrupt(_: ThreadNumber) {}

pub(crate) fn escalate(_: ThreadNumber, _: &Range<usize>) -> (Deafness, bool) {
    (Deafness::Denied, false)
}
