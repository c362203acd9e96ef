//! Timing of the rows in engines other than the sandbox: as `sandbox-bench` times the sandbox, but without any
//! dependency that another engine's lock file could not have.
//!
//! What a row needs is made once, untimed, and only if the row is not filtered out. Routines check their results.

use std::cell::LazyCell;
use std::fmt::Debug;
use std::hint::black_box;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{Bencher, BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use peer_rows::{BATCH, Engine, GROUP, Row, guests, on_threads};
use tokio::runtime::Builder;

/// Number of samples of a row whose iterations take long.
const SLOW_SAMPLES: usize = 10;

/// The rows of one engine.
pub struct Rows<'c> {
    engine: Engine,
    group: BenchmarkGroup<'c, WallTime>,
}

/// Measures an engine, with Criterion's command line.
pub fn run(measure: impl FnOnce(&mut Criterion)) {
    let mut criterion = Criterion::default().configure_from_args();
    measure(&mut criterion);
    criterion.final_summary();
}

impl<'c> Rows<'c> {
    /// Begins the rows of an engine.
    pub fn of(engine: Engine, criterion: &'c mut Criterion) -> Self {
        Self { engine, group: criterion.benchmark_group(GROUP) }
    }

    /// Times a routine.
    pub fn timed<S>(
        &mut self,
        row: Row,
        prepare: impl FnOnce() -> S,
        mut routine: impl FnMut(&mut S),
    ) {
        self.bench(row, Throughput::Elements(1), prepare, |bencher, state| {
            bencher.iter(|| routine(state));
        });
    }

    /// Times a routine that makes [`BATCH`] calls.
    pub fn batch<S>(&mut self, prepare: impl FnOnce() -> S, mut routine: impl FnMut(&mut S)) {
        self.bench(Row::Batch, Throughput::Elements(BATCH as u64), prepare, |bencher, state| {
            bencher.iter(|| routine(state));
        });
    }

    /// From here on, an iteration takes so long that ten samples have to do.
    pub fn slow(&mut self) {
        self.group.sample_size(SLOW_SAMPLES);
    }

    /// Times a routine that builds something: taking it down again is not timed.
    pub fn building<S, T>(
        &mut self,
        row: Row,
        prepare: impl FnOnce() -> S,
        mut routine: impl FnMut(&mut S) -> T,
    ) {
        self.bench(row, Throughput::Elements(1), prepare, |bencher, state| {
            bencher.iter_custom(|iterations| {
                let mut total = Duration::ZERO;
                for _ in 0..iterations {
                    let start = Instant::now();
                    let built = black_box(routine(state));
                    total += start.elapsed();
                    drop(built);
                }
                total
            });
        });
    }

    /// Times calls on fresh instances: again and again on one thread, and on a thread for each core.
    pub fn on_cores<S: Sync>(&mut self, prepare: impl Fn() -> S, routine: impl Fn(&S) + Sync) {
        let cores = available_parallelism().map_or(1, std::num::NonZero::get);
        for (row, threads) in [(Row::FreshCallsOneCore, 1), (Row::FreshCallsAllCores, cores)] {
            self.bench(row, Throughput::Elements(threads as u64), &prepare, |bencher, state| {
                let state = &*state;
                bencher.iter_custom(|times| on_threads(threads, times, || routine(state)));
            });
        }
    }

    /// Times an async routine, one call after the other in one task.
    pub fn awaiting<S>(
        &mut self,
        row: Row,
        prepare: impl FnOnce() -> S,
        mut routine: impl AsyncFnMut(&mut S),
    ) {
        let runtime = LazyCell::new(|| expect(Builder::new_current_thread().build()));
        self.bench(row, Throughput::Elements(1), prepare, |bencher, state| {
            bencher.iter_custom(|iterations| {
                runtime.block_on(async {
                    let start = Instant::now();
                    for _ in 0..iterations {
                        routine(state).await;
                    }
                    start.elapsed()
                })
            });
        });
    }

    fn bench<S>(
        &mut self,
        row: Row,
        throughput: Throughput,
        prepare: impl FnOnce() -> S,
        mut routine: impl FnMut(&mut Bencher<'_>, &mut S),
    ) {
        let id = BenchmarkId::new(row.name(), self.engine.name());
        let mut prepare = Some(prepare);
        let mut state = None;
        self.group.throughput(throughput);
        self.group.bench_function(id, |bencher| {
            // Criterion comes here once for each sample.
            if let Some(prepare) = prepare.take() {
                state = Some(prepare());
            }
            if let Some(state) = &mut state {
                routine(bencher, state);
            }
        });
    }
}

/// The value of an operation without which there is nothing to measure.
///
/// # Panics
/// When there is none.
#[track_caller]
pub fn expect<T, E: Debug>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("the engine failed: {error:?}"),
    }
}

/// The bytes of a module in text form.
#[must_use]
pub fn text(module: &str) -> Vec<u8> {
    expect(wat::parse_str(module))
}

/// The bytes of the guest in text form.
#[must_use]
pub fn touch() -> Vec<u8> {
    text(guests::TOUCH)
}

/// The bytes of a compiled guest.
///
/// # Panics
/// When it is not built.
#[must_use]
pub fn guest(name: &str) -> Vec<u8> {
    let path = guests::path(name);
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "the guest is not built: run `cargo xtask build-guests` ({}: {error})",
            path.display()
        )
    })
}
