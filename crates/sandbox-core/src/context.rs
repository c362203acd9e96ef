//! Things that a caller brings along to its calls: a value for host functions, and a sink for output.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::output::{OutputSink, Sinks};

/// A value for host functions: of a sandbox, or of some calls.
#[derive(Clone, Default)]
pub(crate) struct Context(Option<(Arc<dyn Any + Send + Sync>, &'static str)>);

impl Context {
    pub(crate) fn new<T: Any + Send + Sync>(value: T) -> Self {
        Self(Some((Arc::new(value), std::any::type_name::<T>())))
    }

    pub(crate) fn get<T: Any>(&self) -> Option<&T> {
        self.0.as_ref()?.0.downcast_ref()
    }

    pub(crate) fn type_name(&self) -> Option<&'static str> {
        self.0.as_ref().map(|(_, name)| *name)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.type_name().unwrap_or("none"))
    }
}

/// Context value and sink of some calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Brought {
    pub(crate) context: Context,
    pub(crate) output: Option<OutputSink>,
}

impl Brought {
    /// Where the output of the calls goes, if their caller says.
    pub(crate) fn output(&self) -> Option<&Sinks> {
        self.output.as_ref().map(OutputSink::sinks)
    }
}
