//! Gives up what nobody asked for in a while.
//!
//! A ready instance holds address space, mappings and a WASI environment. So pools with instances are listed, and
//! looked at from time to time; one that was not used in the meantime is emptied. Its template stays, and the
//! next call makes an instance of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::InstancePool;
use crate::threads::runtime;

/// Time between two looks at the pools. One that was idle all the time from one look to the next is emptied.
const LOOK: Duration = Duration::from_secs(10);

/// The pools that may have instances.
static LISTED: Mutex<Vec<Weak<InstancePool>>> = Mutex::new(Vec::new());

/// Whether somebody looks.
static LOOKING: AtomicBool = AtomicBool::new(false);

/// Record of one pool's use.
#[derive(Debug, Default)]
pub(super) struct Use {
    listed: AtomicBool,
    recent: AtomicBool,
}

impl Use {
    /// Notes that the pool was used.
    pub(super) fn note(&self) {
        // Reading leaves the cache line to all cores.
        if !self.recent.load(Ordering::Relaxed) {
            self.recent.store(true, Ordering::Relaxed);
        }
    }
}

impl InstancePool {
    /// Sees to it that the pool is emptied one day.
    pub(super) fn list(self: &Arc<Self>) {
        self.usage.note();
        if self.usage.listed.swap(true, Ordering::AcqRel) {
            return;
        }
        LISTED.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(self));
        if !LOOKING.swap(true, Ordering::AcqRel) {
            match runtime::get() {
                Ok(runtime) => drop(runtime.spawn(look_after_all())),
                Err(_) => LOOKING.store(false, Ordering::Release),
            }
        }
    }

    /// Empties the pool if nobody used it since this was last called; says whether it need not be looked at again.
    fn empty_if_idle(&self) -> bool {
        if self.usage.recent.swap(false, Ordering::AcqRel) {
            return false;
        }
        // Before it is looked whether there is anything left, or one that is put back meanwhile would be forgotten.
        self.usage.listed.store(false, Ordering::SeqCst);
        self.empty();
        // What is out now comes back to a pool that nobody else lists.
        let is_empty = self.instances.load(Ordering::SeqCst) == 0;
        is_empty || self.usage.listed.swap(true, Ordering::SeqCst)
    }
}

async fn look_after_all() {
    loop {
        tokio::time::sleep(LOOK).await;
        let look = tokio::task::spawn_blocking(|| look_once(&LISTED));
        if look.await.is_err() {
            LOOKING.store(false, Ordering::Release);
            return;
        }
    }
}

/// Looks at each pool once.
fn look_once(listed: &Mutex<Vec<Weak<InstancePool>>>) {
    let pools = std::mem::take(&mut *listed.lock().unwrap_or_else(PoisonError::into_inner));
    let mut stay = pools;
    stay.retain(|pool| pool.upgrade().is_some_and(|pool| !pool.empty_if_idle()));
    listed.lock().unwrap_or_else(PoisonError::into_inner).append(&mut stay);
}

#[cfg(test)]
pub(super) fn look_at(pool: &Arc<InstancePool>) {
    let listed = Mutex::new(vec![Arc::downgrade(pool)]);
    look_once(&listed);
}
