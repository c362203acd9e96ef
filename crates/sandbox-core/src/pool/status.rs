//! How a pool is.

use crate::usage::ResourceUsage;

/// How a pool was at one moment, and what it had been through.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatus {
    /// How many sandboxes there can be at most.
    pub size: usize,
    /// How many are ready for a caller.
    pub idle: usize,
    /// How many callers have, or whose guests are still being stopped.
    pub in_use: usize,
    /// How many callers wait.
    pub waiting: usize,
    /// How many sandboxes were discarded because their guest had been stopped, had trapped, or only failed.
    pub replaced: u64,
    /// How many sandboxes could not be made, and their callers were told so.
    pub failed_creations: u64,
    /// How many callers found the queue full.
    pub refused: u64,
    /// How many callers waited in vain.
    pub timed_out: u64,
    /// Whether the pool takes no more callers.
    pub closed: bool,
    /// What all calls used of which the sandbox was given back, failed calls among them.
    pub usage: ResourceUsage,
}
