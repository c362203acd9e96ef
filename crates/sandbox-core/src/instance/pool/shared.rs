//! One pool for all sandboxes that are alike.
//!
//! A service may hold many thousands of sandboxes of one module, most of them idle. Those that are alike can share the
//! template and the instances that lie ready: a fresh instance is as new, whoever used it before.

use std::sync::Arc;

use super::InstancePool;
use crate::error::Result;
use crate::instance::sharing::SharedByModule;
use crate::instance::{Recipe, Template};
use crate::module::Module;
use crate::watchdog::cancellation::Cancellation;

static POOLS: SharedByModule<InstancePool> = SharedByModule::new();

impl InstancePool {
    /// The pool of all sandboxes with that module, policy and method, made if there is none.
    ///
    /// Folders of the host are opened when an instance is made, and the path may mean another folder by then. Host
    /// functions are a sandbox's own. So where there are any, each sandbox has a pool of its own; and also where the
    /// module drew random bytes as it was initialised, which another sandbox's callers are not to know.
    ///
    /// # Errors
    /// As [`InstancePool::new`].
    pub(crate) fn of(recipe: &Recipe, cancellation: &Cancellation) -> Result<Arc<Self>> {
        if !recipe.policy.folders.is_empty() || !recipe.host.is_empty() {
            return Self::new(recipe, cancellation);
        }
        let known = POOLS.find(&recipe.module, |pool| pool.recipe.is_alike(recipe));
        if let Some(known) = known {
            return Ok(known);
        }
        // Not under the lock: this runs guest code. Of two that are made at once, one serves all later sandboxes.
        let made = Self::new(recipe, cancellation)?;
        if !made.template.as_ref().is_some_and(Template::has_secrets) {
            POOLS.list(&recipe.module, &made);
        }
        Ok(made)
    }
}

/// Forgets a pool whose last sandbox is gone.
pub(super) fn forget(module: &Module) {
    POOLS.forget(module);
}
