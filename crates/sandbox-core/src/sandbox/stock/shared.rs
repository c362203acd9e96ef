//! One stock for all sandboxes that are alike.
//!
//! A service may hold many thousands of sandboxes of one module, most of them idle. Alike, they can share the
//! template and the instances that lie ready: a fresh instance is as new, whoever used it before.

use std::sync::Arc;

use super::Stock;
use crate::error::Result;
use crate::host::HostBinding;
use crate::instance::Template;
use crate::module::Module;
use crate::policy::SecurityPolicy;
use crate::sandbox::alike::Alike;
use crate::sys::memory::ResetMethod;
use crate::watchdog::cancellation::Cancellation;

static STOCKS: Alike<Stock> = Alike::new();

impl Stock {
    /// The stock of all sandboxes with that module, policy and method, made if there is none.
    ///
    /// Folders of the host are opened when an instance is made, and the path may mean another folder by then. Host
    /// functions are a sandbox's own. So where there are any, each sandbox has a stock of its own; and also where the
    /// module drew random bytes as it was initialised, which another sandbox's callers are not to know.
    ///
    /// # Errors
    /// As [`Stock::new`].
    pub(in crate::sandbox) fn of(
        module: &Module,
        policy: &Arc<SecurityPolicy>,
        host: &Arc<HostBinding>,
        method: ResetMethod,
        cancellation: &Cancellation,
    ) -> Result<Arc<Self>> {
        if !policy.folders.is_empty() || !host.is_empty() {
            return Self::new(module, policy, host, method, cancellation);
        }
        let known = STOCKS.find(module, |stock| {
            stock.module.is_alike(module) && stock.method == method && stock.policy == *policy
        });
        if let Some(known) = known {
            return Ok(known);
        }
        // Not under the lock: this runs guest code. Of two that are made at once, one serves all later sandboxes.
        let made = Self::new(module, policy, host, method, cancellation)?;
        if !made.template.as_ref().is_some_and(Template::has_secrets) {
            STOCKS.list(module, &made);
        }
        Ok(made)
    }
}

/// Forgets a stock whose last sandbox is gone.
pub(super) fn forget(module: &Module) {
    STOCKS.forget(module);
}
