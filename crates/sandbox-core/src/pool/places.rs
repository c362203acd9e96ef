//! Who gets which sandbox of a pool, and when.

use std::ops::Deref;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{Either, select};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::{PoolModule, PoolStatus, cancelled};
use crate::error::{Result, SandboxError};
use crate::sandbox::{Condition, WasmSandbox};
use crate::threads::runtime;
use crate::usage::ResourceUsage;
use crate::watchdog::cancellation::Scope;

/// Rules of the pool, as the builder was told.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) size: usize,
    pub(super) max_waiting: Option<usize>,
    pub(super) wait_limit: Option<Duration>,
    pub(super) replace_after: u32,
}

/// The places of a pool and the sandboxes in it.
pub(super) struct Places {
    modules: Vec<PoolModule>,
    rules: Rules,
    /// Fair: a permit that comes back goes to whoever has waited for longest.
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    refused: AtomicU64,
    timed_out: AtomicU64,
    state: Mutex<State>,
    given_back: Notify,
}

#[derive(Default)]
struct State {
    /// The one that was used last comes last.
    idle: Vec<Idle>,
    in_use: usize,
    replaced: u64,
    failed_creations: u64,
    usage: ResourceUsage,
}

struct Idle {
    module: usize,
    sandbox: WasmSandbox,
    failures_in_a_row: u32,
}

impl Places {
    pub(super) fn new(
        modules: Vec<PoolModule>,
        idle: Vec<(usize, WasmSandbox)>,
        rules: Rules,
    ) -> Self {
        let idle = idle
            .into_iter()
            .map(|(module, sandbox)| Idle { module, sandbox, failures_in_a_row: 0 })
            .collect();
        Self {
            modules,
            // More than a semaphore can hold are as good as no limit.
            permits: Arc::new(Semaphore::new(rules.size.min(Semaphore::MAX_PERMITS))),
            rules,
            waiting: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
            state: Mutex::new(State { idle, ..State::default() }),
            given_back: Notify::new(),
        }
    }

    pub(super) fn module(&self, name: &str) -> Result<usize> {
        self.modules.iter().position(|module| module.name == name).ok_or_else(|| {
            SandboxError::NoSuchModule {
                name: name.to_owned(),
                available: self.modules.iter().map(|module| module.name.clone()).collect(),
            }
        })
    }

    /// Waits for a place, and takes or makes a sandbox for it.
    pub(super) async fn acquire(
        self: &Arc<Self>,
        module: usize,
        scope: &Scope,
        purpose: &str,
    ) -> Result<PooledSandbox> {
        let permit = self.permit(scope, purpose).await?;
        let (lease, Found { kept, evicted }) = self.admit(permit, module)?;
        // Takes a moment, for which nobody else needs to wait.
        drop(evicted);
        let (sandbox, failures_in_a_row) = match kept {
            Some(idle) => (idle.sandbox, idle.failures_in_a_row),
            None => {
                let first = self.modules[module].first.with_scope(scope.clone());
                let made = first.independent_sibling().await;
                let made = made.inspect_err(|_| self.state().failed_creations += 1)?;
                (made, 0)
            }
        };
        let scoped = sandbox.with_scope(scope.clone());
        Ok(PooledSandbox::new(Held { sandbox, module, failures_in_a_row, lease }, scoped))
    }

    /// Lets the holder of a permit in, unless the pool was closed since it got that.
    fn admit(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
        module: usize,
    ) -> Result<(Lease, Found)> {
        let mut state = self.state();
        // Under the lock: either closing waits for this caller, or this caller sees that the pool is closed.
        if self.permits.is_closed() {
            return Err(SandboxError::PoolClosed);
        }
        let found = state.take(module, self.rules.size);
        drop(state);
        Ok((Lease { places: Arc::clone(self), _permit: permit }, found))
    }

    async fn permit(&self, scope: &Scope, purpose: &str) -> Result<OwnedSemaphorePermit> {
        // There are none to be had here while somebody waits, so this is nobody's place in the queue.
        match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => return Ok(permit),
            Err(TryAcquireError::Closed) => return Err(SandboxError::PoolClosed),
            Err(TryAcquireError::NoPermits) => (),
        }
        let _waiting = Waiting::begin(self)?;
        let acquired = Arc::clone(&self.permits).acquire_owned();
        let acquired = match self.rules.wait_limit {
            None => scope.wait_for(acquired).await.map(Some),
            Some(limit) => scope.wait_for(within(limit, acquired)?).await,
        };
        match acquired {
            None => Err(cancelled(purpose)),
            Some(Some(Ok(permit))) => Ok(permit),
            Some(Some(Err(_closed))) => Err(SandboxError::PoolClosed),
            Some(None) => {
                self.timed_out.fetch_add(1, Ordering::Relaxed);
                let limit = self.rules.wait_limit.unwrap_or_default();
                Err(SandboxError::PoolTimeout { limit })
            }
        }
    }

    /// Takes a sandbox back, and keeps it if the next caller may have it.
    pub(super) fn give_back(held: Held) {
        let places = held.places();
        let Held { sandbox, module, failures_in_a_row, lease } = held;
        let usage = sandbox.take_usage();
        let failures_in_a_row = match (usage.calls, usage.failed_calls) {
            (calls, failed) if failed < calls => 0,
            (_, failed) => {
                failures_in_a_row.saturating_add(u32::try_from(failed).unwrap_or(u32::MAX))
            }
        };
        let fit = sandbox.condition() == Condition::Ready
            && failures_in_a_row < places.rules.replace_after;
        let mut state = places.state();
        state.usage += usage;
        let discarded = if !fit {
            state.replaced += 1;
            Some(sandbox)
        } else if places.permits.is_closed() {
            Some(sandbox)
        } else {
            state.idle.push(Idle { module, sandbox, failures_in_a_row });
            None
        };
        drop(state);
        drop(discarded);
        drop(lease);
    }

    pub(super) fn status(&self) -> PoolStatus {
        let state = self.state();
        PoolStatus {
            size: self.rules.size,
            idle: state.idle.len(),
            in_use: state.in_use,
            waiting: self.waiting.load(Ordering::Relaxed),
            replaced: state.replaced,
            failed_creations: state.failed_creations,
            refused: self.refused.load(Ordering::Relaxed),
            timed_out: self.timed_out.load(Ordering::Relaxed),
            closed: self.permits.is_closed(),
            usage: state.usage,
        }
    }

    pub(super) async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut self.state().idle);
        drop(idle);
        loop {
            let mut given_back = pin!(self.given_back.notified());
            // Enabled before the look, or the last return could be missed.
            given_back.as_mut().enable();
            if self.state().in_use == 0 {
                return;
            }
            given_back.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sandboxes that a new holder of a place takes out.
struct Found {
    kept: Option<Idle>,
    /// One that has to go.
    evicted: Option<Idle>,
}

impl State {
    /// The sandbox of that module that was used last, if one is idle; else perhaps one of another module that has to
    /// go, so that there are never more than the size.
    fn take(&mut self, module: usize, size: usize) -> Found {
        self.in_use += 1;
        if let Some(at) = self.idle.iter().rposition(|idle| idle.module == module) {
            return Found { kept: Some(self.idle.remove(at)), evicted: None };
        }
        let full = self.idle.len() + self.in_use > size;
        let evicted = (full && !self.idle.is_empty()).then(|| self.idle.remove(0));
        Found { kept: None, evicted }
    }
}

/// A place in use. Whatever happens to its sandbox, the place comes back.
pub(super) struct Lease {
    places: Arc<Places>,
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    pub(super) fn places(&self) -> Arc<Places> {
        Arc::clone(&self.places)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.places.state().in_use -= 1;
        self.places.given_back.notify_waiters();
    }
}

/// A caller in the queue.
struct Waiting<'a>(&'a Places);

impl<'a> Waiting<'a> {
    fn begin(places: &'a Places) -> Result<Self> {
        let before = places.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Self(places);
        match places.rules.max_waiting {
            Some(most) if before >= most => {
                places.refused.fetch_add(1, Ordering::Relaxed);
                Err(SandboxError::PoolExhausted { size: places.rules.size, waiting: before })
            }
            _ => Ok(waiting),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Waits that long for a future. Returns `None` if it is not ready by then. Needs no runtime of the caller's.
fn within<T>(
    limit: Duration,
    wanted: impl Future<Output = T>,
) -> Result<impl Future<Output = Option<T>>> {
    let elapsed = {
        let _context = runtime::get()?.enter();
        tokio::time::sleep(limit)
    };
    Ok(async move {
        match select(pin!(wanted), pin!(elapsed)).await {
            Either::Left((value, _)) => Some(value),
            Either::Right(_) => None,
        }
    })
}

/// A sandbox of a pool, for its holder alone until this is dropped.
///
/// All methods of [`WasmSandbox`] are there. A clone of the sandbox, or a [`Function`](crate::Function) of it, goes
/// on working when this is gone, but then its calls take turns with those of the next holder.
pub struct PooledSandbox {
    /// Sandbox that is held. `None` once it is given back.
    held: Option<Held>,
    /// That sandbox, under the conditions of the caller.
    sandbox: WasmSandbox,
}

/// Sandbox that has to go back to the pool.
pub(super) struct Held {
    pub(super) sandbox: WasmSandbox,
    pub(super) module: usize,
    /// Number of calls that had failed in a row before this holder's.
    pub(super) failures_in_a_row: u32,
    pub(super) lease: Lease,
}

impl PooledSandbox {
    pub(super) fn new(held: Held, sandbox: WasmSandbox) -> Self {
        Self { held: Some(held), sandbox }
    }
}

impl Deref for PooledSandbox {
    type Target = WasmSandbox;

    fn deref(&self) -> &WasmSandbox {
        &self.sandbox
    }
}

impl Drop for PooledSandbox {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else { return };
        if held.sandbox.condition() != Condition::Busy {
            return Places::give_back(held);
        }
        // The call was dropped and its guest is being stopped. Until then its place is taken.
        if let Ok(runtime) = runtime::get() {
            runtime.spawn(async move {
                held.sandbox.settled().await;
                Places::give_back(held);
            });
        }
    }
}

impl std::fmt::Debug for PooledSandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PooledSandbox").field(&self.sandbox).finish()
    }
}

impl Held {
    pub(super) fn places(&self) -> Arc<Places> {
        self.lease.places()
    }
}

#[cfg(test)]
mod tests;
