//! Instances that are ready before they are asked for.
//!
//! In the mode [`Fresh`](crate::InstanceMode::Fresh) each call has an instance that is as new. A used one
//! is put back to what it was and lies in stock for the next call. What is quickly done is done at once, after
//! the value was taken from the instance; what takes longer is done on a worker thread, off the way of any call.

mod idle;
mod shared;
mod shelves;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::error::Result;
use crate::host::HostBinding;
use crate::instance::{Effort, Instance, NotRestored, Template, Users};
use crate::module::Module;
use crate::policy::{Compiler, SecurityPolicy};
use crate::sys::memory::ResetMethod;
use crate::threads::runtime::spawn_blocking;
use crate::watchdog;
use crate::watchdog::cancellation::Cancellation;

use idle::Use;
use shelves::Shelves;

/// Boxed, because an instance is large and goes from hand to hand.
type UsedInstances = Vec<Box<Instance>>;

/// The stock of one sandbox, or of several that are alike.
pub(super) struct Stock {
    module: Module,
    policy: Arc<SecurityPolicy>,
    host: Arc<HostBinding>,
    method: ResetMethod,
    /// Nothing where used instances cannot be put back, and each call gets one that was just made.
    template: Option<Template>,
    /// How many instances of the template there are, in stock or out.
    instances: AtomicUsize,
    ready: Shelves<Box<Instance>>,
    /// Used, and to be put back when there is time.
    used: Mutex<UsedInstances>,
    /// Whether a worker thread is busy with the used ones.
    being_restored: AtomicBool,
    usage: Use,
}

impl Stock {
    /// Makes the first instance, which shows that the module starts, and the template of all others.
    ///
    /// # Errors
    /// As [`Instance::create`].
    pub(super) fn new(
        module: &Module,
        policy: &Arc<SecurityPolicy>,
        host: &Arc<HostBinding>,
        method: ResetMethod,
        cancellation: &Cancellation,
    ) -> Result<Arc<Self>> {
        let users = Users::Calls;
        let (first, template) =
            Template::of_module(module, policy, host, method, users, cancellation)?;
        let stock = Arc::new(Self {
            module: module.clone(),
            policy: Arc::clone(policy),
            host: Arc::clone(host),
            method,
            instances: AtomicUsize::new(1),
            ready: Shelves::new(),
            used: Mutex::default(),
            being_restored: AtomicBool::new(false),
            usage: Use::default(),
            template,
        });
        if stock.template.is_some() {
            stock.ready.put(Box::new(first));
            stock.list();
        }
        let weak = Arc::downgrade(&stock);
        module.when_outdated(move || {
            if let Some(stock) = weak.upgrade() {
                stock.replace_outdated();
            }
        });
        Ok(stock)
    }

    /// An instance that is as new: from stock, put back now, or made now.
    ///
    /// # Errors
    /// As [`Instance::create`].
    pub(super) fn take(self: &Arc<Self>, cancellation: &Cancellation) -> Result<Box<Instance>> {
        let Some(template) = &self.template else { return self.initialise(cancellation) };
        if let Some(ready) = self.ready.take() {
            self.usage.note();
            return Ok(ready);
        }
        self.list();
        let used = self.used().pop();
        if let Some(mut used) = used {
            if !used.is_outdated() && reset(&mut used, template, Effort::Thorough).is_ok() {
                return Ok(used);
            }
            self.discard(used);
        }
        if let Err(error) = template.prepare() {
            tracing::warn!(%error, "a memory cannot be mapped, and a call gets a new instance");
            let new = self.initialise(cancellation)?;
            self.instances.fetch_add(1, Ordering::Relaxed);
            return Ok(new);
        }
        self.make(template, cancellation)
    }

    /// An instance that does not begin from the template, and cannot be put back to it.
    fn initialise(&self, cancellation: &Cancellation) -> Result<Box<Instance>> {
        let (module, policy, host) = (&self.module, &self.policy, &self.host);
        Instance::create(module, policy, host, cancellation).map(Box::new)
    }

    /// What its instances run under.
    pub(super) fn policy(&self) -> &Arc<SecurityPolicy> {
        &self.policy
    }

    /// What made the code of the instances that are made now.
    pub(super) fn compiler(&self) -> Compiler {
        self.module.newest().compiler()
    }

    fn make(&self, template: &Template, cancellation: &Cancellation) -> Result<Box<Instance>> {
        let (module, policy, host) = (&self.module, &self.policy, &self.host);
        let made = Instance::from_template(module, policy, host, template, cancellation)?;
        self.instances.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(made))
    }

    fn discard(&self, instance: Box<Instance>) {
        self.instances.fetch_sub(1, Ordering::Relaxed);
        drop(instance);
    }

    /// Makes a used instance as new again, on the calling thread, or replaces it.
    ///
    /// # Errors
    /// As [`Instance::create`].
    pub(super) fn renew(
        self: &Arc<Self>,
        mut used: Box<Instance>,
        cancellation: &Cancellation,
    ) -> Result<Box<Instance>> {
        if let Some(template) = &self.template {
            if !used.is_outdated() && reset(&mut used, template, Effort::Thorough).is_ok() {
                return Ok(used);
            }
            self.discard(used);
        }
        self.take(cancellation)
    }

    /// Takes back an instance that a caller is done with.
    pub(super) fn put_back(self: &Arc<Self>, mut used: Box<Instance>) {
        let Some(template) = &self.template else { return };
        if used.is_outdated() {
            return self.restore_later(used);
        }
        match reset(&mut used, template, Effort::Quick) {
            Ok(()) => self.keep(used),
            // What it takes to drop it, and to have another one ready, is not the caller's time either.
            Err(NotRestored::TakesLong | NotRestored::Impossible) => self.restore_later(used),
        }
    }

    /// Puts an instance that is as new in stock, unless there are more than may run at once.
    fn keep(&self, instance: Box<Instance>) {
        if self.instances.load(Ordering::Relaxed) > self.policy.max_instances {
            self.discard(instance);
        } else {
            self.ready.put(instance);
        }
    }

    fn restore_later(self: &Arc<Self>, used: Box<Instance>) {
        self.used().push(used);
        if self.being_restored.swap(true, Ordering::AcqRel) {
            return;
        }
        if self.template.as_ref().is_some_and(Template::is_prepared) {
            return self.restore_in_background();
        }
        // After the first call ever. Who wanted one answer has it, and is not to pay for others: to wake a thread takes
        // as long as many a call, and what it would do is for nothing if the stock goes now. Who asks for another
        // answer before the next tick puts the instance back himself.
        let stock = Arc::downgrade(self);
        // On another thread, since this may be the last that uses the stock.
        let restore = |stock: Weak<Self>| {
            if let Some(stock) = stock.upgrade() {
                stock.restore_used();
            }
        };
        let in_background = move || {
            if stock.strong_count() == 0 {
                return;
            }
            let elsewhere = Weak::clone(&stock);
            if spawn_blocking(move || restore(elsewhere)).is_err() {
                restore(stock);
            }
        };
        if watchdog::at_next_tick(Box::new(in_background)).is_err() {
            self.restore_in_background();
        }
    }

    fn restore_in_background(self: &Arc<Self>) {
        let stock = Arc::clone(self);
        if spawn_blocking(move || stock.restore_used()).is_err() {
            self.restore_used();
        }
    }

    fn restore_used(&self) {
        loop {
            {
                let _busy = Busy(&self.being_restored);
                while let Some(used) = { self.used().pop() } {
                    self.restore_or_replace(used);
                }
            }
            // One may have come between the two, and relied on us.
            let left = !self.used().is_empty();
            if !left || self.being_restored.swap(true, Ordering::AcqRel) {
                return;
            }
        }
    }

    /// Never takes long: the module's own code is not run, neither to put an instance back nor to make one of a template.
    fn restore_or_replace(&self, mut used: Box<Instance>) {
        let Some(template) = &self.template else { return };
        if !used.is_outdated() && reset(&mut used, template, Effort::Thorough).is_ok() {
            self.keep(used);
            return;
        }
        self.discard(used);
        match self.make(template, &Cancellation::default()) {
            Ok(another) => self.keep(another),
            Err(error) => {
                tracing::debug!(%error, "no instance could be made in advance");
            }
        }
    }

    /// Has new code run instead of old in the instances that lie ready. Those that are out are replaced as they come
    /// back.
    fn replace_outdated(&self) {
        let ready: UsedInstances = std::iter::from_fn(|| self.ready.take()).collect();
        ready.into_iter().for_each(|instance| self.restore_or_replace(instance));
    }

    /// Drops the instances that nobody uses.
    fn empty(&self) {
        while let Some(instance) = self.ready.take() {
            self.discard(instance);
        }
    }

    fn used(&self) -> MutexGuard<'_, UsedInstances> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts an instance back. One that the host panics over is not used again, and its place is not lost.
fn reset(
    instance: &mut Instance,
    template: &Template,
    effort: Effort,
) -> std::result::Result<(), NotRestored> {
    let outcome = catch_unwind(AssertUnwindSafe(|| instance.reset(template, effort)));
    outcome.unwrap_or_else(|_| {
        instance.condemn();
        Err(NotRestored::Impossible)
    })
}

/// A worker thread is busy with used instances, until this is dropped, also by a panic.
struct Busy<'a>(&'a AtomicBool);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        shared::forget(&self.module);
    }
}

#[cfg(test)]
mod tests;
