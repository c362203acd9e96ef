//! The identity of a measurement's content.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::model::{Samples, Series};

/// A hash of a series, its samples and where they came from. The same measurement read twice
/// has the same digest, which makes importing idempotent; two processes never give the same
/// hundred times to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 16]);

impl Digest {
    /// Hashes a measurement. `context` tells apart runs whose values may well be equal, such as
    /// single numbers; it is empty for Criterion, where copied folders must count as equal.
    pub fn of(context: &[&str], series: &Series, samples: &Samples) -> Self {
        let mut hasher = Sha256::new();
        let names = [
            series.benchmark.as_str(),
            series.metric.as_str(),
            series.unit.as_str(),
            series.direction.as_str(),
        ];
        for part in context.iter().chain(&names) {
            hasher.update(part.len().to_le_bytes());
            hasher.update(part.as_bytes());
        }
        for sample in samples.as_slice() {
            hasher.update(sample.iterations.to_le_bytes());
            hasher.update(sample.total.to_le_bytes());
        }
        let hash = hasher.finalize();
        let mut digest = [0; 16];
        digest.copy_from_slice(&hash[..16]);
        Self(digest)
    }

    /// The bytes that are stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
