//! Units of computing, and the costs of instructions.

use std::fmt;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// An amount of work: a unit for each WebAssembly instruction that is executed.
///
/// Instructions that only mark structure (`block`, `loop`, `else`, `end`, `nop`) cost nothing. Those that fill
/// or copy memory also cost a unit for each 8 bytes, and those that fill or copy tables a unit for each
/// element. What host functions do is not measured. The same call with the same arguments costs the same on
/// every machine.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct FuelUnits(pub u64);

impl AddAssign for FuelUnits {
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.saturating_add(other.0);
    }
}

impl fmt::Display for FuelUnits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} units of fuel", self.0)
    }
}
