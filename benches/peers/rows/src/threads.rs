//! Work on several threads at once.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// Does `work` so many times on each of so many threads, and returns how long it took from the moment at which all of
/// them were ready to the end of the last.
///
/// # Panics
/// When `work` does.
pub fn on_threads(threads: usize, times: u64, work: impl Fn() + Sync) -> Duration {
    let ready = Barrier::new(threads + 1);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                ready.wait();
                for _ in 0..times {
                    work();
                }
            });
        }
        ready.wait();
        Instant::now()
    })
    // The scope ends with its last thread.
    .elapsed()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn every_thread_does_all_of_the_work() {
        let done = AtomicU64::new(0);
        let elapsed = on_threads(3, 5, || {
            done.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(2));
        });
        assert_eq!(done.into_inner(), 15);
        assert!(elapsed >= Duration::from_millis(10), "{elapsed:?}");
    }
}
