//! The scenes. Each panics, inside of loom, if one of its orders breaks a promise.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use loom::cell::Cell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering, fence};
use loom::thread;

use crate::free_list::FreeList;
use crate::sync::permits::Permits;
use crate::sync::primitives::{block_on, set_impatient};
use crate::sync::stop_word::{StopReason, StopWord};
use crate::sync::watched::{IDLE, Watched};
use crate::sys::turn_lock::TurnLock;

/// Plays a scene in every order with so many preemptions, for patient waiters and for impatient ones.
fn play(preemptions: usize, scene: impl Fn() + Sync + Send + Copy + 'static) {
    for is_impatient in [false, true] {
        set_impatient(is_impatient);
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(preemptions);
        model.check(scene);
    }
}

/// Polls a future once and drops it: a caller that gives up, at whatever point of its waiting.
fn give_up<F: Future>(future: F) -> Option<F::Output> {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

/// Adds one to what a turn guards. loom sees it if somebody else is at it.
fn add(count: &mut Cell<usize>) {
    count.set(count.get() + 1);
}

/// Two who block for a turn, and one who waits for it asynchronously.
pub fn everybody_has_a_turn_alone() {
    play(2, || {
        let lock = std::sync::Arc::new(TurnLock::new(Cell::new(0)));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let lock = std::sync::Arc::clone(&lock);
                thread::spawn(move || add(&mut lock.lock_blocking()))
            })
            .collect();
        block_on(async { add(&mut *lock.lock().await) });
        threads.into_iter().for_each(|thread| thread.join().expect("it ends"));
        assert_eq!(lock.lock_blocking().get(), 3);
    });
}

/// One who gives up while he waits leaves the turn to the others.
pub fn whoever_gives_up_takes_no_turn_along() {
    play(2, || {
        let lock = std::sync::Arc::new(TurnLock::new(Cell::new(0)));
        let first = lock.try_lock_arc().expect("nobody else is there yet");
        let (waiter, fickle) = (std::sync::Arc::clone(&lock), std::sync::Arc::clone(&lock));
        let waiter = thread::spawn(move || add(&mut waiter.lock_blocking()));
        let fickle = thread::spawn(move || drop(give_up(fickle.lock())));
        drop(first);
        waiter.join().expect("it ends");
        fickle.join().expect("it ends");
        assert!(lock.try_lock().is_some_and(|count| count.get() == 1));
    });
}

/// One permit for two threads and the one that has it first.
pub fn no_more_have_a_permit_than_there_are() {
    play(3, || {
        let permits = Arc::new(Permits::new(1));
        let having = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (permits, having) = (Arc::clone(&permits), Arc::clone(&having));
                thread::spawn(move || {
                    let permit = block_on(permits.wait());
                    assert_eq!(
                        having.fetch_add(1, Ordering::Relaxed),
                        0,
                        "two have the only permit"
                    );
                    having.fetch_sub(1, Ordering::Relaxed);
                    permits.give_up(permit);
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("it ends"));
        assert!(!permits.are_in_use());
    });
}

/// One who waits for a permit, and one who gives up.
pub fn whoever_gives_up_takes_no_permit_along() {
    play(2, || {
        let permits = Arc::new(Permits::new(1));
        let first = permits.try_take().expect("nobody else is there yet");
        let (waiter, fickle) = (Arc::clone(&permits), Arc::clone(&permits));
        let waiter = thread::spawn(move || {
            let permit = block_on(waiter.wait());
            waiter.give_up(permit);
        });
        let fickle = thread::spawn(move || {
            if let Some(permit) = give_up(fickle.wait()) {
                fickle.give_up(permit);
            }
        });
        permits.give_up(first);
        waiter.join().expect("it ends");
        fickle.join().expect("it ends");
        assert!(!permits.are_in_use());
    });
}

/// Two threads that take from a list of free instances and put back.
pub fn nothing_in_a_list_is_lost_or_had_twice() {
    play(3, || {
        let list = Arc::new(FreeList::new());
        list.put(1);
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let list = Arc::clone(&list);
                thread::spawn(move || {
                    let taken = list.take();
                    if let Some(number) = taken {
                        list.put(number + 1);
                    }
                    usize::from(taken.is_some())
                })
            })
            .collect();
        let takers: usize = threads.into_iter().map(|thread| thread.join().expect("it ends")).sum();
        assert!(takers >= 1, "there was one, and nobody got it");
        assert_eq!(list.take(), Some(1 + takers));
        assert_eq!(list.take(), None);
    });
}

/// A request to stop that comes at the end of a turn stops that turn or nothing.
pub fn a_request_for_one_turn_stops_no_other() {
    play(4, || {
        let word = Arc::new(StopWord::new());
        let first = word.begin_turn();
        let other = Arc::clone(&word);
        let caller = thread::spawn(move || other.request(first, StopReason::Cancelled));
        let stopped_first = word.reason().is_some();
        word.begin_turn();
        assert_eq!(word.reason(), None, "the request hit a later turn");
        let was_set = caller.join().expect("it ends");
        assert!(was_set || !stopped_first);
        assert_eq!(word.reason(), None, "the request hit a later turn");
    });
}

/// Of two reasons to stop one counts, and whoever waits for one is woken.
pub fn whoever_waits_for_a_request_to_stop_is_woken() {
    play(3, || {
        let word = Arc::new(StopWord::new());
        let turn = word.begin_turn();
        let threads = [StopReason::Cancelled, StopReason::Timeout].map(|reason| {
            let word = Arc::clone(&word);
            thread::spawn(move || word.request(turn, reason))
        });
        block_on(word.requested());
        let reason = word.reason();
        assert!(reason.is_some());
        let set = threads.map(|thread| thread.join().expect("it ends"));
        assert_eq!(set.into_iter().filter(|set| *set).count(), 1, "one reason counts");
        assert_eq!(word.reason(), reason);
    });
}

/// A call begins while the watchdog takes its instance off the list: it is on the list, or knows that it is not.
pub fn no_call_runs_unwatched() {
    play(4, || {
        let watched = Arc::new(Watched::new());
        assert!(watched.enlist());
        let watchdog = Arc::clone(&watched);
        let watchdog = thread::spawn(move || {
            watchdog.may_go(|| {
                fence(Ordering::SeqCst);
                true
            })
        });
        let relies_on_it = watched.begin(1, || fence(Ordering::SeqCst));
        let is_enlisted_anew = !relies_on_it && watched.enlist();
        let was_dropped = watchdog.join().expect("it ends");
        // Put on the list a second time is harmless, and not on it while it runs is not.
        assert!(!was_dropped || is_enlisted_anew, "a call runs and nobody watches it");
        watched.end();
        assert_eq!(watched.running(), IDLE);
    });
}
