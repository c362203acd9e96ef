//! Which parts of WebAssembly a module may use.

use std::fmt;

/// A proposal that extends WebAssembly beyond its first version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum WasmFeature {
    /// Copying and filling memories and tables.
    BulkMemory,
    /// Exceptions with `try_table`. Wasmer keeps every exception that was thrown, with a backtrace, for as
    /// long as the instance lives: a guest that throws in a loop uses up the host's memory.
    Exceptions,
    /// Arithmetic in constant expressions.
    ExtendedConst,
    /// More than one linear memory. What they begin with is limited together; when they grow, a policy's limit holds for
    /// each of them, so a guest with so many may come to use so many times the limit.
    MultiMemory,
    /// Functions and blocks with several results.
    MultiValue,
    /// Imports and exports of globals that change.
    MutableGlobals,
    /// References to functions and host values, and several tables.
    ReferenceTypes,
    /// Vector instructions whose results may differ from processor to processor.
    RelaxedSimd,
    /// Conversions of floats that saturate instead of trapping.
    SaturatingFloatToInt,
    /// Sign extension of parts of integers.
    SignExtension,
    /// Vectors of 128 bits.
    Simd,
    /// Calls that reuse the frame of their caller. Only LLVM offers them.
    TailCalls,
    /// Atomic instructions. Memories that are shared between threads are refused even so: a sandbox
    /// starts no threads, and reads and writes a guest's memory as its only user.
    Threads,
    /// Arithmetic of 128 bits.
    WideArithmetic,
}

impl WasmFeature {
    /// All of them, sorted by name.
    pub const ALL: &'static [Self] = &[
        Self::BulkMemory,
        Self::Exceptions,
        Self::ExtendedConst,
        Self::MultiMemory,
        Self::MultiValue,
        Self::MutableGlobals,
        Self::ReferenceTypes,
        Self::RelaxedSimd,
        Self::SaturatingFloatToInt,
        Self::SignExtension,
        Self::Simd,
        Self::TailCalls,
        Self::Threads,
        Self::WideArithmetic,
    ];

    const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// Name of the feature in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BulkMemory => "bulk memory",
            Self::Exceptions => "exceptions",
            Self::ExtendedConst => "extended constant expressions",
            Self::MultiMemory => "multiple memories",
            Self::MultiValue => "multiple values",
            Self::MutableGlobals => "mutable globals",
            Self::ReferenceTypes => "reference types",
            Self::RelaxedSimd => "relaxed SIMD",
            Self::SaturatingFloatToInt => "saturating conversions of floats",
            Self::SignExtension => "sign extension",
            Self::Simd => "SIMD",
            Self::TailCalls => "tail calls",
            Self::Threads => "threads",
            Self::WideArithmetic => "wide arithmetic",
        }
    }
}

impl fmt::Display for WasmFeature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of features.
///
/// ```
/// use sandbox_core::{WasmFeature, WasmFeatures};
///
/// let features = WasmFeatures::ALL.without(WasmFeature::Threads);
/// assert!(features.contains(WasmFeature::Simd));
/// assert!(!features.contains(WasmFeature::Threads));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct WasmFeatures(u32);

impl WasmFeatures {
    /// The first version of WebAssembly and nothing beyond it.
    pub const NONE: Self = Self(0);

    /// Every feature. A compiler that lacks one refuses a module that needs it.
    pub const ALL: Self = {
        let (mut bits, mut at) = (0, 0);
        while at < WasmFeature::ALL.len() {
            bits |= WasmFeature::ALL[at].bit();
            at += 1;
        }
        Self(bits)
    };

    /// Features for a guest that nobody trusts: all but threads, and but the two that let it use more of the host's
    /// memory than the policy's limit.
    pub const UNTRUSTED: Self = Self::ALL
        .without(WasmFeature::Threads)
        .without(WasmFeature::Exceptions)
        .without(WasmFeature::MultiMemory);

    /// Those of [`UNTRUSTED`](Self::UNTRUSTED) that compute the same on every processor.
    pub const DETERMINISTIC: Self = Self::UNTRUSTED.without(WasmFeature::RelaxedSimd);

    /// Whether the feature is in the set.
    #[must_use]
    pub const fn contains(self, feature: WasmFeature) -> bool {
        self.0 & feature.bit() != 0
    }

    /// The set with the feature.
    #[must_use]
    pub const fn with(self, feature: WasmFeature) -> Self {
        Self(self.0 | feature.bit())
    }

    /// The set without the feature.
    #[must_use]
    pub const fn without(self, feature: WasmFeature) -> Self {
        Self(self.0 & !feature.bit())
    }

    /// The features that are in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The features of this set that are not in the other.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the set has no feature.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The features, sorted by name.
    pub fn iter(self) -> impl Iterator<Item = WasmFeature> {
        WasmFeature::ALL.iter().copied().filter(move |feature| self.contains(*feature))
    }
}

impl FromIterator<WasmFeature> for WasmFeatures {
    fn from_iter<I: IntoIterator<Item = WasmFeature>>(features: I) -> Self {
        features.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for WasmFeatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl fmt::Display for WasmFeatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(WasmFeature::name).collect();
        f.write_str(&names.join(", "))
    }
}

/// Which bits a guest sees in the NaNs that it computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NanBits {
    /// Those that the processor leaves: they tell one kind of processor from another.
    Native,
    /// Equal in every NaN that an instruction computes, on every processor. Costs a comparison for each
    /// result of floating-point arithmetic.
    Canonical,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_is_in_the_list_once_and_in_order() {
        let mut sorted = WasmFeature::ALL.to_vec();
        sorted.sort();
        assert_eq!(sorted, WasmFeature::ALL);
        assert_eq!(WasmFeatures::ALL.iter().count(), WasmFeature::ALL.len());
    }

    #[test]
    fn sets_are_made_of_their_features_again() {
        for set in [WasmFeatures::NONE, WasmFeatures::DETERMINISTIC, WasmFeatures::ALL] {
            assert_eq!(set.iter().collect::<WasmFeatures>(), set);
        }
    }
}
