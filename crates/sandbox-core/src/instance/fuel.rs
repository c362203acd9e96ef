//! The fuel of one instance.

use wasmer::{Global, Instance, Store, Value};

use crate::module::FUEL_EXPORT;
use crate::policy::{FuelUnits, SecurityPolicy};

/// The global of a metered guest that says how much it may still do.
#[derive(Debug, Clone)]
pub(super) struct FuelTank {
    left: Global,
    /// Content of the tank when a call begins.
    full: i64,
}

impl FuelTank {
    /// The tank of a guest, if it is metered.
    pub(super) fn of(instance: &Instance, policy: &SecurityPolicy) -> Option<Self> {
        let left = instance.exports.get_global(FUEL_EXPORT).ok()?.clone();
        // A guest that is metered under a policy without a limit has more than it can use in a century.
        let units = policy.fuel.map_or(u64::MAX, |FuelUnits(units)| units);
        Some(Self { left, full: i64::try_from(units).unwrap_or(i64::MAX) })
    }

    /// Fills the tank for one call.
    pub(super) fn fill(&self, store: &mut Store) {
        let filled = self.left.set(store, Value::I64(self.full));
        filled.expect("metering made the global, as a mutable one of this type");
    }

    fn left(&self, store: &mut Store) -> i64 {
        self.left.get(store).i64().unwrap_or(0)
    }

    /// Whether the guest trapped because there was nothing left.
    pub(super) fn is_exhausted(&self, store: &mut Store) -> bool {
        self.left(store) < 0
    }

    /// Returns the fuel that was used since the tank was filled.
    pub(super) fn used(&self, store: &mut Store) -> FuelUnits {
        FuelUnits(self.full.abs_diff(self.left(store).max(0)))
    }
}
