//! Instances that are ready before they are asked for: free ones, dirty ones, and the template that both began from.
//!
//! In the mode [`Fresh`](crate::InstanceMode::Fresh) each call has an instance that is as new. A used one
//! is put back to what it was and lies in a pool for the next call. What is quickly done is done at once, after
//! the value was taken from the instance; what takes longer is done on a worker thread, off the way of any call.

mod free_list;
mod idle;
mod shared;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::error::Result;
use crate::instance::{Effort, Instance, NotRestored, Recipe, Template, Users};
use crate::policy::{Compiler, SecurityPolicy};
use crate::threads::runtime::spawn_blocking;
use crate::watchdog;
use crate::watchdog::cancellation::Cancellation;

use free_list::FreeList;
use idle::Use;

/// Boxed, because an instance is large and goes from hand to hand.
type DirtyInstances = Vec<Box<Instance>>;

/// The pool of one sandbox, or of several that are alike.
pub(crate) struct InstancePool {
    recipe: Recipe,
    /// Template of the instances. `None` where used instances cannot be put back, and each call gets one that was
    /// just made.
    template: Option<Template>,
    /// Number of instances of the template, in the pool or out.
    instances: AtomicUsize,
    free: FreeList<Box<Instance>>,
    /// Used, and to be put back when there is time.
    dirty: Mutex<DirtyInstances>,
    /// Whether a worker thread is busy with the used ones.
    being_cleaned: AtomicBool,
    usage: Use,
}

impl InstancePool {
    /// Makes the first instance, which shows that the module starts, and the template of all others.
    ///
    /// # Errors
    /// As [`Instance::create`].
    pub(crate) fn new(recipe: &Recipe, cancellation: &Cancellation) -> Result<Arc<Self>> {
        let (first, template) = Template::of_module(recipe, Users::Calls, cancellation)?;
        Ok(Self::beginning_with(recipe, first, template))
    }

    /// Makes a pool whose instances begin from a snapshot, and the first of them. Runs no guest code.
    ///
    /// # Errors
    /// As [`Instance::create`].
    pub(crate) fn of_snapshot(
        recipe: &Recipe,
        template: &Template,
        cancellation: &Cancellation,
    ) -> Result<Arc<Self>> {
        let template = template.with_method(recipe.reset);
        let first = Instance::from_template(recipe, &template, cancellation)?;
        Ok(Self::beginning_with(recipe, first, Some(template)))
    }

    fn beginning_with(recipe: &Recipe, first: Instance, template: Option<Template>) -> Arc<Self> {
        let pool = Arc::new(Self {
            recipe: recipe.clone(),
            instances: AtomicUsize::new(1),
            free: FreeList::new(),
            dirty: Mutex::default(),
            being_cleaned: AtomicBool::new(false),
            usage: Use::default(),
            template,
        });
        if pool.template.is_some() {
            pool.free.put(Box::new(first));
            pool.list();
        }
        let weak = Arc::downgrade(&pool);
        recipe.module.when_outdated(move || {
            if let Some(pool) = weak.upgrade() {
                pool.replace_outdated();
            }
        });
        pool
    }

    /// An instance that is as new: a free one, one that is put back now, or made now.
    ///
    /// # Errors
    /// As [`Instance::create`].
    pub(crate) fn take(self: &Arc<Self>, cancellation: &Cancellation) -> Result<Box<Instance>> {
        let Some(template) = &self.template else { return self.initialise(cancellation) };
        if let Some(free) = self.free.take() {
            self.usage.note();
            return Ok(free);
        }
        self.list();
        let dirty = self.dirty().pop();
        if let Some(clean) = dirty.and_then(|dirty| self.clean(dirty, template)) {
            return Ok(clean);
        }
        if let Err(error) = template.prepare() {
            tracing::warn!(%error, "a memory cannot be mapped, and a call gets a new instance");
            let new = self.initialise(cancellation)?;
            self.instances.fetch_add(1, Ordering::Relaxed);
            return Ok(new);
        }
        self.make(template, cancellation)
    }

    /// A free instance, if there is one: no code of the guest runs.
    pub(crate) fn take_free(&self) -> Option<Box<Instance>> {
        self.template.as_ref()?;
        self.free.take().inspect(|_| self.usage.note())
    }

    /// An instance that does not begin from the template, and cannot be put back to it.
    fn initialise(&self, cancellation: &Cancellation) -> Result<Box<Instance>> {
        Instance::create(&self.recipe, cancellation).map(Box::new)
    }

    /// Policy that its instances run under.
    pub(crate) fn policy(&self) -> &Arc<SecurityPolicy> {
        &self.recipe.policy
    }

    /// Compiler of the code of the instances that are made now.
    pub(crate) fn compiler(&self) -> Compiler {
        self.recipe.module.newest().compiler()
    }

    fn make(&self, template: &Template, cancellation: &Cancellation) -> Result<Box<Instance>> {
        let made = Instance::from_template(&self.recipe, template, cancellation)?;
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
    pub(crate) fn renew(
        self: &Arc<Self>,
        used: Box<Instance>,
        cancellation: &Cancellation,
    ) -> Result<Box<Instance>> {
        let clean = self.template.as_ref().and_then(|template| self.clean(used, template));
        clean.map_or_else(|| self.take(cancellation), Ok)
    }

    /// Makes a used instance as new again, however long that takes. Discards one that cannot be, or that runs old code.
    fn clean(&self, mut used: Box<Instance>, template: &Template) -> Option<Box<Instance>> {
        if !used.is_outdated() && reset(&mut used, template, Effort::Thorough).is_ok() {
            return Some(used);
        }
        self.discard(used);
        None
    }

    /// Takes back an instance that a caller is done with.
    pub(crate) fn put_back(self: &Arc<Self>, mut used: Box<Instance>) {
        let Some(template) = &self.template else { return };
        if used.is_outdated() {
            return self.clean_later(used);
        }
        match reset(&mut used, template, Effort::Quick) {
            Ok(()) => self.keep(used),
            // What it takes to drop it, and to have another one free, is not the caller's time either.
            Err(NotRestored::TakesLong | NotRestored::Impossible) => self.clean_later(used),
        }
    }

    /// Puts an instance that is as new among the free ones, unless there are more than may run at once.
    fn keep(&self, instance: Box<Instance>) {
        if self.instances.load(Ordering::Relaxed) > self.recipe.policy.max_instances {
            self.discard(instance);
        } else {
            self.free.put(instance);
        }
    }

    fn clean_later(self: &Arc<Self>, used: Box<Instance>) {
        self.dirty().push(used);
        if self.being_cleaned.swap(true, Ordering::AcqRel) {
            return;
        }
        if self.template.as_ref().is_some_and(Template::is_prepared) {
            return self.clean_in_background();
        }
        // After the first call ever. Who wanted one answer has it, and is not to pay for others: to wake a thread takes
        // as long as many a call, and what it would do is for nothing if the pool goes now. Who asks for another
        // answer before the next tick puts the instance back himself.
        let pool = Arc::downgrade(self);
        // On another thread, since this may be the last that uses the pool.
        let restore = |pool: Weak<Self>| {
            if let Some(pool) = pool.upgrade() {
                pool.clean_dirty();
            }
        };
        let in_background = move || {
            if pool.strong_count() == 0 {
                return;
            }
            let elsewhere = Weak::clone(&pool);
            if spawn_blocking(move || restore(elsewhere)).is_err() {
                restore(pool);
            }
        };
        if watchdog::at_next_tick(Box::new(in_background)).is_err() {
            self.clean_in_background();
        }
    }

    fn clean_in_background(self: &Arc<Self>) {
        let pool = Arc::clone(self);
        if spawn_blocking(move || pool.clean_dirty()).is_err() {
            self.clean_dirty();
        }
    }

    fn clean_dirty(&self) {
        loop {
            {
                let _busy = Busy(&self.being_cleaned);
                while let Some(used) = { self.dirty().pop() } {
                    self.clean_or_replace(used);
                }
            }
            // One may have come between the two, and relied on us.
            let left = !self.dirty().is_empty();
            if !left || self.being_cleaned.swap(true, Ordering::AcqRel) {
                return;
            }
        }
    }

    /// Never takes long: the module's own code is not run, neither to put an instance back nor to make one of a template.
    fn clean_or_replace(&self, used: Box<Instance>) {
        let Some(template) = &self.template else { return };
        let as_new = match self.clean(used, template) {
            Some(clean) => Ok(clean),
            None => self.make(template, &Cancellation::default()),
        };
        match as_new {
            Ok(as_new) => self.keep(as_new),
            Err(error) => {
                tracing::debug!(%error, "no instance could be made in advance");
            }
        }
    }

    /// Has new code run instead of old in the instances that lie free. Those that are out are replaced as they come
    /// back.
    fn replace_outdated(&self) {
        let free: DirtyInstances = std::iter::from_fn(|| self.free.take()).collect();
        free.into_iter().for_each(|instance| self.clean_or_replace(instance));
    }

    /// Drops the instances that nobody uses.
    fn empty(&self) {
        while let Some(instance) = self.free.take() {
            self.discard(instance);
        }
    }

    fn dirty(&self) -> MutexGuard<'_, DirtyInstances> {
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner)
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

impl Drop for InstancePool {
    fn drop(&mut self) {
        shared::forget(&self.recipe.module);
    }
}

#[cfg(test)]
mod tests;
