//! Who gets which sandbox of a pool, and when.

mod holders;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::{Either, select};
use tokio::sync::{Notify, oneshot};

use super::modules::{ModuleId, Modules, PoolModule};
use super::queue::{Entry, FairQueue, Limits};
use super::status::{ModuleStatus, PoolStatus, TenantStatus};
use super::{Caller, cancelled};
use crate::error::{Result, SandboxError};
use crate::sandbox::{Condition, WasmSandbox};
use crate::threads::runtime;
use crate::usage::ResourceUsage;

use holders::{Call, Lease, Waiting};
pub(super) use holders::{Held, Place, Taken};

/// Rules of the pool, as the builder was told.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) size: usize,
    pub(super) limits: Limits,
    pub(super) wait_limit: Option<Duration>,
    pub(super) replace_after: u32,
}

/// The places of a pool and the sandboxes in it.
pub(super) struct Places {
    rules: Rules,
    state: Mutex<State>,
    given_back: Notify,
}

struct State {
    modules: Modules,
    queue: FairQueue<Turn>,
    /// The one that was used last comes last.
    idle: Vec<Idle>,
    in_use: usize,
    /// Of each module, also of those that were replaced or removed and are still in use.
    in_use_of: HashMap<ModuleId, usize>,
    closed: bool,
    replaced: u64,
    failed_creations: u64,
    refused: u64,
    timed_out: u64,
    usage: ResourceUsage,
}

/// Turn of a caller that waits: where its place is sent to. Nothing comes if there is none to be had.
type Turn = oneshot::Sender<Place>;

struct Idle {
    module: ModuleId,
    sandbox: WasmSandbox,
    failures_in_a_row: u32,
}

impl Places {
    pub(super) fn new(
        modules: Vec<Arc<PoolModule>>,
        idle: Vec<(ModuleId, WasmSandbox)>,
        rules: Rules,
    ) -> Self {
        let idle = idle
            .into_iter()
            .map(|(module, sandbox)| Idle { module, sandbox, failures_in_a_row: 0 })
            .collect();
        let state = State {
            modules: Modules::new(modules),
            queue: FairQueue::new(rules.limits),
            idle,
            in_use: 0,
            in_use_of: HashMap::new(),
            closed: false,
            replaced: 0,
            failed_creations: 0,
            refused: 0,
            timed_out: 0,
            usage: ResourceUsage::default(),
        };
        Self { rules, state: Mutex::new(state), given_back: Notify::new() }
    }

    /// Looks whether there is a module of that name now.
    ///
    /// # Errors
    /// [`SandboxError::NoSuchModule`].
    pub(super) fn check_module(&self, name: &str) -> Result<()> {
        self.state().modules.named(name).map(drop)
    }

    /// Waits for a place, and takes or makes a sandbox for it.
    pub(super) async fn acquire(self: &Arc<Self>, caller: &Caller, purpose: &str) -> Result<Taken> {
        let place = match self.place_at_once(caller)? {
            Some(place) => place,
            None => self.place_in_turn(caller, purpose).await?,
        };
        self.settle_in(place, caller).await
    }

    /// Takes or makes a sandbox, if there is a place now.
    pub(super) async fn try_acquire(self: &Arc<Self>, caller: &Caller) -> Result<Option<Taken>> {
        match self.place_at_once(caller)? {
            Some(place) => self.settle_in(place, caller).await.map(Some),
            None => Ok(None),
        }
    }

    /// Takes or makes a sandbox for the holder of a place.
    async fn settle_in(self: &Arc<Self>, place: Place, caller: &Caller) -> Result<Taken> {
        // The place is given up if there is no sandbox for it.
        let (module, Found { kept, evicted }) = self.admit(caller)?;
        let lease = Lease { place, module };
        // Takes a moment, for which nobody else needs to wait.
        drop(evicted);
        let (sandbox, failures_in_a_row) = match kept {
            Some(idle) => (idle.sandbox, idle.failures_in_a_row),
            None => {
                let first = lease.module.first.with_scope(caller.scope.clone());
                let made = first.independent_sibling().await;
                (made.inspect_err(|_| self.state().failed_creations += 1)?, 0)
            }
        };
        let scoped = sandbox.with_scope(caller.scope.clone());
        Ok(Taken { held: Held { sandbox, failures_in_a_row, lease }, scoped })
    }

    /// Finds a sandbox, kept or to be made, for the holder of a place.
    fn admit(&self, caller: &Caller) -> Result<(Arc<PoolModule>, Found)> {
        // Under the lock: either closing waits for this caller, or this caller sees that the pool is closed. And the
        // module is what it is now, however long the caller has waited.
        let mut state = self.state();
        if state.closed {
            return Err(SandboxError::PoolClosed);
        }
        let module = Arc::clone(state.modules.named(&caller.module)?);
        let found = state.take(module.id, self.rules.size);
        Ok((module, found))
    }

    fn place_at_once(self: &Arc<Self>, caller: &Caller) -> Result<Option<Place>> {
        let mut state = self.state();
        if state.closed {
            return Err(SandboxError::PoolClosed);
        }
        state.modules.named(&caller.module)?;
        if state.in_use >= self.rules.size || !state.queue.try_take(&caller.tenant) {
            return Ok(None);
        }
        state.in_use += 1;
        drop(state);
        Ok(Some(self.place(&caller.tenant)))
    }

    fn place(self: &Arc<Self>, tenant: &Arc<str>) -> Place {
        let (places, tenant) = (Arc::clone(self), Arc::clone(tenant));
        Place { places, tenant, since: Instant::now() }
    }

    async fn place_in_turn(self: &Arc<Self>, caller: &Caller, purpose: &str) -> Result<Place> {
        let (waiting, turn) = self.wait(caller)?;
        let limit = caller.time_to_wait(self.rules.wait_limit);
        let acquired = match limit {
            None => caller.scope.wait_for(turn).await.map(Some),
            Some(limit) => caller.scope.wait_for(within(limit, turn)?).await,
        };
        drop(waiting);
        match acquired {
            None => Err(cancelled(purpose)),
            Some(Some(Ok(place))) => Ok(place),
            Some(Some(Err(_gone))) => Err(self.turned_away()),
            Some(None) => {
                self.state().timed_out += 1;
                Err(SandboxError::PoolTimeout { limit: limit.unwrap_or_default() })
            }
        }
    }

    /// Enters the queue.
    fn wait(self: &Arc<Self>, caller: &Caller) -> Result<(Waiting, oneshot::Receiver<Place>)> {
        let (turn, receiver) = oneshot::channel();
        let mut state = self.state();
        if state.closed {
            return Err(SandboxError::PoolClosed);
        }
        let (ticket, displaced) = match state.queue.wait(&caller.tenant, turn) {
            Entry::Waits(ticket) => (ticket, None),
            Entry::InPlaceOf(ticket, displaced) => (ticket, Some(displaced)),
            Entry::Refused => {
                state.refused += 1;
                let (size, waiting) = (self.rules.size, state.queue.waiting());
                return Err(SandboxError::PoolExhausted { size, waiting });
            }
        };
        // A place may have come free since the caller looked.
        let calls = self.call_next(&mut state);
        drop(state);
        drop(displaced);
        calls.into_iter().for_each(Call::make);
        let (places, tenant) = (Arc::clone(self), Arc::clone(&caller.tenant));
        Ok((Waiting { places, tenant, ticket }, receiver))
    }

    /// Why a caller that waited will get no place.
    fn turned_away(&self) -> SandboxError {
        let mut state = self.state();
        if state.closed {
            return SandboxError::PoolClosed;
        }
        state.refused += 1;
        SandboxError::PoolExhausted { size: self.rules.size, waiting: state.queue.waiting() }
    }

    /// Gives the free places to those whose turn it is. They are told when the lock is given up.
    fn call_next(self: &Arc<Self>, state: &mut State) -> Vec<Call> {
        let mut calls = Vec::new();
        while state.in_use < self.rules.size
            && let Some((tenant, turn)) = state.queue.next()
        {
            state.in_use += 1;
            calls.push(Call { turn, place: self.place(&tenant) });
        }
        calls
    }

    /// Takes a sandbox back, and keeps it if the next caller may have it.
    pub(super) fn give_back(held: Held) {
        let places = Arc::clone(&held.lease.place.places);
        let Held { sandbox, failures_in_a_row, lease } = held;
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
        state.modules.count(&lease.module.name, &usage, u64::from(!fit));
        let discarded = if !fit {
            state.replaced += 1;
            Some(sandbox)
        } else if state.closed || !state.modules.is_current(&lease.module) {
            Some(sandbox)
        } else {
            state.idle.push(Idle { module: lease.module.id, sandbox, failures_in_a_row });
            None
        };
        drop(state);
        drop(discarded);
        drop(lease);
    }

    /// Adds a module, with a sandbox that is ready if there is room for one.
    ///
    /// # Errors
    /// [`SandboxError::DuplicateModule`] or [`SandboxError::PoolClosed`].
    pub(super) fn insert(&self, module: PoolModule) -> Result<()> {
        let mut state = self.state();
        if state.closed {
            return Err(SandboxError::PoolClosed);
        }
        let module = state.modules.insert(module)?;
        state.warm(&module, self.rules.size);
        Ok(())
    }

    /// Has new callers find another module under a name, and returns the one that they found until now.
    ///
    /// # Errors
    /// [`SandboxError::NoSuchModule`] or [`SandboxError::PoolClosed`].
    pub(super) fn replace(&self, module: PoolModule) -> Result<ModuleId> {
        let mut state = self.state();
        if state.closed {
            return Err(SandboxError::PoolClosed);
        }
        let (old, module) = state.modules.replace(module)?;
        if !state.in_use_of.contains_key(&old.id) {
            state.modules.note_unused(&old);
        }
        let old = old.id;
        let outdated = state.take_idle_of(old);
        state.warm(&module, self.rules.size);
        drop(state);
        drop(outdated);
        Ok(old)
    }

    /// Has new callers find nothing under a name, and returns what they found until now.
    ///
    /// # Errors
    /// [`SandboxError::NoSuchModule`].
    pub(super) fn remove(&self, name: &str) -> Result<ModuleId> {
        let mut state = self.state();
        let old = state.modules.remove(name)?;
        let outdated = state.take_idle_of(old);
        drop(state);
        drop(outdated);
        Ok(old)
    }

    /// Waits until nobody has a sandbox of a module any more.
    pub(super) async fn drained(&self, module: ModuleId) {
        self.until(|state| !state.in_use_of.contains_key(&module)).await;
    }

    pub(super) fn status(&self) -> PoolStatus {
        let state = self.state();
        PoolStatus {
            size: self.rules.size,
            idle: state.idle.len(),
            in_use: state.in_use,
            waiting: state.queue.waiting(),
            replaced: state.replaced,
            failed_creations: state.failed_creations,
            refused: state.refused,
            timed_out: state.timed_out,
            closed: state.closed,
            usage: state.usage,
        }
    }

    pub(super) fn module_names(&self) -> Vec<String> {
        self.state().modules.names()
    }

    /// # Errors
    /// [`SandboxError::NoSuchModule`].
    pub(super) fn module_status(&self, name: &str) -> Result<ModuleStatus> {
        let state = self.state();
        let id = state.modules.named(name)?.id;
        let (replaced, usage) = state.modules.counts(name);
        let in_use = |id: &ModuleId| state.in_use_of.get(id).copied().unwrap_or_default();
        Ok(ModuleStatus {
            idle: state.idle.iter().filter(|idle| idle.module == id).count(),
            in_use: in_use(&id),
            draining: state.modules.earlier(name)?.iter().map(in_use).sum(),
            replaced,
            usage,
        })
    }

    pub(super) fn tenant_status(&self, name: &str) -> TenantStatus {
        let counts = self.state().queue.tenant_counts(name);
        counts.map_or_else(TenantStatus::default, |counts| TenantStatus {
            in_use: counts.in_use,
            waiting: counts.waiting,
            served: counts.served,
            refused: counts.refused,
        })
    }

    pub(super) async fn close(&self) {
        self.begin_to_close();
        self.until(|state| state.in_use == 0).await;
    }

    /// Lets nobody in any more, and turns away those who wait.
    fn begin_to_close(&self) {
        let mut state = self.state();
        state.closed = true;
        let (idle, turned_away) = (std::mem::take(&mut state.idle), state.queue.clear());
        drop(state);
        drop((idle, turned_away));
    }

    /// Waits until the state is so.
    async fn until(&self, is_so: impl Fn(&State) -> bool) {
        loop {
            let mut given_back = pin!(self.given_back.notified());
            // Enabled before the look, or the last return could be missed.
            given_back.as_mut().enable();
            if is_so(&self.state()) {
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
    /// go, so that there are never more than the size. The caller has its place already.
    fn take(&mut self, module: ModuleId, size: usize) -> Found {
        *self.in_use_of.entry(module).or_default() += 1;
        if let Some(at) = self.idle.iter().rposition(|idle| idle.module == module) {
            return Found { kept: Some(self.idle.remove(at)), evicted: None };
        }
        let full = self.idle.len() + self.in_use > size;
        let evicted = (full && !self.idle.is_empty()).then(|| self.idle.remove(0));
        Found { kept: None, evicted }
    }

    /// Keeps the first sandbox of a module for its first caller, if there is room.
    fn warm(&mut self, module: &PoolModule, size: usize) {
        if self.idle.len() + self.in_use < size {
            let sandbox = module.first.clone();
            self.idle.push(Idle { module: module.id, sandbox, failures_in_a_row: 0 });
        }
    }

    fn take_idle_of(&mut self, module: ModuleId) -> Vec<Idle> {
        self.idle.extract_if(.., |idle| idle.module == module).collect()
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

#[cfg(test)]
mod tests;
