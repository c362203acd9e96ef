//! Standard streams that lead to the host's own readers and writers.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use super::errno::Errno;
use crate::threads::{callers_thread, workers};

/// A stream that a guest writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamName {
    Stdout,
    Stderr,
}

/// Treatment of output beyond the limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutputOverflow {
    /// The guest is stopped, and that is an error ([`OutputLimit`](crate::SandboxError::OutputLimit)).
    #[default]
    Stop,
    /// The guest goes on, and what it writes is dropped and counted.
    Discard,
}

/// A reader of the host that a guest reads from. Clones are the same reader.
#[derive(Clone)]
pub(crate) struct Source(Arc<Mutex<dyn Read + Send>>);

/// A writer of the host that a guest writes to. Clones are the same writer.
#[derive(Clone)]
pub(crate) struct Sink(Arc<Mutex<dyn Write + Send>>);

/// Where the output of a guest goes, if it is not captured, and what becomes of too much of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sinks {
    pub(crate) stdout: Option<Sink>,
    pub(crate) stderr: Option<Sink>,
    pub(crate) overflow: OutputOverflow,
}

impl Sinks {
    pub(super) fn of(&self, name: StreamName) -> Option<&Sink> {
        match name {
            StreamName::Stdout => self.stdout.as_ref(),
            StreamName::Stderr => self.stderr.as_ref(),
        }
    }
}

impl Source {
    pub(crate) fn new(reader: impl Read + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(reader)))
    }

    /// Reads what there is, after waiting for it.
    ///
    /// # Errors
    /// Those of the reader, by the numbers that guests know.
    pub(super) fn read(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        let mut reader = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let read = waiting(|| {
            loop {
                match reader.read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => return read,
                }
            }
        });
        Ok(read?.min(buffer.len()))
    }
}

impl Sink {
    pub(crate) fn new(writer: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(writer)))
    }

    /// Writes all of the bytes and flushes, however long the writer takes.
    ///
    /// # Errors
    /// Those of the writer, by the numbers that guests know.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<(), Errno> {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(waiting(|| writer.write_all(bytes).and_then(|()| writer.flush()))?)
    }
}

/// Lets others compute while a guest waits for its host.
fn waiting<T>(wait: impl FnOnce() -> T) -> T {
    callers_thread::while_waiting(|| workers::asleep(wait))
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}
