//! Who gets which instance, and when.

use std::sync::Arc;

use async_lock::{Mutex, MutexGuardArc, Semaphore, SemaphoreGuardArc};

use crate::call::cancellation::Cancellation;
use crate::error::Result;
use crate::host::HostBinding;
use crate::instance::Instance;
use crate::module::Module;
use crate::policy::{InstanceMode, SecurityPolicy};

/// The instances of one sandbox.
pub(super) enum Instances {
    /// One for all calls. Empty while there is none fit to be called.
    Persistent(Arc<Mutex<Option<Instance>>>),
    /// One for each call, and at most so many at once.
    Fresh(Arc<Semaphore>),
}

/// What the next caller would find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Somebody's turn.
    Busy,
    /// An instance, or nothing that could keep one from being made.
    Ready,
    /// No instance: the last one was poisoned.
    Spent,
}

/// A caller's turn: sole use of an instance until it is dropped.
pub(super) enum Turn {
    Persistent(MutexGuardArc<Option<Instance>>),
    Fresh { instance: Option<Box<Instance>>, _permit: SemaphoreGuardArc },
}

impl Instances {
    /// Takes the instance that was created to see that the module starts.
    pub(super) fn new(mode: InstanceMode, at_most: usize, first: Instance) -> Self {
        match mode {
            InstanceMode::Persistent => Self::Persistent(Arc::new(Mutex::new(Some(first)))),
            InstanceMode::Fresh => Self::Fresh(Arc::new(Semaphore::new(at_most))),
        }
    }

    /// Whether another caller could use the instances now.
    pub(super) fn condition(&self) -> Condition {
        match self {
            Self::Persistent(instance) => match instance.try_lock() {
                None => Condition::Busy,
                Some(instance) if instance.is_some() => Condition::Ready,
                Some(_) => Condition::Spent,
            },
            Self::Fresh(permits) if permits.try_acquire().is_none() => Condition::Busy,
            Self::Fresh(_) => Condition::Ready,
        }
    }

    /// The linear memory of the one instance, in bytes, if there is one and nobody uses it now.
    pub(super) fn idle_memory_bytes(&self) -> Option<u64> {
        let Self::Persistent(instance) = self else { return None };
        instance.try_lock()?.as_ref().map(Instance::memory_bytes)
    }

    /// A turn that can be had at once, if there is one.
    pub(super) fn turn_now(&self) -> Option<Turn> {
        match self {
            Self::Persistent(instance) => instance.try_lock_arc().map(Turn::Persistent),
            Self::Fresh(permits) => permits
                .try_acquire_arc()
                .map(|permit| Turn::Fresh { instance: None, _permit: permit }),
        }
    }

    /// Waits for a turn, in the order of asking.
    pub(super) async fn turn(&self) -> Turn {
        match self {
            Self::Persistent(instance) => Turn::Persistent(instance.lock_arc().await),
            Self::Fresh(permits) => {
                Turn::Fresh { instance: None, _permit: permits.acquire_arc().await }
            }
        }
    }

    /// The same, blocking the thread.
    pub(super) fn turn_blocking(&self) -> Turn {
        match self {
            Self::Persistent(instance) => Turn::Persistent(instance.lock_arc_blocking()),
            Self::Fresh(permits) => {
                Turn::Fresh { instance: None, _permit: permits.acquire_arc_blocking() }
            }
        }
    }
}

impl Turn {
    /// The instance, if there is one.
    pub(super) fn instance(&self) -> Option<&Instance> {
        match self {
            Self::Persistent(instance) => instance.as_ref(),
            Self::Fresh { instance, .. } => instance.as_deref(),
        }
    }

    /// The instance, for one more call: created where there is none fit for it. May run guest code.
    pub(super) fn ready(
        &mut self,
        module: &Module,
        policy: &SecurityPolicy,
        host: &Arc<HostBinding>,
        cancellation: &Cancellation,
    ) -> Result<&mut Instance> {
        let create = || Instance::create(module, policy, host, cancellation);
        let instance = match self {
            Self::Persistent(slot) => {
                if slot.is_none() {
                    **slot = Some(create()?);
                }
                slot.as_mut().expect("an instance was put there if there was none")
            }
            Self::Fresh { instance, .. } => instance.insert(Box::new(create()?)),
        };
        let begun = instance.begin_turn();
        cancellation.attach(instance.control(), begun);
        Ok(instance)
    }

    /// Discards an instance that nobody may see again.
    pub(super) fn retire_poisoned(&mut self) {
        if self.instance().is_some_and(Instance::is_poisoned) {
            match self {
                Self::Persistent(instance) => **instance = None,
                Self::Fresh { instance, .. } => *instance = None,
            }
        }
    }
}
