//! Locks that give out exclusive references.

#[path = "../../../crates/sandbox-core/src/sys/identity.rs"]
pub(crate) mod identity;
#[path = "../../../crates/sandbox-core/src/sys/turn_lock.rs"]
pub(crate) mod turn_lock;
