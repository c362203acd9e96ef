//! Linear memories that can be put back to what they were.
//!
//! A memory that is reset in place begins as an [`Image`]: what a memory held when its module had been
//! initialised. On Linux the image is a sealed file in memory, and each instance maps it copy-on-write, so
//! a page exists twice only after a guest wrote to it. A reset copies exactly those pages back and gives those
//! beyond the image's end back to the system.
//!
//! Which pages were written only the kernel knows. Asking costs a walk through the page tables, so it is asked
//! no more often than needed: a page that was written once stays private to its instance, and its later
//! writes cause no page fault. So if a whole call caused none, it wrote to no page that was not known before
//! ([`crate::sys::faults`]).
//!
//! Where the kernel does not tell, all private pages are dropped and come back by page faults. Where there is no
//! such kernel, or it has no files in memory, the whole image is copied.
#![expect(unsafe_code, reason = "maps memory, and reads and writes it by its address")]

mod image;
#[cfg(target_os = "linux")]
mod mapping;
#[cfg(target_os = "linux")]
mod written;

use std::io;
use std::ptr::NonNull;
use std::sync::Arc;
#[cfg(target_os = "linux")]
use std::sync::{Mutex, PoisonError};

use wasmer::sys::vm::VMMemoryDefinition;

pub(crate) use image::{Image, PART_BYTES};
#[cfg(target_os = "linux")]
pub(crate) use mapping::MappedMemory;
#[cfg(target_os = "linux")]
use mapping::Mapping;

/// Method by which a memory is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ResetMethod {
    /// The written pages are copied back.
    #[cfg(target_os = "linux")]
    Written,
    /// All private pages are dropped.
    #[cfg(target_os = "linux")]
    Discard,
    /// The whole image is copied.
    Copy,
}

impl ResetMethod {
    /// The quickest that this system can do.
    pub(crate) fn quickest() -> Self {
        #[cfg(target_os = "linux")]
        if written::is_supported() {
            return Self::Written;
        }
        Self::discard()
    }

    /// Dropping private pages, where the system can do that.
    pub(crate) fn discard() -> Self {
        #[cfg(target_os = "linux")]
        if image::can_be_mapped() {
            return Self::Discard;
        }
        Self::Copy
    }
}

/// Contents of a memory when its instance is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents {
    /// The data of its module.
    OfModule,
    /// No contents that count: it adopts an image before the guest runs. To write the module's data first would cost
    /// a page fault for each page of it, and page tables that stay.
    Replaced,
}

/// Knowledge of a guest's writes since its memory was last put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Writes {
    /// There were none.
    None,
    /// They hit only pages that had been written before.
    KnownPages,
    /// They may have hit any page.
    AnyPage,
}

/// A memory of one instance, as its owner sees it: whoever holds this exclusively, while no guest runs, may read
/// and write the memory.
#[derive(Debug)]
pub(crate) enum RestorableMemory {
    #[cfg(target_os = "linux")]
    Mapped(Arc<Mutex<Mapping>>),
    /// A memory of Wasmer's. It never moves, and `definition` is valid as long as its store.
    Plain { definition: NonNull<VMMemoryDefinition> },
}

/// Time that there is to put something back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// About as much as a short call takes: somebody waits.
    Quick,
    /// As much as it takes.
    Thorough,
}

/// Why something was not put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotRestored {
    /// It takes longer than there is time. May be tried again, with more of it.
    TakesLong,
    /// It cannot be done, so the instance has to go.
    Impossible,
}

impl From<io::Error> for NotRestored {
    fn from(_: io::Error) -> Self {
        Self::Impossible
    }
}

/// Contents of a plain memory.
///
/// # Safety
/// No guest runs in the instance, and its store lives, with the definition and its memory, for as long as the contents are used.
unsafe fn held<'s>(definition: NonNull<VMMemoryDefinition>) -> &'s [u8] {
    // SAFETY: the same contract.
    unsafe {
        let VMMemoryDefinition { base, current_length } = *definition.as_ref();
        std::slice::from_raw_parts(base, current_length)
    }
}

impl RestorableMemory {
    /// Makes an image of what the memory holds, and shows it to the memory as its own.
    ///
    /// # Safety
    /// No guest runs in the instance, and its store lives.
    pub(super) unsafe fn snapshot(&mut self) -> io::Result<Arc<Image>> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Mapped(mapping) => lock(mapping).snapshot(),
            Self::Plain { definition } => {
                // SAFETY: the caller says that no guest runs and that the store lives.
                let contents = unsafe { held(*definition) };
                Ok(Arc::new(Image::in_memory(contents)))
            }
        }
    }

    /// Makes an image of what the memory holds, and leaves the memory as it is.
    ///
    /// # Safety
    /// As [`Self::snapshot`].
    pub(super) unsafe fn capture(&self) -> io::Result<Arc<Image>> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Mapped(mapping) => lock(mapping).capture(),
            Self::Plain { definition } => {
                // SAFETY: the caller says that no guest runs and that the store lives.
                let contents = unsafe { held(*definition) };
                Ok(Arc::new(Image::of(contents)?))
            }
        }
    }

    /// Gives the memory the contents and the size of an image, whatever it held.
    ///
    /// # Safety
    /// As [`Self::snapshot`].
    pub(super) unsafe fn adopt(&mut self, image: &Arc<Image>) -> Result<(), NotRestored> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Mapped(mapping) => Ok(lock(mapping).adopt(image)?),
            // SAFETY: the same contract.
            Self::Plain { .. } => unsafe { self.restore(image, Writes::AnyPage, Effort::Thorough) },
        }
    }

    /// Undoes the writes and the growth since the image was adopted.
    ///
    /// # Safety
    /// As [`Self::snapshot`].
    pub(super) unsafe fn restore(
        &mut self,
        image: &Arc<Image>,
        writes: Writes,
        effort: Effort,
    ) -> Result<(), NotRestored> {
        /// Copying this much takes about as long as handing the work to another thread.
        const QUICK_COPY_BYTES: usize = 256 * 1024;
        match self {
            #[cfg(target_os = "linux")]
            Self::Mapped(mapping) => lock(mapping).restore(image, writes, effort),
            Self::Plain { definition } => {
                // SAFETY: the caller says that the store lives, and with it the definition.
                let VMMemoryDefinition { base, current_length } = unsafe { *definition.as_ref() };
                // Wasmer's memories do not shrink: what lies beyond would stay readable.
                if current_length != image.len() {
                    return Err(NotRestored::Impossible);
                }
                if writes == Writes::None {
                    return Ok(());
                }
                if effort == Effort::Quick && image.len() > QUICK_COPY_BYTES {
                    return Err(NotRestored::TakesLong);
                }
                // SAFETY: the memory has `current_length` bytes, and nobody else uses it now.
                let memory = unsafe { std::slice::from_raw_parts_mut(base, current_length) };
                image.copy_to(0, memory);
                Ok(())
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn lock(mapping: &Mutex<Mapping>) -> std::sync::MutexGuard<'_, Mapping> {
    mapping.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An empty buffer with room for so many bytes, which are written next.
///
/// # Errors
/// When there is not so much memory.
pub(crate) fn buffer_for(len: usize) -> io::Result<Vec<u8>> {
    let mut buffer: Vec<u8> = Vec::new();
    buffer.try_reserve_exact(len)?;
    #[cfg(target_os = "linux")]
    if len > PART_BYTES {
        let start = buffer.as_ptr().addr();
        // Memory that was a buffer before has its pages.
        if !mapping::is_there(start + len / 2) {
            mapping::populate(start..start + len);
        }
    }
    Ok(buffer)
}

/// The size of a page of the system, in bytes.
#[cfg(target_os = "linux")]
pub(in crate::sys) fn page_bytes() -> usize {
    static PAGE: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    // SAFETY: the call has no preconditions.
    *PAGE.get_or_init(|| {
        usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_has_the_room_that_was_asked_for_whatever_its_pages_are() {
        for len in [0, 1, 4096, 1 << 20] {
            let mut buffer = buffer_for(len).unwrap();
            assert!(buffer.is_empty() && buffer.capacity() >= len);
            buffer.resize(len, 7);
            assert!(buffer.iter().all(|byte| *byte == 7));
        }
        assert_eq!(buffer_for(usize::MAX).unwrap_err().kind(), io::ErrorKind::OutOfMemory);
    }
}
