//! Output of a guest to its standard streams.

mod sink;

pub use sink::{OutputOverflow, OutputSink};
pub(crate) use sink::{Sink, Sinks, StreamName};

/// Output of a guest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Output {
    /// The bytes written to standard output.
    pub stdout: Vec<u8>,
    /// The bytes written to standard error.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Whether nothing was written.
    pub const fn is_empty(&self) -> bool {
        self.stdout.is_empty() && self.stderr.is_empty()
    }

    pub(crate) const fn len(&self) -> u64 {
        (self.stdout.len() + self.stderr.len()) as u64
    }
}
