//! The contents of a file in memory.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use virtual_fs::{FileType, FsError, Metadata};

use super::super::FsResult;
use super::super::budget::Charge;
use super::super::open_file::{Backing, Times};

/// How much more than needed a file that grows takes at most, so that many small writes copy little.
const SPARE_BYTES: usize = 1 << 20;

/// The time, in nanoseconds since 1970.
pub(super) fn now() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX)
}

/// A file's bytes and times.
#[derive(Debug)]
pub(super) struct Contents {
    state: Mutex<State>,
    node_bytes: u64,
}

#[derive(Debug)]
struct State {
    bytes: Vec<u8>,
    times: Times,
    charge: Charge,
}

impl Contents {
    /// An empty file, whose charge so far is for being there.
    pub(super) fn new(charge: Charge, node_bytes: u64) -> Self {
        let now = now();
        let times = Times { accessed: now, created: now, modified: now };
        Self { state: Mutex::new(State { bytes: Vec::new(), times, charge }), node_bytes }
    }

    pub(super) fn metadata(&self) -> Metadata {
        let state = self.lock();
        let Times { accessed, created, modified } = state.times;
        let len = state.bytes.len() as u64;
        Metadata { ft: FileType::new_file(), accessed, created, modified, len }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Changes the length, within the budget; new bytes are zero.
    fn resize(&mut self, len: usize, node_bytes: u64) -> FsResult<()> {
        if len > self.bytes.capacity() {
            let generous = len.max(self.bytes.len() + self.bytes.len().min(SPARE_BYTES));
            let charged = |bytes: usize| node_bytes.saturating_add(bytes as u64);
            let capacity = match self.charge.resize(charged(generous)) {
                Ok(()) => generous,
                Err(_) => self.charge.resize(charged(len)).map(|()| len)?,
            };
            if self.bytes.try_reserve_exact(capacity - self.bytes.len()).is_err() {
                self.charge.resize(charged(self.bytes.capacity()))?;
                return Err(FsError::StorageFull);
            }
        }
        self.bytes.resize(len, 0);
        if len == 0 {
            self.bytes = Vec::new();
            self.charge.resize(node_bytes)?;
        }
        self.times.modified = now();
        Ok(())
    }
}

impl Backing for Arc<Contents> {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.lock();
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(state.bytes.len());
        let read = buffer.len().min(state.bytes.len() - from);
        buffer[..read].copy_from_slice(&state.bytes[from..from + read]);
        Ok(read)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let mut state = self.lock();
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let from = usize::try_from(offset).map_err(|_| full())?;
        let end = from.checked_add(bytes.len()).ok_or_else(full)?;
        if end > state.bytes.len() {
            state.resize(end, self.node_bytes).map_err(|_| full())?;
        }
        state.bytes[from..end].copy_from_slice(bytes);
        state.times.modified = now();
        Ok(bytes.len())
    }

    fn size(&self) -> u64 {
        self.lock().bytes.len() as u64
    }

    fn set_len(&mut self, len: u64) -> FsResult<()> {
        let len = usize::try_from(len).map_err(|_| FsError::StorageFull)?;
        self.lock().resize(len, self.node_bytes)
    }

    fn times(&self) -> Times {
        self.lock().times
    }

    fn set_times(&mut self, accessed: Option<u64>, modified: Option<u64>) -> FsResult<()> {
        let mut state = self.lock();
        state.times.accessed = accessed.unwrap_or(state.times.accessed);
        state.times.modified = modified.unwrap_or(state.times.modified);
        Ok(())
    }
}
