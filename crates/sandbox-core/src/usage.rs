//! Resources that calls used.

use std::ops::AddAssign;
use std::time::Duration;

use crate::policy::FuelUnits;

/// Resources that one call used, or several together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceUsage {
    /// Number of calls that this is for.
    pub calls: u64,
    /// Number of them that returned an error.
    pub failed_calls: u64,
    /// Real time in the guest and in the host functions that it called. Waiting for a turn is not in it.
    pub wall_time: Duration,
    /// Processor time of the thread that ran the guest; absent where the system cannot tell.
    pub cpu_time: Option<Duration>,
    /// Fuel that the guest used; absent where the policy sets no limit of it, as then nothing is measured.
    pub fuel: Option<FuelUnits>,
    /// The guest's linear memory at its largest, in bytes. Linear memory never shrinks, so this is its
    /// size after the call.
    pub memory_high_water_bytes: u64,
    /// Number of the host's functions that the guest called. WASI's are not among them.
    pub host_calls: u64,
    /// Bytes copied into the guest through the exchange area.
    pub bytes_in: u64,
    /// Bytes of results in the exchange area.
    pub bytes_out: u64,
}

impl AddAssign for ResourceUsage {
    /// Adds counts and times, and keeps the larger high-water mark.
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.failed_calls += other.failed_calls;
        self.wall_time += other.wall_time;
        self.cpu_time = match (self.cpu_time, other.cpu_time) {
            (Some(one), Some(two)) => Some(one + two),
            (one, two) => one.or(two),
        };
        self.fuel = match (self.fuel, other.fuel) {
            (Some(mut total), Some(more)) => {
                total += more;
                Some(total)
            }
            (one, two) => one.or(two),
        };
        self.memory_high_water_bytes =
            self.memory_high_water_bytes.max(other.memory_high_water_bytes);
        self.host_calls += other.host_calls;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_adds_up_and_keeps_the_high_water_mark() {
        let mut total = ResourceUsage::default();
        for memory_high_water_bytes in [100, 300, 200] {
            total += ResourceUsage {
                calls: 1,
                failed_calls: 0,
                wall_time: Duration::from_millis(2),
                cpu_time: Some(Duration::from_millis(1)),
                fuel: Some(FuelUnits(7)),
                memory_high_water_bytes,
                host_calls: 2,
                bytes_in: 10,
                bytes_out: 20,
            };
        }
        assert_eq!(
            total,
            ResourceUsage {
                calls: 3,
                failed_calls: 0,
                wall_time: Duration::from_millis(6),
                cpu_time: Some(Duration::from_millis(3)),
                fuel: Some(FuelUnits(21)),
                memory_high_water_bytes: 300,
                host_calls: 6,
                bytes_in: 30,
                bytes_out: 60,
            }
        );
    }
}
