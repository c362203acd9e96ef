//! Timed loops.
//!
//! Criterion asks for a number of iterations and gets the time that they took. Around each such loop, outside
//! the timer, these functions also read what the process has used of the machine.

use std::future::Future;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Bencher;
use sandbox_core::ResourceUsage;
use tokio::task::JoinSet;

use crate::resources::{Recorder, Snapshot};
use crate::runtime;

/// One sample of a benchmark, to be taken by exactly one of the methods that time a loop.
pub struct Bench<'a, 'b> {
    bencher: &'a mut Bencher<'b>,
    recorder: &'a Recorder,
}

impl<'a, 'b> Bench<'a, 'b> {
    pub(crate) fn new(bencher: &'a mut Bencher<'b>, recorder: &'a Recorder) -> Self {
        Self { bencher, recorder }
    }

    /// Notes how many bytes one iteration moves into and out of the guest.
    pub fn moves(&mut self, bytes_in: usize, bytes_out: usize) {
        self.recorder.bytes_per_iteration(bytes_in as u64, bytes_out as u64);
    }

    /// Notes what one iteration's call used, as an earlier call of the same kind said.
    pub fn uses(&mut self, usage: &ResourceUsage) {
        self.recorder.bytes_per_iteration(usage.bytes_in, usage.bytes_out);
        self.recorder.guest_memory(usage.memory_high_water_bytes);
        self.recorder.fuel_per_iteration(usage.fuel.map(|fuel| fuel.0));
    }

    /// Times a routine that does not await anything.
    pub fn blocking<T>(&mut self, mut routine: impl FnMut() -> T) {
        self.measured(|iterations| {
            for _ in 0..iterations {
                black_box(routine());
            }
        });
    }

    /// Times a routine that builds something: taking it down again is not timed.
    pub fn building<T>(&mut self, mut routine: impl FnMut() -> T) {
        self.prepared(|| (), |()| routine());
    }

    /// Times a routine on what was prepared for it: neither preparing, nor taking down what comes out, is
    /// timed.
    pub fn prepared<P, T>(
        &mut self,
        mut prepare: impl FnMut() -> P,
        mut routine: impl FnMut(P) -> T,
    ) {
        self.clocked(|| {
            let prepared = prepare();
            let start = Instant::now();
            let made = black_box(routine(prepared));
            let elapsed = start.elapsed();
            drop(made);
            elapsed
        });
    }

    /// Takes the routine's own word for how long each iteration took.
    pub fn clocked(&mut self, mut routine: impl FnMut() -> Duration) {
        let recorder = self.recorder;
        self.bencher.iter_custom(|iterations| {
            let before = Snapshot::now();
            let elapsed = (0..iterations).map(|_| routine()).sum();
            recorder.add(&before, iterations);
            elapsed
        });
    }

    /// Times each iteration by itself and keeps the percentiles with the benchmark's resources, where not only the
    /// mean is of interest.
    pub fn clocked_with_percentiles(&mut self, mut routine: impl FnMut() -> Duration) {
        let recorder = self.recorder;
        self.clocked(|| {
            let elapsed = routine();
            recorder.note_time(elapsed);
            elapsed
        });
    }

    /// Times an async routine, one call after the other in one task.
    pub fn awaiting<T, F: Future<Output = T>>(&mut self, mut routine: impl FnMut() -> F) {
        self.measured(|iterations| {
            runtime::shared().block_on(async {
                for _ in 0..iterations {
                    black_box(routine().await);
                }
            });
        });
    }

    /// Times so many tasks side by side, from spawning the first to joining the last. Each is a task of its own
    /// on a runtime with as many threads as there are cores.
    pub fn side_by_side<T, F>(&mut self, tasks: usize, mut task: impl FnMut(usize) -> F)
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.measured(|iterations| {
            runtime::shared().block_on(async {
                for _ in 0..iterations {
                    let mut spawned: JoinSet<T> = (0..tasks).map(&mut task).collect();
                    while let Some(ended) = spawned.join_next().await {
                        // A task that panicked has checked its result and found it wrong.
                        black_box(ended.unwrap_or_else(|error| crate::suite::give_up(&error)));
                    }
                }
            });
        });
    }

    /// Times a routine on so many threads at once, each of which does it once in an iteration.
    pub fn on_threads(&mut self, threads: usize, routine: impl Fn() + Sync) {
        let recorder = self.recorder;
        self.bencher.iter_custom(|iterations| {
            let before = Snapshot::now();
            let elapsed = peer_rows::on_threads(threads, iterations, &routine);
            recorder.add(&before, iterations);
            elapsed
        });
    }

    fn measured(&mut self, mut run: impl FnMut(u64)) {
        let recorder = self.recorder;
        self.bencher.iter_custom(|iterations| {
            let before = Snapshot::now();
            let start = Instant::now();
            run(iterations);
            let elapsed = start.elapsed();
            recorder.add(&before, iterations);
            elapsed
        });
    }
}
