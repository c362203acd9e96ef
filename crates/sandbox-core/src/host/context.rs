//! A value of the host that its functions can look at.

use std::any::Any;
use std::sync::Arc;

/// The value that a sandbox gives to its host functions.
#[derive(Clone, Default)]
pub(crate) struct Context(Option<(Arc<dyn Any + Send + Sync>, &'static str)>);

impl Context {
    pub(crate) fn new<T: Any + Send + Sync>(value: T) -> Self {
        Self(Some((Arc::new(value), std::any::type_name::<T>())))
    }

    pub(super) fn get<T: Any>(&self) -> Option<&T> {
        self.0.as_ref()?.0.downcast_ref()
    }

    pub(super) fn type_name(&self) -> Option<&'static str> {
        self.0.as_ref().map(|(_, name)| *name)
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.type_name().unwrap_or("none"))
    }
}
