//! Taking turns: who waits, in which order, who is told to stop, and how that costs little while nobody does.
//!
//! The lock itself is [`TurnLock`](crate::sys::turn_lock::TurnLock), since what gives out exclusive references is
//! unsafe code.

pub(crate) mod permits;
pub(crate) mod primitives;
pub(crate) mod queue;
pub(crate) mod shards;
pub(crate) mod stop_word;
pub(crate) mod watched;
