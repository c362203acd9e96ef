//! Circumstances of a run beside its fingerprint.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A circumstance that may change results, but changes too often to start a history anew with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribute {
    /// The version of the operating system's kernel.
    Kernel,
    /// The version of the processor's microcode.
    Microcode,
    /// Hypervisor of the machine.
    Hypervisor,
    /// Flags that the compiler got from the environment.
    CompilerFlags,
    /// The image that a hosted runner was made from.
    RunnerImage,
}

impl Attribute {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Kernel, Self::Microcode, Self::Hypervisor, Self::CompilerFlags, Self::RunnerImage];

    /// The word used in files and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Microcode => "microcode",
            Self::Hypervisor => "hypervisor",
            Self::CompilerFlags => "compiler_flags",
            Self::RunnerImage => "runner_image",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    /// The words that people read.
    pub fn label(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Microcode => "microcode",
            Self::Hypervisor => "hypervisor",
            Self::CompilerFlags => "compiler flags",
            Self::RunnerImage => "runner image",
        }
    }
}

/// Attributes of a run, as far as they are known.
pub type Attributes = BTreeMap<Attribute, String>;

/// An attribute that differs between two runs. Both knew it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttributeChange {
    /// Which one.
    pub attribute: Attribute,
    /// Value before.
    pub before: String,
    /// What it is.
    pub after: String,
}

impl AttributeChange {
    /// Lists what differs between two runs, as far as both know it.
    pub fn between(before: &Attributes, after: &Attributes) -> Vec<Self> {
        before
            .iter()
            .filter_map(|(&attribute, before)| {
                let after = after.get(&attribute)?;
                let (before, after) = (before.clone(), after.clone());
                (before != after).then_some(Self { attribute, before, after })
            })
            .collect()
    }
}

impl fmt::Display for AttributeChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} -> {}", self.attribute.label(), self.before, self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_both_know_can_differ() {
        let of = |all: &[(Attribute, &str)]| -> Attributes {
            all.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
        };
        let old = of(&[(Attribute::Kernel, "6.1"), (Attribute::Microcode, "0x1")]);
        let new = of(&[(Attribute::Kernel, "6.8"), (Attribute::Hypervisor, "kvm")]);
        let changes = AttributeChange::between(&old, &new);
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].to_string(), "kernel: 6.1 -> 6.8");
    }
}
