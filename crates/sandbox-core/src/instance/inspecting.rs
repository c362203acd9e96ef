//! An instance from outside, between its calls: its memory and its files.

use super::Instance;
use crate::error::{GuestMemoryError, checked_range};
use crate::sys::faults;
use crate::sys::memory::Writes;
use crate::wasi::GuestFiles;

impl Instance {
    /// The guest's linear memory, whole; empty if it has none.
    pub(crate) fn memory(&self) -> &[u8] {
        self.guest.memory()
    }

    /// Writes to the guest's linear memory, all of the bytes or none.
    ///
    /// # Errors
    /// [`GuestMemoryError::OutOfBounds`].
    pub(crate) fn write_memory(
        &mut self,
        start: u32,
        bytes: &[u8],
    ) -> Result<(), GuestMemoryError> {
        // No memory holds more than a `u32` counts, so a longer slice fits none.
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let range = checked_range(self.guest.memory().len(), start, len)?;
        let before = std::mem::replace(&mut self.writes, Writes::AnyPage);
        let faults = faults::watch();
        self.guest.memory_mut()[range].copy_from_slice(bytes);
        if self.is_reset && before < Writes::AnyPage && faults.none_since() {
            self.writes = Writes::KnownPages;
        }
        Ok(())
    }

    /// Bytes that the guest wrote beyond the limit of its output.
    pub(crate) fn output_beyond_limit(&self) -> u64 {
        self.output.beyond_limit()
    }

    /// The files that the guest sees; nothing if it imports no WASI.
    pub(crate) fn files(&mut self) -> Option<GuestFiles> {
        let wasi = self.wasi.as_ref()?;
        Some(wasi.files(self.guest.store()))
    }
}
