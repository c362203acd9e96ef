//! Taking turns: who waits, in which order, and how that costs little while nobody does.
//!
//! The lock itself is [`TurnLock`](crate::sys::turn_lock::TurnLock), since what gives out exclusive references is
//! unsafe code.

pub(crate) mod permits;
pub(crate) mod queue;
pub(crate) mod shards;
