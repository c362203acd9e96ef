//! Things that a caller brings along to its calls.

use crate::context::Context;
use crate::output::{OutputSink, Sinks};

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
