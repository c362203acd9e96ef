//! What a memory is put back to.

#[cfg(target_os = "linux")]
use std::fs::File;
#[cfg(target_os = "linux")]
use std::io;
#[cfg(target_os = "linux")]
use std::ops::Range;
#[cfg(target_os = "linux")]
use std::os::unix::fs::FileExt;

/// The contents of a linear memory at one moment. Never changes.
#[derive(Debug)]
pub(crate) struct Image {
    len: usize,
    contents: Contents,
}

#[derive(Debug)]
enum Contents {
    Owned(Box<[u8]>),
    #[cfg(target_os = "linux")]
    Sealed(Sealed),
}

/// A file in memory that nobody can change any more, and a view of it.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct Sealed {
    file: File,
    view: View,
    /// Which pages are all zeros. They take no memory in the file, and are not looked at in the view, or
    /// they would.
    zeros: Box<[bool]>,
}

/// A page of zeros to compare with. A larger page equals no part of it, and counts as written.
#[cfg(target_os = "linux")]
static ZEROS: [u8; 16 * 1024] = [0; 16 * 1024];

impl Image {
    /// An image that is copied from.
    pub(super) fn in_memory(contents: &[u8]) -> Self {
        Self { len: contents.len(), contents: Contents::Owned(contents.into()) }
    }

    /// The size of the memory, in bytes.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Copies the part of the image that begins at `start`. With a sealed image, both ends of the part lie between
    /// pages.
    pub(super) fn copy_to(&self, start: usize, target: &mut [u8]) {
        match &self.contents {
            Contents::Owned(bytes) => target.copy_from_slice(&bytes[start..start + target.len()]),
            #[cfg(target_os = "linux")]
            Contents::Sealed(sealed) => {
                let page = super::page_bytes();
                let view = sealed.view.bytes();
                for (at, target) in (start..).step_by(page).zip(target.chunks_mut(page)) {
                    if sealed.zeros[at / page] {
                        target.fill(0);
                    } else {
                        target.copy_from_slice(&view[at..at + target.len()]);
                    }
                }
            }
        }
    }
}

#[cfg(target_os = "linux")]
impl Image {
    /// An image that can be mapped. The length is a multiple of the page size.
    pub(super) fn sealed(contents: &[u8]) -> io::Result<Self> {
        let all = 0..contents.len();
        Self::sealed_of(contents, std::slice::from_ref(&all))
    }

    /// The same of contents that are zeros outside those stretches, whose ends lie between pages. Nothing else is
    /// looked at.
    pub(super) fn sealed_of(contents: &[u8], stretches: &[Range<usize>]) -> io::Result<Self> {
        use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = File::from(memfd_create("sandbox-image", flags)?);
        file.set_len(contents.len() as u64)?;
        let page = super::page_bytes();
        let mut zeros = vec![true; contents.len() / page];
        for at in stretches.iter().flat_map(|stretch| stretch.clone().step_by(page)) {
            let bytes = &contents[at..at + page];
            if *bytes != ZEROS[..page.min(ZEROS.len())] {
                file.write_all_at(bytes, at as u64)?;
                zeros[at / page] = false;
            }
        }
        fcntl_add_seals(
            &file,
            SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE,
        )?;
        let view = View::of(&file, contents.len())?;
        let sealed = Sealed { file, view, zeros: zeros.into() };
        Ok(Self { len: contents.len(), contents: Contents::Sealed(sealed) })
    }

    /// The file to map.
    pub(super) fn file(&self) -> Option<&File> {
        match &self.contents {
            Contents::Owned(_) => None,
            Contents::Sealed(sealed) => Some(&sealed.file),
        }
    }
}

#[cfg(target_os = "linux")]
use view::View;

#[cfg(target_os = "linux")]
mod view {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd;
    use std::ptr::NonNull;

    /// A sealed file, mapped to be read.
    #[derive(Debug)]
    pub(super) struct View {
        start: NonNull<u8>,
        len: usize,
    }

    // SAFETY: the mapping belongs to the value alone, and what it shows never changes.
    unsafe impl Send for View {}
    // SAFETY: as above; it is only read.
    unsafe impl Sync for View {}

    impl View {
        /// Of a file that can neither be written nor shrink any more.
        pub(super) fn of(file: &File, len: usize) -> io::Result<Self> {
            if len == 0 {
                return Ok(Self { start: NonNull::dangling(), len });
            }
            // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
            let start = unsafe {
                libc::mmap(
                    std::ptr::null_mut(),
                    len,
                    libc::PROT_READ,
                    libc::MAP_SHARED,
                    file.as_raw_fd(),
                    0,
                )
            };
            if start == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
            Ok(Self { start, len })
        }

        pub(super) fn bytes(&self) -> &[u8] {
            // SAFETY: `len` bytes are mapped for as long as `self` lives. The file is sealed, so they do not
            // change and cannot go away.
            unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
        }
    }

    impl Drop for View {
        fn drop(&mut self) {
            if self.len > 0 {
                // SAFETY: the mapping is ours, and no slice of it outlives `self`.
                unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_image_shows_what_was_there_and_cannot_be_changed() {
        let page = crate::sys::memory::page_bytes();
        let mut contents = vec![0; 4 * page];
        contents[page] = 7;
        contents[4 * page - 1] = 9;
        let image = Image::sealed(&contents).unwrap();
        let mut copy = vec![1; contents.len()];
        image.copy_to(0, &mut copy);
        assert!(copy == contents);
        let mut part = vec![1; page];
        image.copy_to(3 * page, &mut part);
        assert!(part == contents[3 * page..]);
        let file = image.file().unwrap();
        assert!(file.write_at(b"x", 0).is_err());
        assert!(file.set_len(0).is_err());
    }

    #[test]
    fn an_empty_memory_has_an_image_too() {
        assert_eq!(Image::sealed(&[]).unwrap().len(), 0);
        assert_eq!(Image::in_memory(&[]).len(), 0);
    }
}
