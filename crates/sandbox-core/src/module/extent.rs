//! Extent of a module: how much there is in it of what a compiler and an instance take time and memory for.
//!
//! It is counted by the pass that finds out a module's [`Behaviour`](super::Behaviour), and known before anything is
//! compiled. What a compiler is asked to do is held against the policy's
//! [`CompileLimits`](crate::policy::CompileLimits), what an instance makes the host hold against its limit of memory.

mod function;
mod holdings;
mod module;

use serde::{Deserialize, Serialize};

use crate::error::{Result, SandboxError};
use crate::policy::{CompileLimits, CompileMeasure};

pub(super) use module::Tally;

/// The most that an instance can make the host hold, whatever the policy. Wasmer counts in 32 bits what it lays out
/// for one, and does not expect that to overflow.
const MOST_HELD_BYTES: u64 = 1 << 31;

/// Counts of a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Extent {
    /// In the order of [`CompileMeasure::ALL`]. Of what is counted for each function: the most of one.
    counts: [u64; CompileMeasure::ALL.len()],
    /// The functions with the most, by their index, in the same order as far as it goes.
    functions: [u32; CompileMeasure::Phis as usize],
    /// Bytes that an instance makes the host hold as it begins, beside its linear memory.
    held_bytes: u64,
    /// The elements that all tables begin with.
    table_elements: u64,
    /// The tables that the code can enlarge, by their index, in order.
    growing_tables: Vec<u32>,
}

impl Default for Extent {
    /// That of a module with nothing in it.
    fn default() -> Self {
        Self {
            counts: [0; _],
            functions: [0; _],
            held_bytes: 0,
            table_elements: 0,
            growing_tables: Vec::new(),
        }
    }
}

impl Extent {
    /// Amount of that measure.
    pub(crate) fn count(&self, measure: CompileMeasure) -> u64 {
        self.counts[measure.at()]
    }

    /// Bytes that an instance makes the host hold as it begins, beside its linear memory.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// The elements that all tables begin with.
    pub(crate) fn table_elements(&self) -> u64 {
        self.table_elements
    }

    /// The tables that the code can enlarge, by their index, in order.
    pub(crate) fn growing_tables(&self) -> &[u32] {
        &self.growing_tables
    }

    /// Whether a compiler that merges values has more to merge than the limits allow.
    pub(super) fn has_too_many_phis(&self, limits: &CompileLimits) -> bool {
        self.is_over(CompileMeasure::Phis, limits)
    }

    /// Refuses what is not compiled within the limits, whatever the compiler.
    ///
    /// # Errors
    /// [`SandboxError::CompileLimit`], or [`SandboxError::InstanceTooLarge`] for a module of which Wasmer could not even
    /// say how large its instances are.
    pub(super) fn require_within(&self, limits: &CompileLimits) -> Result<()> {
        let measures = CompileMeasure::ALL.iter().copied();
        let mut counted = measures.filter(|measure| *measure != CompileMeasure::Phis);
        if let Some(measure) = counted.find(|measure| self.is_over(*measure, limits)) {
            return Err(self.refusal(measure, limits));
        }
        if self.held_bytes > MOST_HELD_BYTES {
            return Err(SandboxError::InstanceTooLarge {
                memory_bytes: 0,
                held_bytes: self.held_bytes,
                limit_bytes: MOST_HELD_BYTES,
            });
        }
        Ok(())
    }

    /// The error for too much of that.
    pub(super) fn refusal(&self, measure: CompileMeasure, limits: &CompileLimits) -> SandboxError {
        let function = measure.is_of_function().then(|| self.functions[measure.at()]);
        SandboxError::CompileLimit {
            function,
            measure,
            found: self.count(measure),
            limit: limits.of(measure),
        }
    }

    fn is_over(&self, measure: CompileMeasure, limits: &CompileLimits) -> bool {
        let limit = limits.of(measure);
        limit != u32::MAX && self.count(measure) > u64::from(limit)
    }
}

#[cfg(test)]
mod tests;
