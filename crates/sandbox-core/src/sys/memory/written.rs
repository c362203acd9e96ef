//! Asks the kernel which pages of a private mapping a process has of its own.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::OnceLock;

use super::page_bytes;

/// Whether all pages were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    All,
    TooMany,
}

/// The kernel's `struct page_region`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Region {
    start: u64,
    end: u64,
    categories: u64,
}

/// The kernel's `struct pm_scan_arg`.
#[repr(C)]
#[derive(Default)]
struct ScanArgument {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// Categories of pages.
const OF_FILE: u64 = 1 << 2;
const PRESENT: u64 = 1 << 3;
const SWAPPED: u64 = 1 << 4;

/// `_IOWR('f', 16, struct pm_scan_arg)`.
const PAGEMAP_SCAN: libc::Ioctl = libc::_IOWR::<ScanArgument>(b'f' as u32, 16);

/// Number of stretches that are asked for at once.
const AT_ONCE: usize = 64;

/// This process's page tables.
fn pagemap() -> Option<&'static File> {
    static PAGEMAP: OnceLock<Option<File>> = OnceLock::new();
    PAGEMAP.get_or_init(|| File::open("/proc/self/pagemap").ok()).as_ref()
}

/// Adds the stretches of addresses whose pages are private copies, unless there are too many pages.
///
/// What is there, in memory or swapped out, and does not show the file, is a private copy. A page that shows the system's
/// page of zeros is one too: reading a file of memory never leads to that page, but a kernel that merges equal pages puts
/// it in the place of a copy full of zeros. What was read only, or was never touched, shows the file or is not there.
pub(super) fn private_pages(
    addresses: Range<usize>,
    at_most: usize,
    found: &mut Vec<Range<usize>>,
) -> io::Result<Found> {
    let pagemap = pagemap().ok_or(io::ErrorKind::Unsupported)?;
    let mut regions = [Region::default(); AT_ONCE];
    let mut pages = 0;
    let mut from = addresses.start as u64;
    while from < addresses.end as u64 {
        let mut argument = ScanArgument {
            size: size_of::<ScanArgument>() as u64,
            start: from,
            end: addresses.end as u64,
            vec: regions.as_mut_ptr().addr() as u64,
            vec_len: AT_ONCE as u64,
            max_pages: at_most as u64 + 1,
            category_inverted: OF_FILE,
            category_mask: OF_FILE,
            category_anyof_mask: PRESENT | SWAPPED,
            return_mask: PRESENT,
            ..ScanArgument::default()
        };
        // SAFETY: the argument has the layout that the request names, and its `vec` points to `vec_len` regions
        // that the kernel may write to. Nothing else is written.
        let count = unsafe {
            libc::ioctl(pagemap.as_raw_fd(), PAGEMAP_SCAN, std::ptr::from_mut(&mut argument))
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for region in &regions[..count.min(AT_ONCE)] {
            // What the kernel says lies within `addresses`, whose ends are of this type.
            let address = |address| usize::try_from(address).unwrap_or(addresses.end);
            let stretch = address(region.start)..address(region.end);
            pages += stretch.len() / page_bytes();
            found.push(stretch);
        }
        if pages > at_most {
            return Ok(Found::TooMany);
        }
        if argument.walk_end <= from {
            return Err(io::ErrorKind::InvalidData.into());
        }
        from = argument.walk_end;
    }
    Ok(Found::All)
}

/// Whether the kernel tells, and tells the truth; tried once.
pub(super) fn is_supported() -> bool {
    static SUPPORTED: OnceLock<bool> = OnceLock::new();
    *SUPPORTED.get_or_init(|| trial::run().unwrap_or(false))
}

mod trial {
    use std::io;

    use super::{Found, page_bytes, private_pages};
    use crate::sys::faults;
    use crate::sys::memory::Image;

    const PAGES: usize = 8;
    const WRITTEN: [usize; 3] = [2, 3, 6];

    /// Writes to some pages of a private mapping. The kernel has to name exactly those, and to have
    /// counted page faults.
    pub(super) fn run() -> io::Result<bool> {
        let page = page_bytes();
        // As images are: something here and there, and zeros elsewhere.
        let mut contents = vec![0; PAGES * page];
        contents[WRITTEN[0] * page] = 1;
        let image = Image::sealed(&contents)?;
        let private = Private::of(&image)?;
        faults::watch().none_since();
        let watch = faults::watch();
        for at in WRITTEN {
            private.write(at * page);
        }
        let counted = !watch.none_since();
        let mut found = Vec::new();
        let all = private.start..private.start + private.len;
        let complete = private_pages(all, PAGES, &mut found)? == Found::All;
        let mut pages: Vec<usize> = Vec::new();
        for addresses in found {
            pages.extend(addresses.step_by(page).map(|at| (at - private.start) / page));
        }
        Ok(counted && complete && pages == WRITTEN)
    }

    struct Private {
        start: usize,
        len: usize,
    }

    impl Private {
        fn of(image: &Image) -> io::Result<Self> {
            use std::os::fd::AsRawFd;
            let file = image.file()?.as_raw_fd();
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let (none, flags) = (std::ptr::null_mut(), libc::MAP_PRIVATE);
            // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
            let start = unsafe { libc::mmap(none, image.len(), protection, flags, file, 0) };
            if start == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            Ok(Self { start: start.expose_provenance(), len: image.len() })
        }

        fn write(&self, offset: usize) {
            let at = std::ptr::with_exposed_provenance_mut::<u8>(self.start + offset);
            // SAFETY: the offset lies in the mapping, which is writable and ours.
            unsafe { at.write_volatile(2) };
        }
    }

    impl Drop for Private {
        fn drop(&mut self) {
            let start = std::ptr::with_exposed_provenance_mut(self.start);
            // SAFETY: the mapping is ours.
            unsafe { libc::munmap(start, self.len) };
        }
    }
}

#[cfg(test)]
mod tests;
