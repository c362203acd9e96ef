//! One stock for all sandboxes that are alike.
//!
//! A service may hold many thousands of sandboxes of one module, most of them idle. Alike, they can share the
//! template and the instances that lie ready: a fresh instance is as new, whoever used it before.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use super::Stock;
use crate::call::cancellation::Cancellation;
use crate::error::Result;
use crate::host::HostBinding;
use crate::instance::Template;
use crate::module::Module;
use crate::policy::SecurityPolicy;
use crate::sys::memory::ResetMethod;

/// By the address of the module. A stock keeps its module, so while it lives no other module has that address.
type Stocks = HashMap<usize, Vec<Weak<Stock>>>;

static STOCKS: LazyLock<Mutex<Stocks>> = LazyLock::new(Mutex::default);

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
        policy: &SecurityPolicy,
        host: &Arc<HostBinding>,
        method: ResetMethod,
        cancellation: &Cancellation,
    ) -> Result<Arc<Self>> {
        if !policy.folders.is_empty() || !host.is_empty() {
            return Self::new(module, policy, host, method, cancellation);
        }
        if let Some(known) = find(module, policy, method) {
            return Ok(known);
        }
        // Not under the lock: this runs guest code. Of two that are made at once, one serves all later sandboxes.
        let made = Self::new(module, policy, host, method, cancellation)?;
        if made.template.as_ref().is_some_and(Template::has_secrets) {
            return Ok(made);
        }
        let mut stocks = STOCKS.lock().unwrap_or_else(PoisonError::into_inner);
        let alike = stocks.entry(module.address()).or_default();
        alike.retain(|stock| stock.strong_count() > 0);
        alike.push(Arc::downgrade(&made));
        Ok(made)
    }
}

fn find(module: &Module, policy: &SecurityPolicy, method: ResetMethod) -> Option<Arc<Stock>> {
    // Collected, since one of them may turn out to be the last handle to its stock, whose end takes the lock.
    let alike: Vec<Arc<Stock>> = {
        let stocks = STOCKS.lock().unwrap_or_else(PoisonError::into_inner);
        stocks.get(&module.address())?.iter().filter_map(Weak::upgrade).collect()
    };
    alike.into_iter().find(|stock| {
        stock.module.is_alike(module) && stock.method == method && stock.policy == *policy
    })
}

/// Forgets a stock whose last sandbox is gone.
pub(super) fn forget(module: &Module) {
    let mut stocks = STOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(alike) = stocks.get_mut(&module.address()) {
        alike.retain(|stock| stock.strong_count() > 0);
        if alike.is_empty() {
            stocks.remove(&module.address());
        }
    }
}
