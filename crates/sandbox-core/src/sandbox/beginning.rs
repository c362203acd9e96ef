//! Where persistent instances begin.
//!
//! A service may hold many thousands of sandboxes of one module that live on from call to call. Each could be
//! initialised for itself, and then has a copy of all that initialisation wrote. But where that is the same for all, one
//! is saved as a template, and the others begin as what it was: they map its memory copy-on-write, and have of
//! their own what their calls write. The first sandbox of a kind is initialised, because there may never be a second; with
//! the second the template is made.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::alike::Alike;
use crate::error::Result;
use crate::host::HostBinding;
use crate::instance::{Instance, Template, Users};
use crate::module::Module;
use crate::policy::SecurityPolicy;
use crate::sys::memory::ResetMethod;
use crate::watchdog::cancellation::Cancellation;

static BEGINNINGS: Alike<Shared> = Alike::new();

/// Where the instances of one sandbox begin.
pub(super) struct Beginning(Option<Arc<Shared>>);

/// What the sandboxes have in common that are alike.
struct Shared {
    module: Module,
    policy: Arc<SecurityPolicy>,
    method: ResetMethod,
    /// Nothing in it where each instance has to be initialised for itself.
    template: OnceLock<Option<Template>>,
    is_being_made: AtomicBool,
}

impl Beginning {
    /// The first instance of a sandbox, and where others will begin. Runs guest code.
    ///
    /// Folders of the host are opened for an instance, host functions may tell each guest something else, and sockets are
    /// an instance's own. So where there are any, nothing is shared.
    ///
    /// # Errors
    /// As [`Instance::create`].
    pub(super) fn of(
        module: &Module,
        policy: &Arc<SecurityPolicy>,
        host: &Arc<HostBinding>,
        method: ResetMethod,
        cancellation: &Cancellation,
    ) -> Result<(Instance, Self)> {
        let create = |policy| Instance::create(module, policy, host, cancellation);
        let is_own = !policy.folders.is_empty() || !policy.network.is_empty() || !host.is_empty();
        if is_own || method == ResetMethod::Copy {
            return Ok((create(policy)?, Self(None)));
        }
        let known = BEGINNINGS.find(module, |known| {
            known.module.is_alike(module) && known.method == method && known.policy == *policy
        });
        if let Some(known) = known {
            let instance = known.another(host, cancellation)?;
            return Ok((instance, Self(Some(known))));
        }
        let instance = create(policy)?;
        let shared = Arc::new(Shared {
            module: module.clone(),
            policy: Arc::clone(policy),
            method,
            template: OnceLock::new(),
            is_being_made: AtomicBool::new(false),
        });
        BEGINNINGS.list(module, &shared);
        Ok((instance, Self(Some(shared))))
    }

    /// An instance in place of one that is gone. Runs guest code, unless there is a template.
    ///
    /// # Errors
    /// As [`Instance::create`].
    pub(super) fn instance(
        &self,
        module: &Module,
        policy: &Arc<SecurityPolicy>,
        host: &Arc<HostBinding>,
        cancellation: &Cancellation,
    ) -> Result<Instance> {
        match self.0.as_ref().and_then(|shared| Some((shared, shared.template()?))) {
            Some((shared, template)) => shared.begun(template, host, cancellation),
            None => Instance::create(module, policy, host, cancellation),
        }
    }

    /// The policy of all that are alike: equal to that of each, and there only once.
    pub(super) fn policy(&self) -> Option<&Arc<SecurityPolicy>> {
        self.0.as_ref().map(|shared| &shared.policy)
    }
}

impl Shared {
    fn template(&self) -> Option<&Template> {
        self.template.get()?.as_ref()
    }

    /// The first instance of another sandbox.
    fn another(&self, host: &Arc<HostBinding>, cancellation: &Cancellation) -> Result<Instance> {
        if let Some(template) = self.template() {
            return self.begun(template, host, cancellation);
        }
        // Not waited for by others: it runs guest code.
        let is_mine =
            self.template.get().is_none() && !self.is_being_made.swap(true, Ordering::AcqRel);
        if !is_mine {
            return Instance::create(&self.module, &self.policy, host, cancellation);
        }
        let made = self.make_template(host, cancellation);
        self.is_being_made.store(false, Ordering::Release);
        made
    }

    /// An instance, and the template of all later ones unless there can be none.
    fn make_template(
        &self,
        host: &Arc<HostBinding>,
        cancellation: &Cancellation,
    ) -> Result<Instance> {
        let (module, policy, method) = (&self.module, &self.policy, self.method);
        let users = Users::Sandboxes;
        let (mut instance, template) =
            Template::of_module(module, policy, host, method, users, cancellation)?;
        let template = template.filter(|template| {
            let prepared = template.prepare();
            prepared
                .inspect_err(|error| tracing::warn!(%error, "a memory cannot be mapped"))
                .is_ok()
        });
        if let Some(template) = &template {
            // What it holds itself would be there twice.
            instance.adopt(template)?;
        }
        // Of two that are made one after the other, the first counts.
        let _ = self.template.set(template);
        Ok(instance.for_good())
    }

    /// An instance that begins from the template.
    fn begun(
        &self,
        template: &Template,
        host: &Arc<HostBinding>,
        cancellation: &Cancellation,
    ) -> Result<Instance> {
        let (module, policy) = (&self.module, &self.policy);
        Instance::from_template(module, policy, host, template, cancellation)
            .map(Instance::for_good)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        BEGINNINGS.forget(&self.module);
    }
}

// Elsewhere memories are copied, and nothing is shared.
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
