//! Where persistent instances begin.
//!
//! A service may hold many thousands of sandboxes of one module that live on from call to call. Each could be
//! initialised for itself, and then has a copy of all that initialisation wrote. But where that is the same for all, one
//! is saved as a template, and the others begin as what it was: they map its memory copy-on-write, and have of
//! their own what their calls write. The first sandbox of a kind is initialised, because there may never be a second; with
//! the second the template is made.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::sharing::SharedByModule;
use super::{Instance, Recipe, Template, Users};
use crate::error::Result;

use crate::module::Module;
use crate::policy::SecurityPolicy;
use crate::sys::memory::ResetMethod;
use crate::watchdog::cancellation::Cancellation;

static TEMPLATES: SharedByModule<Shared> = SharedByModule::new();

/// Where the instances of one sandbox begin.
pub(crate) struct SharedTemplate(Option<Arc<Shared>>);

/// State that alike sandboxes have in common. Of what instances are made of only host functions and open folders differ.
struct Shared {
    module: Module,
    policy: Arc<SecurityPolicy>,
    reset: ResetMethod,
    /// Template of the instances. It holds `None` where each instance has to be initialised for itself.
    template: OnceLock<Option<Template>>,
    is_being_made: AtomicBool,
}

impl SharedTemplate {
    /// The first instance of a sandbox, and where others will begin. Runs guest code.
    ///
    /// Sockets are an instance's own, so where there may be any, nothing is shared. Folders of the host and host functions may
    /// tell each guest something else: there is a template only if initialisation asked neither.
    ///
    /// # Errors
    /// As [`Instance::create`].
    pub(crate) fn of(recipe: &Recipe, cancellation: &Cancellation) -> Result<(Instance, Self)> {
        let Recipe { module, policy, reset, .. } = recipe;
        if !policy.network.is_empty() || *reset == ResetMethod::Copy {
            return Ok((Instance::create(recipe, cancellation)?, Self(None)));
        }
        if let Some(known) = TEMPLATES.find(module, |known| known.is_for(recipe)) {
            let instance = known.another(&known.recipe_of(recipe), cancellation)?;
            return Ok((instance, Self(Some(known))));
        }
        let instance = Instance::create(recipe, cancellation)?;
        let shared = Arc::new(Shared {
            module: module.clone(),
            policy: Arc::clone(policy),
            reset: *reset,
            template: OnceLock::new(),
            is_being_made: AtomicBool::new(false),
        });
        TEMPLATES.list(module, &shared);
        Ok((instance, Self(Some(shared))))
    }

    /// The first instance of a sandbox that begins from a snapshot, and where others will begin. Runs no guest code.
    ///
    /// # Errors
    /// As [`Instance::create`].
    pub(crate) fn of_snapshot(
        recipe: &Recipe,
        template: &Template,
        cancellation: &Cancellation,
    ) -> Result<(Instance, Self)> {
        let Recipe { module, policy, reset, .. } = recipe.clone();
        let template = OnceLock::from(Some(template.with_method(reset)));
        // Not listed: others of its kind begin where their module does.
        let is_being_made = AtomicBool::new(false);
        let shared = Arc::new(Shared { module, policy, reset, template, is_being_made });
        let own = Self(Some(shared));
        Ok((own.instance(recipe, cancellation)?, own))
    }

    /// An instance in place of one that is gone. Runs guest code, unless there is a template.
    ///
    /// # Errors
    /// As [`Instance::create`].
    pub(crate) fn instance(
        &self,
        recipe: &Recipe,
        cancellation: &Cancellation,
    ) -> Result<Instance> {
        match self.0.as_ref().and_then(|shared| Some((shared, shared.template()?))) {
            Some((shared, template)) => begun(&shared.recipe_of(recipe), template, cancellation),
            None => Instance::create(recipe, cancellation),
        }
    }

    /// The policy of all that are alike: equal to that of each, and there only once.
    pub(crate) fn policy(&self) -> Option<&Arc<SecurityPolicy>> {
        self.0.as_ref().map(|shared| &shared.policy)
    }
}

impl Shared {
    fn template(&self) -> Option<&Template> {
        self.template.get()?.as_ref()
    }

    /// Whether no guest can tell by its own code and policy which of the two its instance is made of.
    fn is_for(&self, recipe: &Recipe) -> bool {
        self.module.is_alike(&recipe.module)
            && self.reset == recipe.reset
            && self.policy == recipe.policy
    }

    /// The recipe of a sandbox, with the module and the policy that all have in common.
    fn recipe_of(&self, recipe: &Recipe) -> Recipe {
        let (module, policy) = (self.module.clone(), Arc::clone(&self.policy));
        Recipe { module, policy, ..recipe.clone() }
    }

    /// The first instance of another sandbox.
    fn another(&self, recipe: &Recipe, cancellation: &Cancellation) -> Result<Instance> {
        if let Some(template) = self.template() {
            return begun(recipe, template, cancellation);
        }
        // Not waited for by others: it runs guest code.
        let is_mine =
            self.template.get().is_none() && !self.is_being_made.swap(true, Ordering::AcqRel);
        if !is_mine {
            return Instance::create(recipe, cancellation);
        }
        let made = self.make_template(recipe, cancellation);
        self.is_being_made.store(false, Ordering::Release);
        made
    }

    /// An instance, and the template of all later ones unless there can be none.
    fn make_template(&self, recipe: &Recipe, cancellation: &Cancellation) -> Result<Instance> {
        let (mut instance, template) = Template::of_module(recipe, Users::Sandboxes, cancellation)?;
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
}

/// An instance that begins from the template.
fn begun(recipe: &Recipe, template: &Template, cancellation: &Cancellation) -> Result<Instance> {
    Instance::from_template(recipe, template, cancellation).map(Instance::for_good)
}

impl Drop for Shared {
    fn drop(&mut self) {
        TEMPLATES.forget(&self.module);
    }
}

// Elsewhere memories are copied, and nothing is shared.
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
