//! Recipe of instances: what they are made of.

use std::sync::Arc;

use crate::error::CoreDumps;
use crate::host::HostBinding;
use crate::module::Module;
use crate::policy::SecurityPolicy;
use crate::profile::Profiler;
use crate::sys::memory::ResetMethod;

/// All that the instances of one sandbox have in common.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) module: Module,
    pub(crate) policy: Arc<SecurityPolicy>,
    pub(crate) host: Arc<HostBinding>,
    /// Method by which used instances are put back.
    pub(crate) reset: ResetMethod,
    pub(crate) core_dumps: CoreDumps,
    pub(crate) profiler: Option<Profiler>,
}

impl Recipe {
    /// Returns a recipe for guests that do not take turns with those of this one.
    pub(crate) fn detached(&self) -> Self {
        Self { host: self.host.detached(), ..self.clone() }
    }

    /// Whether no guest without folders, network and host functions can tell its instance from one of the other recipe.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        self.module.is_alike(&other.module)
            && self.reset == other.reset
            && self.core_dumps == other.core_dumps
            && self.profiler == other.profiler
            && self.policy == other.policy
    }
}
