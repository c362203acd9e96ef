//! Standard input from a reader of the host's own.

use std::fmt;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use super::errno::Errno;
use crate::threads::{callers_thread, workers};

/// A reader of the host that a guest reads from. Clones are the same reader.
#[derive(Clone)]
pub(crate) struct Source(Arc<Mutex<dyn Read + Send>>);

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

/// Lets others compute while a guest waits for its host.
pub(super) fn waiting<T>(wait: impl FnOnce() -> T) -> T {
    callers_thread::while_waiting(|| workers::asleep(wait))
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}
