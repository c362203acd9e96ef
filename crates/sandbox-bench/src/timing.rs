//! Timed loops.
//!
//! Criterion asks for a number of iterations and gets the time that they took. Around each such loop, outside
//! the timer, these functions also read what the process has used of the machine.

use std::future::Future;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Bencher;
use tokio::runtime::Runtime;

use crate::resources::{Recorder, Snapshot};

/// Times a routine that does not await anything.
pub fn blocking<T>(bencher: &mut Bencher<'_>, recorder: &Recorder, mut routine: impl FnMut() -> T) {
    bencher.iter_custom(|iterations| {
        measured(recorder, iterations, || {
            for _ in 0..iterations {
                black_box(routine());
            }
        })
    });
}

/// Times a routine that builds something: taking it down again is not timed.
pub fn blocking_without_drop<T>(
    bencher: &mut Bencher<'_>,
    recorder: &Recorder,
    mut routine: impl FnMut() -> T,
) {
    bencher.iter_custom(|iterations| {
        let before = Snapshot::now();
        let mut elapsed = Duration::ZERO;
        for _ in 0..iterations {
            let start = Instant::now();
            let built = black_box(routine());
            elapsed += start.elapsed();
            drop(built);
        }
        recorder.add(&before, iterations);
        elapsed
    });
}

/// Times an async routine on the given runtime, one call after the other in one task.
pub fn awaiting<T, F: Future<Output = T>>(
    bencher: &mut Bencher<'_>,
    runtime: &Runtime,
    recorder: &Recorder,
    mut routine: impl FnMut() -> F,
) {
    bencher.iter_custom(|iterations| {
        measured(recorder, iterations, || {
            runtime.block_on(async {
                for _ in 0..iterations {
                    black_box(routine().await);
                }
            });
        })
    });
}

fn measured(recorder: &Recorder, iterations: u64, run: impl FnOnce()) -> Duration {
    let before = Snapshot::now();
    let start = Instant::now();
    run();
    let elapsed = start.elapsed();
    recorder.add(&before, iterations);
    elapsed
}
