//! Looking up names, on threads that all sandboxes share.
//!
//! A look-up takes as long as the operating system likes, and cannot be interrupted: one that nobody waits for any longer goes
//! on, and takes a thread for so long. A guest that has its look-ups hang must not take the threads from others. So a
//! sandbox begins one more only where several times as many threads are free as it has taken, and one that has taken none gets
//! whichever is free. Who gets none waits, until its call is to stop.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::threads::{callers_thread, runtime, workers};
use crate::watchdog::CallControl;

/// Why a name has no addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LookupFailure {
    NotGranted,
    NotFound,
    /// The system gives no thread.
    Busy,
    Stopped,
}

/// The most look-ups at once in this process: half of the threads that are there for other work than calls.
const MOST: usize = 64;

/// More threads than that are free, for each that a sandbox has taken, when it takes another. So a sandbox alone takes eight of
/// 64, and each that comes after it a ninth of what is left; there is one for every other sandbox until more than twenty have as
/// many look-ups that hang as they get.
const FREE_FOR_EACH: usize = 8;

/// Time between two looks of a waiting guest whether its call is to stop.
const TICK: Duration = Duration::from_millis(5);

/// The threads of all look-ups in the process.
#[derive(Debug)]
struct Threads {
    most: usize,
    taken: Mutex<usize>,
}

static THREADS: Threads = Threads { most: MOST, taken: Mutex::new(0) };

/// The look-ups of one sandbox.
#[derive(Debug)]
pub(crate) struct Lookups {
    threads: &'static Threads,
    /// Number of threads of all that they have taken. Changes only while those are locked.
    own: AtomicUsize,
}

impl Default for Lookups {
    fn default() -> Self {
        Self { threads: &THREADS, own: AtomicUsize::new(0) }
    }
}

/// One thread for a look-up, until this is dropped.
struct Taken(Arc<Lookups>);

impl Drop for Taken {
    fn drop(&mut self) {
        let mut taken = self.0.threads.lock();
        *taken -= 1;
        self.0.own.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Threads {
    fn lock(&self) -> MutexGuard<'_, usize> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lookups {
    /// A thread, if the sandbox may take one now.
    fn take(self: &Arc<Self>) -> Option<Taken> {
        let mut taken = self.threads.lock();
        let own = self.own.load(Ordering::Relaxed);
        let free = self.threads.most.saturating_sub(*taken);
        if free == 0 || (own > 0 && free <= FREE_FOR_EACH * own) {
            return None;
        }
        *taken += 1;
        self.own.fetch_add(1, Ordering::Relaxed);
        Some(Taken(Arc::clone(self)))
    }

    /// Has a name resolved on another thread, as soon as there is one, and waits for the answer.
    pub(super) fn look_up(
        self: &Arc<Self>,
        control: &CallControl,
        resolve: impl FnOnce() -> io::Result<Vec<IpAddr>> + Send + 'static,
    ) -> Result<Vec<IpAddr>, LookupFailure> {
        callers_thread::while_waiting(|| {
            workers::asleep(|| {
                let taken = self.wait_for_thread(control)?;
                let (answer, answered) = mpsc::channel();
                let work = move || {
                    let found = resolve();
                    drop(taken);
                    // Nobody is there any longer if the call was stopped.
                    let _ = answer.send(found);
                };
                runtime::spawn_blocking(work).map_err(|_| LookupFailure::Busy)?;
                loop {
                    match answered.recv_timeout(TICK) {
                        Ok(found) => return found.map_err(|_| LookupFailure::NotFound),
                        Err(RecvTimeoutError::Timeout) if control.stop_reason().is_none() => (),
                        Err(RecvTimeoutError::Timeout) => return Err(LookupFailure::Stopped),
                        Err(RecvTimeoutError::Disconnected) => return Err(LookupFailure::Busy),
                    }
                }
            })
        })
    }

    fn wait_for_thread(self: &Arc<Self>, control: &CallControl) -> Result<Taken, LookupFailure> {
        loop {
            if let Some(taken) = self.take() {
                return Ok(taken);
            }
            if control.stop_reason().is_some() {
                return Err(LookupFailure::Stopped);
            }
            thread::sleep(TICK);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::watchdog::StopReason;

    const FOUND: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::LOCALHOST)];

    fn threads(most: usize) -> &'static Threads {
        Box::leak(Box::new(Threads { most, taken: Mutex::new(0) }))
    }

    fn of_sandbox(threads: &'static Threads) -> Arc<Lookups> {
        Arc::new(Lookups { threads, own: AtomicUsize::new(0) })
    }

    /// Takes as many as it gets.
    fn take_all(lookups: &Arc<Lookups>) -> Vec<Taken> {
        std::iter::from_fn(|| lookups.take()).collect()
    }

    fn control() -> Arc<CallControl> {
        CallControl::new(None).unwrap()
    }

    #[test]
    fn a_sandbox_at_its_limit_leaves_threads_to_every_other() {
        let threads = threads(MOST);
        let mut greedy = vec![take_all(&of_sandbox(threads))];
        assert!((2..=MOST / 4).contains(&greedy[0].len()), "{}", greedy[0].len());
        for _ in 0..20 {
            let taken = take_all(&of_sandbox(threads));
            assert!(!taken.is_empty(), "{} are taken by {}", threads.lock(), greedy.len());
            greedy.push(taken);
        }
        drop(greedy);
        assert_eq!(*threads.lock(), 0);
    }

    #[test]
    fn who_has_taken_none_gets_the_last_thread_and_who_has_some_does_not() {
        let threads = threads(2);
        let (one, other) = (of_sandbox(threads), of_sandbox(threads));
        let taken = one.take().unwrap();
        assert!(one.take().is_none());
        let last = other.take().unwrap();
        assert!(of_sandbox(threads).take().is_none());
        drop(taken);
        assert!(other.take().is_none());
        assert!(one.take().is_some());
        drop(last);
    }

    #[test]
    fn lookups_that_hang_hold_up_nobody_elses() {
        let threads = threads(30);
        let (hostile, other) = (of_sandbox(threads), of_sandbox(threads));
        let (release, hang) = mpsc::channel::<()>();
        let hang = Arc::new(Mutex::new(hang));
        // Calls that were stopped while the operating system was still looking.
        let stopped = control();
        stopped.request_stop_now(StopReason::Cancelled);
        let mut hanging = 0;
        loop {
            let before = *threads.lock();
            let hang = Arc::clone(&hang);
            let outcome = hostile.look_up(&stopped, move || {
                let _ = hang.lock().unwrap().recv();
                Ok(FOUND.to_vec())
            });
            assert_eq!(outcome, Err(LookupFailure::Stopped));
            if *threads.lock() == before {
                break;
            }
            hanging += 1;
        }
        assert!((1..15).contains(&hanging), "{hanging}");
        let found = other.look_up(&control(), || Ok(FOUND.to_vec()));
        assert_eq!(found, Ok(FOUND.to_vec()));
        assert_eq!(*threads.lock(), hanging);
        // And its own again when they have ended.
        drop(release);
        assert_eq!(hostile.look_up(&control(), || Ok(FOUND.to_vec())), Ok(FOUND.to_vec()));
    }
}
