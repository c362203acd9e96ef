//! Primitives that the files of sandbox-core are made of here: loom's atomics and locks, and over them the two means to wait that
//! are libraries' in earnest, as their documentation promises them.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::Future;
use std::ops::Deref;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub(crate) use loom::future::block_on;
pub(crate) use loom::sync::atomic::Ordering;
pub(crate) use loom::sync::{Mutex, MutexGuard};
pub(crate) use std::sync::{PoisonError, TryLockError};

/// Orders an access that is to be sequentially consistent. loom knows that order of fences only, and takes such accesses for
/// ones that acquire and release: without this it finds wake-ups lost that no processor loses.
fn in_order<T>(order: Ordering, access: impl FnOnce() -> T) -> T {
    let fence = || {
        if order == Ordering::SeqCst {
            loom::sync::atomic::fence(Ordering::SeqCst);
        }
    };
    fence();
    let outcome = access();
    fence();
    outcome
}

macro_rules! atomics {
    ($($name:ident: $value:ty),+) => {$(
        #[derive(Debug)]
        pub(crate) struct $name(loom::sync::atomic::$name);

        impl $name {
            pub(crate) fn new(value: $value) -> Self {
                Self(loom::sync::atomic::$name::new(value))
            }

            pub(crate) fn load(&self, order: Ordering) -> $value {
                in_order(order, || self.0.load(order))
            }

            /// An exchange that looks at what was there: loom lets a store come between the two halves of somebody else's
            /// exchange, which the memory model forbids.
            pub(crate) fn store(&self, value: $value, order: Ordering) {
                in_order(order, || self.0.swap(value, Ordering::AcqRel));
            }

            pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                in_order(order, || self.0.swap(value, order))
            }

            pub(crate) fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                in_order(success, || self.0.compare_exchange(current, new, success, failure))
            }
        }
    )+};
}

atomics!(AtomicBool: bool, AtomicU64: u64, AtomicUsize: usize);

impl AtomicUsize {
    pub(crate) fn fetch_add(&self, value: usize, order: Ordering) -> usize {
        in_order(order, || self.0.fetch_add(value, order))
    }

    pub(crate) fn fetch_sub(&self, value: usize, order: Ordering) -> usize {
        in_order(order, || self.0.fetch_sub(value, order))
    }

    pub(crate) fn try_update(
        &self,
        set: Ordering,
        fetch: Ordering,
        update: impl FnMut(usize) -> Option<usize>,
    ) -> Result<usize, usize> {
        in_order(set, || self.0.fetch_update(set, fetch, update))
    }
}

thread_local! {
    /// Whether everybody who looks at the time has waited for long. Models have no time: a scene is played for both. All
    /// threads of a model are one of the system's.
    static IMPATIENT: Cell<bool> = const { Cell::new(false) };
}

/// Says whether everybody has waited for long.
pub(crate) fn set_impatient(is_impatient: bool) {
    IMPATIENT.set(is_impatient);
}

/// A moment.
pub(crate) struct Instant;

impl Instant {
    pub(crate) fn now() -> Self {
        Self
    }

    pub(crate) fn elapsed(&self) -> Duration {
        let is_long = IMPATIENT.get();
        if is_long { Duration::from_secs(1) } else { Duration::ZERO }
    }
}

/// Stands in for `tokio::sync::Notify`: a notification for one is kept until somebody takes it, or goes on to the next if the one who
/// has it is dropped; one for all reaches who was there when it came.
#[derive(Debug)]
pub(crate) struct Notify(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    /// A notification that nobody has taken yet.
    kept: bool,
    waiters: VecDeque<Waiter>,
    numbers: u64,
    /// Number of notifications for all.
    of_all: u64,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    waker: Option<Waker>,
    told: Option<Told>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    One,
    All,
}

impl Notify {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Waiting::default()))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn notify_one(&self) {
        let waker = self.waiting().tell_one();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn notify_waiters(&self) {
        let mut waiting = self.waiting();
        waiting.of_all += 1;
        let untold = waiting.waiters.iter_mut().filter(|waiter| waiter.told.is_none());
        let wakers: Vec<_> = untold
            .filter_map(|waiter| {
                waiter.told = Some(Told::All);
                waiter.waker.take()
            })
            .collect();
        drop(waiting);
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn notified(&self) -> Notified<'_> {
        let of_all = self.waiting().of_all;
        Notified { notify: self, number: None, of_all, is_over: false }
    }
}

impl Waiting {
    fn tell_one(&mut self) -> Option<Waker> {
        match self.waiters.iter_mut().find(|waiter| waiter.told.is_none()) {
            Some(waiter) => {
                waiter.told = Some(Told::One);
                waiter.waker.take()
            }
            None => {
                self.kept = true;
                None
            }
        }
    }
}

/// One who waits for a notification.
pub(crate) struct Notified<'a> {
    notify: &'a Notify,
    number: Option<u64>,
    of_all: u64,
    is_over: bool,
}

impl Notified<'_> {
    /// Stands in line without a waker. Returns whether there is a notification already.
    pub(crate) fn enable(self: Pin<&mut Self>) -> bool {
        self.get_mut().stand_in_line(None)
    }

    fn stand_in_line(&mut self, waker: Option<&Waker>) -> bool {
        if self.is_over {
            return true;
        }
        let mut waiting = self.notify.waiting();
        match self.number {
            None if waiting.of_all != self.of_all => self.is_over = true,
            None if waiting.kept => {
                waiting.kept = false;
                self.is_over = true;
            }
            None => {
                waiting.numbers += 1;
                let number = waiting.numbers;
                self.number = Some(number);
                waiting.waiters.push_back(Waiter { number, waker: waker.cloned(), told: None });
            }
            Some(number) => {
                let at = waiting.waiters.iter().position(|waiter| waiter.number == number);
                let at = at.expect("whoever waits stands in line");
                if waiting.waiters[at].told.is_some() {
                    waiting.waiters.remove(at);
                    self.number = None;
                    self.is_over = true;
                } else if waker.is_some() {
                    waiting.waiters[at].waker = waker.cloned();
                }
            }
        }
        self.is_over
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.get_mut().stand_in_line(Some(context.waker())) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut waiting = self.notify.waiting();
        let Some(at) = waiting.waiters.iter().position(|waiter| waiter.number == number) else {
            return;
        };
        let told = waiting.waiters.remove(at).and_then(|waiter| waiter.told);
        let next = if told == Some(Told::One) { waiting.tell_one() } else { None };
        drop(waiting);
        if let Some(waker) = next {
            waker.wake();
        }
    }
}

/// Stands in for `async_lock::Mutex`, but for the order.
#[derive(Debug)]
pub(crate) struct AsyncMutex<T> {
    taken: AtomicBool,
    given_up: Notify,
    value: T,
}

impl<T> AsyncMutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { taken: AtomicBool::new(false), given_up: Notify::new(), value }
    }

    pub(crate) async fn lock(&self) -> AsyncGuard<'_, T> {
        loop {
            let mut given_up = pin!(self.given_up.notified());
            given_up.as_mut().enable();
            if !self.taken.swap(true, Ordering::AcqRel) {
                return AsyncGuard(self);
            }
            given_up.await;
        }
    }
}

pub(crate) struct AsyncGuard<'a, T>(&'a AsyncMutex<T>);

impl<T> Deref for AsyncGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T> Drop for AsyncGuard<'_, T> {
    fn drop(&mut self) {
        self.0.taken.store(false, Ordering::Release);
        self.0.given_up.notify_one();
    }
}
