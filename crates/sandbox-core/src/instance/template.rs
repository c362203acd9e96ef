//! Instances that begin where another one's initialisation ended, and go back there after use.
//!
//! ```text
//! first instance --initialised--> template --adopted--> instance --call--> used --reset--> instance
//! ```

use super::exchange::AreaAddress;
use super::{Instance, Recipe, Start};
use crate::error::Result;
use crate::sys::memory::{ResetMethod, Writes};
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
pub(crate) struct Template {
    snapshot: Snapshot,
    pub(super) area_address: Option<AreaAddress>,
    pub(super) method: ResetMethod,
    wasi: Option<Remembered>,
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
        self.wasi.as_ref().is_some_and(Remembered::has_secrets)
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
        self.guest.disown_state();
        self
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
        let wasi = self.wasi.as_ref().zip(template.wasi.as_ref());
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
        let failed = |_| crate::SandboxError::Instantiation {
            message: "the system gives no memory for another instance".to_owned(),
        };
        self.guest.adopt(&template.snapshot).map_err(failed)?;
        if let Some((wasi, remembered)) = self.wasi.as_ref().zip(template.wasi.as_ref()) {
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

fn not_restored(error: &crate::SandboxError) -> NotRestored {
    tracing::debug!(%error, "the WASI state of an instance could not be put back");
    NotRestored::Impossible
}
