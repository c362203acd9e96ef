//! A memory that maps its image copy-on-write.

use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};

use wasmer::sys::vm::{
    LinearMemory, MemoryError, MemoryStyle, Trap, VMMemoryDefinition, initialize_memory_with_data,
};
use wasmer::{MemoryType, Pages};

use super::written::{self, Found};
use super::{Contents, Effort, Image, NotRestored, ResetMethod, Writes, lock, page_bytes};
use crate::policy::PAGE_BYTES;

/// The address space of one memory: what native code relies on. It checks no bounds, so all that a 32-bit address and
/// a 32-bit offset can reach has to be ours, and to be inaccessible where there is no memory.
#[expect(clippy::cast_possible_truncation, reason = "no 32-bit system has room for such a memory")]
const RESERVED_BYTES: usize = {
    let guard = MemoryStyle::static_offset_guard_size();
    (MemoryStyle::static_bound().0 as u64 * PAGE_BYTES + guard) as usize
};

/// The most private pages that are kept. With more, or after [`RELEARN_AFTER`] resets, they are dropped, and come
/// back by page faults as they are written: copying a page back costs less than the fault, but only for pages
/// that the next call writes to as well.
const MOST_KEPT_PAGES: usize = 128;
/// As many private pages as are kept for good.
const FEW_PAGES: usize = 16;
/// Taking down so much grown memory is about as quick as a short call.
const QUICK_BYTES: usize = 1024 * 1024;
/// After how many resets it is learned anew which pages calls write to.
const RELEARN_AFTER: u32 = 512;

/// The memory of one instance.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    definition: NonNull<VMMemoryDefinition>,
    method: ResetMethod,
    /// Image that is mapped at the beginning, copy-on-write.
    image: Option<Arc<Image>>,
    /// Offsets of pages of the image of which the instance has its own. All of them, except for those that
    /// were written since.
    kept: Vec<Range<usize>>,
    resets: u32,
}

// SAFETY: the mapping belongs to the value alone. The definition lies in the store that owns the memory, and is only
// used by its LinearMemory, or while no guest runs, by who owns the store.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Reserves the address space, and makes the first pages accessible.
    ///
    /// # Safety
    /// `definition` is valid as long as the memory is used, and nobody else writes to it.
    unsafe fn new(
        minimum: Pages,
        method: ResetMethod,
        definition: NonNull<VMMemoryDefinition>,
    ) -> io::Result<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
        let start = unsafe {
            libc::mmap(std::ptr::null_mut(), RESERVED_BYTES, libc::PROT_NONE, flags, -1, 0)
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let mut mapping =
            Self { start, definition, method, image: None, kept: Vec::new(), resets: 0 };
        mapping.set_len(0);
        mapping.make_accessible(0..bytes_of(minimum))?;
        mapping.set_len(bytes_of(minimum));
        Ok(mapping)
    }

    fn len(&self) -> usize {
        // SAFETY: whoever made this said that the definition is valid.
        unsafe { self.definition.as_ref().current_length }
    }

    fn set_len(&mut self, len: usize) {
        let base = self.start.as_ptr();
        // SAFETY: as above, and nobody else writes to it.
        unsafe { self.definition.write(VMMemoryDefinition { base, current_length: len }) };
    }

    /// The address of an offset that is at most the reservation's length.
    fn address(&self, offset: usize) -> *mut libc::c_void {
        debug_assert!(offset <= RESERVED_BYTES);
        self.start.as_ptr().wrapping_add(offset).cast()
    }

    fn make_accessible(&self, range: Range<usize>) -> io::Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the range lies in our reservation; more rights take nothing away from anybody.
        let status = unsafe { libc::mprotect(self.address(range.start), range.len(), protection) };
        if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Maps over a part of the reservation.
    fn map_over(
        &self,
        range: Range<usize>,
        protection: libc::c_int,
        flags: libc::c_int,
        file: libc::c_int,
    ) -> io::Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let flags = libc::MAP_PRIVATE | libc::MAP_FIXED | libc::MAP_NORESERVE | flags;
        // SAFETY: the range lies in our reservation. Its contents go; they are the guest's, which does not run.
        let mapped = unsafe {
            libc::mmap(self.address(range.start), range.len(), protection, flags, file, 0)
        };
        if mapped == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Gives a part back to the system and leaves its address space reserved.
    fn give_back(&self, range: Range<usize>) -> io::Result<()> {
        self.map_over(range, libc::PROT_NONE, libc::MAP_ANONYMOUS, -1)
    }

    pub(super) fn snapshot(&mut self) -> io::Result<Arc<Image>> {
        // SAFETY: so many bytes are accessible, and whoever calls this says that no guest runs.
        let contents = unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len()) };
        if let Some(written) = self.written()? {
            // What this memory holds it holds already, and need not be shown by an image.
            return Ok(Arc::new(Image::sealed_later(contents, &written)));
        }
        let image = Arc::new(Image::sealed(contents)?);
        self.adopt(&image)?;
        Ok(image)
    }

    /// Makes an image of what the memory holds, and goes on with what it has.
    pub(super) fn capture(&self) -> io::Result<Arc<Image>> {
        // SAFETY: so many bytes are accessible, and whoever calls this says that no guest runs.
        let contents = unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len()) };
        Ok(Arc::new(Image::of(contents)?))
    }

    /// Where something other than zeros may be in a memory without an image, if the kernel tells: to look at the
    /// other pages would cost a page fault for each.
    fn written(&self) -> io::Result<Option<Vec<Range<usize>>>> {
        if self.method != ResetMethod::Written || self.image.is_some() {
            return Ok(None);
        }
        let start = self.start.as_ptr().addr();
        let mut found = Vec::new();
        let all = written::private_pages(start..start + self.len(), usize::MAX - 1, &mut found)?;
        let offsets = found.into_iter().map(|pages| pages.start - start..pages.end - start);
        Ok((all == Found::All).then(|| offsets.collect()))
    }

    pub(super) fn adopt(&mut self, image: &Arc<Image>) -> io::Result<()> {
        let file = image.file()?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        self.give_back(image.len()..self.len().max(image.len()))?;
        self.map_over(0..image.len(), protection, 0, file.as_raw_fd())?;
        self.image = Some(Arc::clone(image));
        self.kept.clear();
        self.set_len(image.len());
        Ok(())
    }

    /// Undoes the writes and the growth since the image was adopted.
    pub(super) fn restore(
        &mut self,
        image: &Arc<Image>,
        writes: Writes,
        effort: Effort,
    ) -> Result<(), NotRestored> {
        if !self.image.as_ref().is_some_and(|own| Arc::ptr_eq(own, image)) {
            if effort == Effort::Quick && !image.is_made() {
                return Err(NotRestored::TakesLong);
            }
            return Ok(self.adopt(image)?);
        }
        let len = self.len();
        if len > image.len() {
            if effort == Effort::Quick && len - image.len() > QUICK_BYTES {
                return Err(NotRestored::TakesLong);
            }
            self.give_back(image.len()..len)?;
            self.set_len(image.len());
        }
        match (writes, self.method) {
            (Writes::None, _) => {}
            (Writes::KnownPages, ResetMethod::Written) => self.copy_kept_back()?,
            (Writes::AnyPage, ResetMethod::Written) => self.copy_written_back(effort)?,
            (_, ResetMethod::Discard | ResetMethod::Copy) => self.drop_private_pages()?,
        }
        Ok(())
    }

    fn copy_written_back(&mut self, effort: Effort) -> Result<(), NotRestored> {
        self.kept.clear();
        let start = self.start.as_ptr().addr();
        let all = start..start + self.image_len();
        match written::private_pages(all, MOST_KEPT_PAGES, &mut self.kept)? {
            Found::All => {}
            // What was found so far is of no use.
            Found::TooMany => {
                self.kept.clear();
                return match effort {
                    Effort::Quick => Err(NotRestored::TakesLong),
                    Effort::Thorough => Ok(self.drop_private_pages()?),
                };
            }
        }
        for pages in &mut self.kept {
            *pages = pages.start - start..pages.end - start;
        }
        Ok(self.copy_kept_back()?)
    }

    fn copy_kept_back(&mut self) -> io::Result<()> {
        self.resets += 1;
        if self.resets >= RELEARN_AFTER {
            self.resets = 0;
            if self.kept.iter().map(Range::len).sum::<usize>() > FEW_PAGES * page_bytes() {
                return self.drop_private_pages();
            }
        }
        let Some(image) = &self.image else { return Ok(()) };
        for pages in &self.kept {
            // SAFETY: the pages lie within the image's length, which is accessible, and no guest runs.
            let target = unsafe {
                let first = self.start.as_ptr().add(pages.start);
                std::slice::from_raw_parts_mut(first, pages.len())
            };
            image.copy_to(pages.start, target);
        }
        Ok(())
    }

    /// The image shows through where the pages were.
    fn drop_private_pages(&mut self) -> io::Result<()> {
        self.kept.clear();
        let len = self.image_len();
        if len == 0 {
            return Ok(());
        }
        // SAFETY: the range is the part of our reservation that maps the image, and no guest runs.
        let status = unsafe { libc::madvise(self.address(0), len, libc::MADV_DONTNEED) };
        if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    fn image_len(&self) -> usize {
        self.image.as_ref().map_or(0, |image| image.len())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the reservation is ours. The instance that used it is gone, or never runs again: this is dropped
        // with its store.
        unsafe { libc::munmap(self.start.as_ptr().cast(), RESERVED_BYTES) };
    }
}

fn bytes_of(pages: Pages) -> usize {
    pages.bytes().0
}

/// Memory as Wasmer sees it.
#[derive(Debug)]
pub(crate) struct MappedMemory {
    ty: MemoryType,
    definition: NonNull<VMMemoryDefinition>,
    contents: Contents,
    mapping: Arc<Mutex<Mapping>>,
}

// SAFETY: the definition is only handed on, to who uses it as it uses that of any other memory.
unsafe impl Send for MappedMemory {}
// SAFETY: as above.
unsafe impl Sync for MappedMemory {}

impl MappedMemory {
    /// A memory of that type, empty of anything but zeros.
    ///
    /// # Safety
    /// `definition` is valid as long as the memory is used, and nobody else writes to it.
    pub(in crate::sys) unsafe fn new(
        ty: MemoryType,
        method: ResetMethod,
        contents: Contents,
        definition: NonNull<VMMemoryDefinition>,
    ) -> Result<Self, MemoryError> {
        // SAFETY: the same contract.
        let mapping = unsafe { Mapping::new(ty.minimum, method, definition) };
        let mapping = mapping.map_err(|error| MemoryError::Region(error.to_string()))?;
        Ok(Self { ty, definition, contents, mapping: Arc::new(Mutex::new(mapping)) })
    }

    /// Mapping that its instance's owner needs to put it back.
    pub(in crate::sys) fn mapping(&self) -> &Arc<Mutex<Mapping>> {
        &self.mapping
    }
}

/// Has the kernel give pages at once that are written to next, where that is worth a system call: one by one, each costs a
/// page fault. What it does not give comes that way.
pub(super) fn populate(addresses: Range<usize>) {
    /// Number of pages whose faults take about as long as the call.
    const FEW: usize = 2;
    let page = page_bytes();
    let pages = addresses.start / page * page..addresses.end.next_multiple_of(page);
    if pages.len() <= FEW * page {
        return;
    }
    let start = std::ptr::without_provenance_mut(pages.start);
    // SAFETY: pages that are there stay what they are, whosever they are, and where none can be this is an error.
    unsafe { libc::madvise(start, pages.len(), libc::MADV_POPULATE_WRITE) };
}

/// Whether the page at that address is there, so that it can be read without a page fault.
pub(super) fn is_there(address: usize) -> bool {
    let page = page_bytes();
    let start = std::ptr::without_provenance_mut(address / page * page);
    let mut residence = 0u8;
    // SAFETY: nothing is done to the page, and its one byte is written to a variable.
    let status = unsafe { libc::mincore(start, page, &raw mut residence) };
    status == 0 && residence & 1 == 1
}

impl LinearMemory for MappedMemory {
    fn ty(&self) -> MemoryType {
        MemoryType { minimum: self.size(), ..self.ty }
    }

    fn size(&self) -> Pages {
        let pages = lock(&self.mapping).len() as u64 / PAGE_BYTES;
        Pages(u32::try_from(pages).unwrap_or(u32::MAX))
    }

    fn style(&self) -> MemoryStyle {
        MemoryStyle::Static
    }

    fn grow(&mut self, delta: Pages) -> Result<Pages, MemoryError> {
        let current = self.size();
        let refused = MemoryError::CouldNotGrow { current, attempted_delta: delta };
        let most = self.ty.maximum.unwrap_or(Pages::max_value()).min(Pages::max_value());
        let Some(wanted) = current.checked_add(delta).filter(|wanted| *wanted <= most) else {
            return Err(refused);
        };
        let mut mapping = lock(&self.mapping);
        mapping
            .make_accessible(bytes_of(current)..bytes_of(wanted))
            .map_err(|error| MemoryError::Region(error.to_string()))?;
        mapping.set_len(bytes_of(wanted));
        Ok(current)
    }

    fn grow_at_least(&mut self, min_size: u64) -> Result<(), MemoryError> {
        let missing = min_size.saturating_sub(self.size().bytes().0 as u64).div_ceil(PAGE_BYTES);
        self.grow(Pages(u32::try_from(missing).unwrap_or(u32::MAX))).map(drop)
    }

    fn vmmemory(&self) -> NonNull<VMMemoryDefinition> {
        self.definition
    }

    unsafe fn initialize_with_data(&self, start: usize, data: &[u8]) -> Result<(), Trap> {
        // Later it is an instruction of the guest that copies a passive segment.
        let mapping = lock(&self.mapping);
        if mapping.image.is_none() {
            if self.contents == Contents::Replaced {
                return Ok(());
            }
            let end = start.saturating_add(data.len()).min(mapping.len());
            let first = mapping.start.as_ptr().addr();
            populate(first + start.min(end)..first + end);
        }
        drop(mapping);
        // SAFETY: the contract is that of this function, and the definition is this memory's own.
        unsafe { initialize_memory_with_data(self.definition.as_ref(), start, data) }
    }

    fn try_clone(&self) -> Result<Box<dyn LinearMemory + Send + Sync + 'static>, MemoryError> {
        Err(MemoryError::MemoryNotShared)
    }

    fn copy(&self) -> Result<Box<dyn LinearMemory + Send + Sync + 'static>, MemoryError> {
        Err(MemoryError::MemoryNotShared)
    }
}
