//! The identity of a measurement's content.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use bench_stats::model::{Samples, Series};

/// A hash of a series, its samples and what else tells them from others. The same measurement read
/// twice has the same digest, which makes importing idempotent. Two processes never give the same
/// hundred times to the nanosecond; where values may repeat, `identity` says what is added.
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
        Self::finish(hasher)
    }

    /// Hashes a text.
    pub(super) fn of_text(text: &str) -> Self {
        Self::finish(Sha256::new().chain_update(text))
    }

    /// The digest of the same content under other circumstances.
    #[must_use]
    pub(super) fn with(self, circumstances: &str) -> Self {
        Self::finish(Sha256::new().chain_update(self.0).chain_update(circumstances))
    }

    fn finish(hasher: Sha256) -> Self {
        let hash = hasher.finalize();
        let mut digest = [0; 16];
        digest.copy_from_slice(&hash[..16]);
        Self(digest)
    }

    /// Reads [`Self::as_bytes`] back.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    /// The bytes that are stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || format!("`{text}` is not a digest of 32 hexadecimal digits");
        if text.len() != 32 || !text.is_ascii() {
            return Err(refused());
        }
        let mut bytes = [0; 16];
        for (index, byte) in bytes.iter_mut().enumerate() {
            let digits = &text[2 * index..2 * index + 2];
            *byte = u8::from_str_radix(digits, 16).map_err(|_| refused())?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
