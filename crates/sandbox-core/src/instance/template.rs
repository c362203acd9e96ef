//! Instances that begin where another one's initialisation ended, and go back there after use.
//!
//! ```text
//! first instance --initialised--> template --adopted--> instance --call--> used --reset--> instance
//! ```

use std::sync::Arc;

use wasmer::MemoryType;

use super::exchange::AreaAddress;
use super::{Instance, Recipe, Start};
use crate::error::{Result, SandboxError, SnapshotFault, SystemNeed};
use crate::module::Module;
use crate::sys::memory::{Image, ResetMethod, Writes};
use crate::sys::state::Snapshot;
use crate::wasi::{Launch, Remembered};
use crate::watchdog::cancellation::Cancellation;

pub(crate) use crate::sys::memory::{Effort, NotRestored};

/// Whose instances a template is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Users {
    /// Calls that are each to see the same, whatever initialisation was told.
    Calls,
    /// Sandboxes that would else be initialised themselves, and told the time of that, random bytes of their own, and what
    /// their host's functions and folders say.
    Sandboxes,
}

/// State of an initialised instance, for others to begin as.
#[derive(Clone)]
pub(crate) struct Template {
    snapshot: Arc<Snapshot>,
    pub(super) area_address: Option<AreaAddress>,
    pub(super) method: ResetMethod,
    wasi: Option<Arc<Remembered>>,
}

impl Template {
    /// An initialised instance, and its template unless there can be none.
    ///
    /// There can be none if the module can change what a reset does not put back, or if its initialisation did
    /// something with WASI that cannot be had twice.
    ///
    /// # Errors
    /// As [`Instance::create`].
    pub(crate) fn of_module(
        recipe: &Recipe,
        users: Users,
        cancellation: &Cancellation,
    ) -> Result<(Instance, Option<Self>)> {
        if let Some(reason) = recipe.module.behaviour().irreversible() {
            tracing::debug!(
                reason,
                "instances of a module are not reset, and each call gets a new one"
            );
            return Ok((Instance::create(recipe, cancellation)?, None));
        }
        if !recipe.policy.network.is_empty() {
            tracing::debug!("sockets are not reset, and each call gets a new instance");
            return Ok((Instance::create(recipe, cancellation)?, None));
        }
        let start = Start::First(recipe.reset);
        let mut first = Instance::launch(recipe, Launch::default(), start, cancellation)?;
        let template = first.template(recipe.reset, users);
        first.forget_initialisation();
        Ok((first, template))
    }

    /// Makes what its instances need, if that is not there yet: the first call has none of them.
    ///
    /// # Errors
    /// When the system has no file for the image of a memory.
    pub(crate) fn prepare(&self) -> std::io::Result<()> {
        self.snapshot.prepare()
    }

    /// Whether that is there already.
    pub(crate) fn is_prepared(&self) -> bool {
        self.snapshot.is_prepared()
    }

    /// Whether initialisation drew random bytes: what the guest made of them is for the callers of one sandbox.
    pub(crate) fn has_secrets(&self) -> bool {
        self.wasi.as_ref().is_some_and(|wasi| wasi.has_secrets())
    }

    /// A template of parts that were taken out of a process.
    pub(crate) fn of_parts(
        snapshot: Snapshot,
        area_address: Option<u32>,
        wasi: Option<Remembered>,
    ) -> Self {
        let area_address = area_address.map(AreaAddress::new);
        let (snapshot, wasi) = (Arc::new(snapshot), wasi.map(Arc::new));
        Self { snapshot, area_address, method: ResetMethod::quickest(), wasi }
    }

    /// The state of memories and globals.
    pub(crate) fn state(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The state of WASI, if the module imports it.
    pub(crate) fn wasi(&self) -> Option<&Remembered> {
        self.wasi.as_deref()
    }

    /// The address of the exchange area, if the module has one.
    pub(crate) fn area_address(&self) -> Option<u32> {
        self.area_address.map(AreaAddress::get)
    }

    /// The template for instances that are put back by that method.
    pub(crate) fn with_method(&self, method: ResetMethod) -> Self {
        Self { method, ..self.clone() }
    }

    /// The size of all linear memories, in bytes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.snapshot.images().iter().map(|image| image.len() as u64).sum()
    }

    /// Whether instances of the module can begin as this, if they are put back by that method: what is copied and not mapped
    /// cannot grow to it.
    pub(crate) fn suits(&self, module: &Module, method: ResetMethod) -> bool {
        let memories = &module.compiled().info().memories;
        let is_grown = |(image, ty): (&Arc<Image>, &MemoryType)| image.len() > ty.minimum.bytes().0;
        method != ResetMethod::Copy
            || !self.snapshot.images().iter().zip(memories.values()).any(is_grown)
    }
}

impl Instance {
    /// An instance of the template's module that was not initialised itself.
    ///
    /// # Errors
    /// As [`Instance::create`].
    pub(crate) fn from_template(
        recipe: &Recipe,
        template: &Template,
        cancellation: &Cancellation,
    ) -> Result<Self> {
        let start = Start::Template(template);
        Self::launch(recipe, Launch::default(), start, cancellation)
    }

    /// The instance, never to be put back: it goes on from where it is, and nothing is noted of its calls.
    pub(crate) fn for_good(mut self) -> Self {
        self.is_reset = false;
        self.writes = Writes::AnyPage;
        self
    }

    /// State of the instance as it is between two calls, for others to begin as. The instance goes on as if nothing had
    /// happened.
    ///
    /// # Errors
    /// Why there can be none.
    pub(crate) fn capture(&mut self) -> Result<Template> {
        if self.module.behaviour().irreversible().is_some() {
            return Err(SandboxError::Snapshot(SnapshotFault::TablesOrSegments));
        }
        if !self.policy.network.is_empty() {
            return Err(SandboxError::Snapshot(SnapshotFault::Network));
        }
        let kept = self.wasi.as_ref().map(|wasi| wasi.keep(self.guest.store()));
        let wasi = kept.transpose().map_err(SandboxError::Snapshot)?.map(Arc::new);
        let snapshot = self
            .guest
            .capture()
            .map_err(|error| SandboxError::SystemRefused { need: SystemNeed::Memory, error })?;
        let area_address = self.exchange.as_ref().map(super::exchange::Exchange::address);
        let method = ResetMethod::quickest();
        Ok(Template { snapshot: Arc::new(snapshot), area_address, method, wasi })
    }

    fn template(&mut self, method: ResetMethod, users: Users) -> Option<Template> {
        let store = self.guest.store();
        let wasi = match &self.wasi {
            // What a host function said to this one it may not say to others.
            _ if users == Users::Sandboxes && self.host.has_calls() => return None,
            // Files tell when they were made.
            Some(wasi)
                if users == Users::Sandboxes
                    && (wasi.is_changed(store) || wasi.has_told(store)) =>
            {
                return None;
            }
            Some(wasi) => {
                let remembered = wasi.remember(store);
                if remembered.is_none() {
                    tracing::debug!(
                        "a module opens what cannot be opened again as it is initialised, or changes a granted \
                         folder, and each call gets a new instance"
                    );
                    return None;
                }
                remembered
            }
            None => None,
        };
        let snapshot = self
            .guest
            .snapshot()
            .inspect_err(|error| {
                tracing::warn!(%error, "a memory cannot be saved, and each call gets a new instance");
            })
            .ok()?;
        self.writes = Writes::None;
        let area_address = self.exchange.as_ref().map(super::exchange::Exchange::address);
        let (snapshot, wasi) = (Arc::new(snapshot), wasi.map(Arc::new));
        Some(Template { snapshot, area_address, method, wasi })
    }

    /// Makes the instance what a new one would be, or says why not.
    ///
    /// After [`NotRestored::TakesLong`] it can be tried again with more effort. The instance is not to be used before
    /// that has succeeded.
    pub(crate) fn reset(
        &mut self,
        template: &Template,
        effort: Effort,
    ) -> std::result::Result<(), NotRestored> {
        // One that did not begin as a template's has nothing noted of what it would have to put back.
        if self.unsound || !self.is_reset {
            return Err(NotRestored::Impossible);
        }
        if self.is_as_new() {
            return Ok(());
        }
        let wasi = self.wasi.as_ref().zip(template.wasi());
        if effort == Effort::Quick
            && let Some((wasi, remembered)) = wasi
            && wasi.takes_long_to_reset(self.guest.store(), remembered)
        {
            return Err(NotRestored::TakesLong);
        }
        self.guest.restore(&template.snapshot, self.writes, effort)?;
        if let Some((wasi, remembered)) = wasi {
            self.output.take();
            wasi.reset(self.guest.store(), remembered).map_err(|error| not_restored(&error))?;
        }
        self.settle();
        Ok(())
    }

    /// Sees to it that the instance is never reset, because a panic left it in the middle of something.
    pub(crate) fn condemn(&mut self) {
        self.poisoned = true;
        self.unsound = true;
    }

    /// Takes over what the template was, whatever this instance is.
    pub(crate) fn adopt(&mut self, template: &Template) -> Result<()> {
        let failed = |_| SandboxError::Instantiation {
            message: "the system gives no memory for another instance".to_owned(),
        };
        self.guest.adopt(&template.snapshot).map_err(failed)?;
        if let Some((wasi, remembered)) = self.wasi.as_ref().zip(template.wasi()) {
            wasi.adopt(self.guest.store(), remembered)?;
        }
        self.settle();
        Ok(())
    }

    /// Whether nothing has happened to the instance since it was new.
    fn is_as_new(&self) -> bool {
        self.writes == Writes::None && !self.poisoned
    }

    fn settle(&mut self) {
        self.writes = Writes::None;
        self.poisoned = false;
        self.control.take_outlasted_tick();
    }
}

fn not_restored(error: &SandboxError) -> NotRestored {
    tracing::debug!(%error, "the WASI state of an instance could not be put back");
    NotRestored::Impossible
}
