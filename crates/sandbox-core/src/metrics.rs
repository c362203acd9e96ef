//! Metrics of sandboxes, pools and failures, for whatever recorder of the crate [`metrics`] the program has.
//!
//! They are published when somebody asks, as where a monitoring system comes to read them, and cost calls nothing: a short call
//! takes less time than a recorder would to count it. Without a recorder, publishing does nothing.
//!
//! | metric | kind | labels | |
//! |---|---|---|---|
//! | `sandbox_calls_total` | counter | `sandbox` | calls, failed ones among them |
//! | `sandbox_failed_calls_total` | counter | `sandbox` | calls that returned an error |
//! | `sandbox_wall_time_microseconds_total` | counter | `sandbox` | real time in guests and the host functions that they called |
//! | `sandbox_cpu_time_microseconds_total` | counter | `sandbox` | processor time of the threads that ran guests, where the system tells it |
//! | `sandbox_fuel_total` | counter | `sandbox` | fuel that guests used, where their policy sets a limit |
//! | `sandbox_host_calls_total` | counter | `sandbox` | calls of host functions |
//! | `sandbox_input_bytes_total`, `sandbox_output_bytes_total` | counter | `sandbox` | bytes through the exchange area |
//! | `sandbox_memory_high_water_bytes` | gauge | `sandbox` | a guest's linear memory at its largest |
//! | `sandbox_pool_sandboxes` | gauge | `sandbox`, `state` (`idle`, `in_use`) | sandboxes of a pool |
//! | `sandbox_pool_size` | gauge | `sandbox` | the most that there may be |
//! | `sandbox_pool_waiting` | gauge | `sandbox` | callers that wait for one |
//! | `sandbox_pool_replaced_total`, `sandbox_pool_failed_creations_total`, `sandbox_pool_refused_total`, `sandbox_pool_timed_out_total` | counter | `sandbox` | as in [`PoolStatus`] |
//! | `sandbox_failures_total` | counter | `sandbox`, `kind` | failures that [`SandboxError::count`] was told of, by [`SandboxError::kind`] |
//!
//! The label `sandbox` is the name that the program publishes a sandbox or a pool under. Two that are published under one name
//! hide each other.

use std::time::Duration;

use metrics::{counter, gauge};

use crate::error::SandboxError;
use crate::policy::FuelUnits;
use crate::pool::{PoolStatus, SandboxPool};
use crate::sandbox::WasmSandbox;
use crate::usage::ResourceUsage;

impl WasmSandbox {
    /// Publishes what all calls used so far, under a name; see [`metrics`](crate::metrics).
    ///
    /// ```
    /// # use sandbox_core::WasmSandbox;
    /// # fn main() -> sandbox_core::Result<()> {
    /// # let wasm = wat::parse_str(r#"(module (func (export "f")))"#).expect("valid text");
    /// let sandbox = WasmSandbox::builder().source_bytes(&wasm).build_blocking()?;
    /// sandbox.call_blocking::<()>("f", ())?;
    /// sandbox.publish_metrics("prices"); // where the monitoring system asks
    /// # Ok(())
    /// # }
    /// ```
    pub fn publish_metrics(&self, name: &str) {
        publish_usage(name, &self.usage());
    }
}

impl SandboxPool {
    /// Publishes how many sandboxes and callers there are, and what all calls used so far, under a name; see
    /// [`metrics`](crate::metrics).
    pub fn publish_metrics(&self, name: &str) {
        publish_status(name, &self.status());
    }
}

impl SandboxError {
    /// Counts the error among the failures of a sandbox or pool of that name, by its [`kind`](Self::kind); see
    /// [`metrics`](crate::metrics). A program calls it where it handles its errors.
    pub fn count(&self, name: &str) {
        counter!("sandbox_failures_total", "sandbox" => name.to_owned(), "kind" => self.kind())
            .increment(1);
    }
}

fn publish_usage(name: &str, usage: &ResourceUsage) {
    let totals = [
        ("sandbox_calls_total", Some(usage.calls)),
        ("sandbox_failed_calls_total", Some(usage.failed_calls)),
        ("sandbox_wall_time_microseconds_total", Some(microseconds(usage.wall_time))),
        ("sandbox_cpu_time_microseconds_total", usage.cpu_time.map(microseconds)),
        ("sandbox_fuel_total", usage.fuel.map(|FuelUnits(units)| units)),
        ("sandbox_host_calls_total", Some(usage.host_calls)),
        ("sandbox_input_bytes_total", Some(usage.bytes_in)),
        ("sandbox_output_bytes_total", Some(usage.bytes_out)),
    ];
    publish_totals(name, &totals);
    gauge!("sandbox_memory_high_water_bytes", "sandbox" => name.to_owned())
        .set(as_gauge(usage.memory_high_water_bytes));
}

fn publish_status(name: &str, status: &PoolStatus) {
    for (state, sandboxes) in [("idle", status.idle), ("in_use", status.in_use)] {
        gauge!("sandbox_pool_sandboxes", "sandbox" => name.to_owned(), "state" => state)
            .set(as_gauge(sandboxes as u64));
    }
    for (metric, value) in
        [("sandbox_pool_size", status.size), ("sandbox_pool_waiting", status.waiting)]
    {
        gauge!(metric, "sandbox" => name.to_owned()).set(as_gauge(value as u64));
    }
    let totals = [
        ("sandbox_pool_replaced_total", Some(status.replaced)),
        ("sandbox_pool_failed_creations_total", Some(status.failed_creations)),
        ("sandbox_pool_refused_total", Some(status.refused)),
        ("sandbox_pool_timed_out_total", Some(status.timed_out)),
    ];
    publish_totals(name, &totals);
    publish_usage(name, &status.usage);
}

fn publish_totals(name: &str, totals: &[(&'static str, Option<u64>)]) {
    for (metric, total) in totals {
        if let Some(total) = total {
            counter!(*metric, "sandbox" => name.to_owned()).absolute(*total);
        }
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float, and nobody reads its sixteenth digit"
)]
fn as_gauge(value: u64) -> f64 {
    value as f64
}
