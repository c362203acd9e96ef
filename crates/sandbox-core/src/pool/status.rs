//! Status of a pool.

use crate::usage::ResourceUsage;

/// Status of a pool at one moment, and counts of what it had been through.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatus {
    /// Largest number of sandboxes.
    pub size: usize,
    /// Number of sandboxes that are ready for a caller.
    pub idle: usize,
    /// Number of sandboxes that callers have, or whose guests are still being stopped.
    pub in_use: usize,
    /// Number of callers that wait.
    pub waiting: usize,
    /// Number of sandboxes that were discarded because their guest had been stopped, had trapped, or only failed.
    pub replaced: u64,
    /// Number of sandboxes that could not be made, and whose callers were told so.
    pub failed_creations: u64,
    /// Number of callers that found the queue full.
    pub refused: u64,
    /// Number of callers that waited in vain.
    pub timed_out: u64,
    /// Whether the pool takes no more callers.
    pub closed: bool,
    /// Resources used by all calls of which the sandbox was given back, failed calls among them.
    pub usage: ResourceUsage,
}

/// Status of one module of a pool at one moment, and counts of what all that had its name were through.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModuleStatus {
    /// Number of its sandboxes that are ready for a caller.
    pub idle: usize,
    /// Number of its sandboxes that callers have, or whose guests are still being stopped.
    pub in_use: usize,
    /// Number of sandboxes that callers have of modules that it has [replaced](crate::SandboxPool::replace).
    pub draining: usize,
    /// Number of sandboxes that were discarded because their guest had been stopped, had trapped, or only failed.
    pub replaced: u64,
    /// Resources used by all calls of which the sandbox was given back, failed calls among them.
    pub usage: ResourceUsage,
}

/// Status of one tenant of a pool. One that has been away for long begins anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TenantStatus {
    /// Number of places that it has.
    pub in_use: usize,
    /// Number of its callers that wait.
    pub waiting: usize,
    /// Number of its callers that got a place.
    pub served: u64,
    /// Number of its callers that found the queue full, or had to make room there for those of others.
    pub refused: u64,
}
