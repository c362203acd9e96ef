//! Resources of the machine that a benchmark uses beside time.
//!
//! Criterion stores times only. For each benchmark this writes `resources.json` beside Criterion's own files:
//! processor time, page faults and context switches over all loops of the benchmark (warm-up included, since
//! Criterion does not tell them apart; `iterations` counts the same loops), and the peak of resident memory.

mod percentiles;
mod proc_self;
mod snapshot;
mod writer;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

pub use percentiles::Percentiles;
pub use snapshot::Snapshot;
pub use writer::{WriteError, write_beside_criterion};

/// The version of the file's layout.
const SCHEMA: u32 = 1;

/// Resources that one benchmark used, as written to `resources.json`.
///
/// All counts are totals over `iterations`; divide for a value per iteration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Resources {
    /// The version of this layout.
    pub schema: u32,
    /// Processor time in user mode, in nanoseconds, over all threads of the process.
    pub cpu_user_ns: u64,
    /// Processor time in the kernel, in nanoseconds.
    pub cpu_system_ns: u64,
    /// The peak of resident memory while the benchmark ran, in bytes; absent where the system cannot tell.
    pub peak_resident_bytes: Option<u64>,
    /// Page faults served without reading a disk.
    pub minor_faults: u64,
    /// Page faults that read a disk.
    pub major_faults: u64,
    /// Context switches because a thread waited.
    pub voluntary_switches: u64,
    /// Context switches because its time was up.
    pub involuntary_switches: u64,
    /// Number of iterations that all of this is for.
    pub iterations: u64,
    /// The guest's linear memory at its largest, in bytes, where the benchmark says so.
    pub guest_memory_bytes: Option<u64>,
    /// Fuel used, where it is metered.
    pub fuel: Option<u64>,
    /// Bytes that go into the guest, where the benchmark says so.
    pub bytes_in: Option<u64>,
    /// Bytes that come out of the guest.
    pub bytes_out: Option<u64>,
    /// Distribution of the times of single iterations, where the benchmark is about that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percentiles: Option<Percentiles>,
    /// The times of single iterations so far.
    #[serde(skip)]
    times: Vec<Duration>,
}

thread_local! {
    /// Criterion runs its benchmarks on one thread, so their counts are collected there.
    static COLLECTED: RefCell<BTreeMap<String, Resources>> = const { RefCell::new(BTreeMap::new()) };
}

/// Adds up what one benchmark uses.
#[derive(Debug, Clone)]
pub struct Recorder {
    full_id: String,
}

impl Recorder {
    /// A recorder for the benchmark with that full id, as Criterion prints it.
    pub fn new(full_id: impl Into<String>) -> Self {
        proc_self::reset_peak_resident();
        Self { full_id: full_id.into() }
    }

    /// Notes how many bytes one iteration moves into and out of the guest.
    pub fn bytes_per_iteration(&self, bytes_in: u64, bytes_out: u64) {
        self.update(|resources| {
            resources.bytes_in = Some(bytes_in);
            resources.bytes_out = Some(bytes_out);
        });
    }

    /// Notes how much fuel one iteration uses, where it is metered.
    pub fn fuel_per_iteration(&self, units: Option<u64>) {
        self.update(|resources| resources.fuel = units);
    }

    /// Notes how large the guest's linear memory became, in bytes.
    pub fn guest_memory(&self, bytes: u64) {
        self.update(|resources| {
            resources.guest_memory_bytes = resources.guest_memory_bytes.max(Some(bytes));
        });
    }

    /// Notes how long a single iteration took.
    pub fn note_time(&self, time: Duration) {
        self.update(|resources| resources.times.push(time));
    }

    /// Adds what was used since `before`, for that many iterations.
    pub fn add(&self, before: &Snapshot, iterations: u64) {
        let now = Snapshot::now();
        self.update(|resources| {
            resources.cpu_user_ns += now.cpu_user_ns.saturating_sub(before.cpu_user_ns);
            resources.cpu_system_ns += now.cpu_system_ns.saturating_sub(before.cpu_system_ns);
            resources.minor_faults += now.minor_faults.saturating_sub(before.minor_faults);
            resources.major_faults += now.major_faults.saturating_sub(before.major_faults);
            resources.voluntary_switches +=
                now.voluntary_switches.saturating_sub(before.voluntary_switches);
            resources.involuntary_switches +=
                now.involuntary_switches.saturating_sub(before.involuntary_switches);
            resources.iterations += iterations;
            resources.peak_resident_bytes =
                resources.peak_resident_bytes.max(proc_self::peak_resident_bytes());
        });
    }

    fn update(&self, change: impl FnOnce(&mut Resources)) {
        COLLECTED.with_borrow_mut(|collected| {
            let resources = collected.entry(self.full_id.clone()).or_default();
            resources.schema = SCHEMA;
            change(resources);
        });
    }
}

/// Takes what has been collected on this thread, by full id. Counts of bytes and fuel become totals, and
/// single times percentiles.
pub fn take_collected() -> BTreeMap<String, Resources> {
    let mut collected = COLLECTED.take();
    collected.retain(|_, resources| resources.iterations > 0);
    for resources in collected.values_mut() {
        let iterations = resources.iterations;
        let total = |each: &mut Option<u64>| *each = each.map(|each| each * iterations);
        total(&mut resources.bytes_in);
        total(&mut resources.bytes_out);
        total(&mut resources.fuel);
        resources.percentiles = Percentiles::of(std::mem::take(&mut resources.times));
    }
    collected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_loop_uses_is_added_up_for_its_benchmark() {
        let recorder = Recorder::new("group/function");
        recorder.bytes_per_iteration(10, 20);
        for _ in 0..2 {
            let before = Snapshot::now();
            // Fresh pages, so that there are faults to count.
            let mut pages = vec![0u8; 8 << 20];
            pages.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
            std::hint::black_box(&pages);
            recorder.add(&before, 5);
        }
        let collected = take_collected();
        let resources = &collected["group/function"];
        assert_eq!(resources.iterations, 10);
        assert_eq!((resources.bytes_in, resources.bytes_out), (Some(100), Some(200)));
        assert!(resources.minor_faults > 0);
        assert!(resources.peak_resident_bytes.is_none_or(|bytes| bytes > 8 << 20));
        assert!(take_collected().is_empty());
    }

    #[test]
    fn a_benchmark_that_never_ran_leaves_nothing() {
        Recorder::new("never").bytes_per_iteration(1, 1);
        assert!(take_collected().is_empty());
    }
}
