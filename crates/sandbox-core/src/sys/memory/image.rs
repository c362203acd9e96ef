//! Image of a memory: the contents that it is put back to.

#[cfg(target_os = "linux")]
use std::fs::File;
use std::io;
#[cfg(target_os = "linux")]
use std::ops::Range;
#[cfg(target_os = "linux")]
use std::os::unix::fs::FileExt;
#[cfg(target_os = "linux")]
use std::sync::{Mutex, OnceLock, PoisonError};

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
    Mappable(Mappable),
}

/// Contents in a file, made when somebody first maps it: the first call of a sandbox does not.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct Mappable {
    /// Pages that will be in the file, beside zeros. Empty when it is there.
    pages: Mutex<Vec<Stretch>>,
    sealed: OnceLock<Sealed>,
}

/// Where some pages begin, and what they hold.
#[cfg(target_os = "linux")]
type Stretch = (usize, Box<[u8]>);

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

/// Part of an image that is looked at as one: the size of a page of WebAssembly, which pages of all systems divide.
pub(crate) const PART_BYTES: usize = 64 * 1024;

/// Whether the system has files in memory: old kernels lack them, and filters of system calls may forbid them. Tried once. That one
/// cannot be had now is no sign of it.
#[cfg(target_os = "linux")]
pub(super) fn can_be_mapped() -> bool {
    use rustix::fs::{MemfdFlags, memfd_create};
    use rustix::io::Errno;
    static CAN_BE_MAPPED: OnceLock<bool> = OnceLock::new();
    *CAN_BE_MAPPED.get_or_init(|| {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let missing = [Errno::NOSYS, Errno::PERM, Errno::ACCESS, Errno::INVAL];
        memfd_create("sandbox-try", flags).map_or_else(|error| !missing.contains(&error), |_| true)
    })
}

impl Image {
    /// An image that is copied from.
    pub(super) fn in_memory(contents: &[u8]) -> Self {
        Self { len: contents.len(), contents: Contents::Owned(contents.into()) }
    }

    /// An image of contents that are all there now.
    pub(super) fn of(contents: &[u8]) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if can_be_mapped() {
            return Self::sealed(contents);
        }
        Ok(Self::in_memory(contents))
    }

    /// An image of that length that holds those parts, by their numbers, and zeros elsewhere. All of them lie within it.
    pub(in crate::sys) fn of_parts(len: usize, parts: &[(usize, &[u8])]) -> io::Result<Self> {
        let stretches = parts.iter().map(|(number, bytes)| (number * PART_BYTES, *bytes));
        #[cfg(target_os = "linux")]
        if can_be_mapped() {
            return Self::with_stretches(len, stretches);
        }
        let mut contents = vec![0; len];
        for (start, bytes) in stretches {
            contents[start..start + bytes.len()].copy_from_slice(bytes);
        }
        Ok(Self { len, contents: Contents::Owned(contents.into()) })
    }

    /// Shows the parts that are not all zeros, in order, each with its number.
    pub(crate) fn each_part(&self, mut show: impl FnMut(usize, &[u8])) -> io::Result<()> {
        self.prepare()?;
        let mut part = vec![0; PART_BYTES];
        for (number, start) in (0..self.len).step_by(PART_BYTES).enumerate() {
            let part = &mut part[..PART_BYTES.min(self.len - start)];
            if self.is_known_as_zeros(start, part.len()) {
                continue;
            }
            self.copy_to(start, part);
            if part.iter().any(|byte| *byte != 0) {
                show(number, part);
            }
        }
        Ok(())
    }

    /// Whether a part is zeros, which need not be looked at for that.
    fn is_known_as_zeros(&self, start: usize, len: usize) -> bool {
        match &self.contents {
            Contents::Owned(_) => false,
            #[cfg(target_os = "linux")]
            Contents::Mappable(mappable) => {
                let page = super::page_bytes();
                let pages = start / page..(start + len).div_ceil(page);
                let sealed = mappable.sealed.get();
                sealed.is_some_and(|sealed| sealed.zeros[pages].iter().all(|is_zeros| *is_zeros))
            }
        }
    }

    /// Makes what instances need to begin with the image, if it is not there yet.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        match &self.contents {
            Contents::Owned(_) => Ok(()),
            #[cfg(target_os = "linux")]
            Contents::Mappable(mappable) => mappable.sealed(self.len).map(drop),
        }
    }

    /// Whether that is there already.
    pub(crate) fn is_prepared(&self) -> bool {
        match &self.contents {
            Contents::Owned(_) => true,
            #[cfg(target_os = "linux")]
            Contents::Mappable(mappable) => mappable.sealed.get().is_some(),
        }
    }

    /// The size of the memory, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Copies the part of the image that begins at `start`. With an image that can be mapped, its [`file`](Self::file)
    /// was asked for before, and both ends of the part lie between pages.
    pub(super) fn copy_to(&self, start: usize, target: &mut [u8]) {
        match &self.contents {
            Contents::Owned(bytes) => target.copy_from_slice(&bytes[start..start + target.len()]),
            #[cfg(target_os = "linux")]
            Contents::Mappable(mappable) => {
                let sealed = mappable.sealed.get().expect("who copies has mapped it");
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
        Self::with_stretches(contents.len(), std::iter::once((0, contents)))
    }

    /// An image that can be mapped, of that length, with those stretches of pages and zeros elsewhere.
    fn with_stretches<'a>(
        len: usize,
        stretches: impl Iterator<Item = (usize, &'a [u8])>,
    ) -> io::Result<Self> {
        let sealed = Sealed::of(len, stretches)?;
        let mappable = Mappable { pages: Mutex::default(), sealed: sealed.into() };
        Ok(Self { len, contents: Contents::Mappable(mappable) })
    }

    /// Makes an image of contents that are zeros outside those stretches, whose ends lie between pages. Nothing else is
    /// looked at, and the file is made when it is first asked for.
    pub(super) fn sealed_later(contents: &[u8], stretches: &[Range<usize>]) -> Self {
        let copy = |stretch: &Range<usize>| (stretch.start, contents[stretch.clone()].into());
        let pages = Mutex::new(stretches.iter().map(copy).collect());
        let mappable = Mappable { pages, sealed: OnceLock::new() };
        Self { len: contents.len(), contents: Contents::Mappable(mappable) }
    }

    /// Whether there is a file, and it is there already.
    pub(super) fn is_made(&self) -> bool {
        matches!(self.contents, Contents::Mappable(_)) && self.is_prepared()
    }

    /// The file to map.
    pub(super) fn file(&self) -> io::Result<&File> {
        match &self.contents {
            Contents::Owned(_) => Err(io::ErrorKind::Unsupported.into()),
            Contents::Mappable(mappable) => Ok(&mappable.sealed(self.len)?.file),
        }
    }
}

#[cfg(target_os = "linux")]
impl Mappable {
    fn sealed(&self, len: usize) -> io::Result<&Sealed> {
        if let Some(sealed) = self.sealed.get() {
            return Ok(sealed);
        }
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody may have been quicker, and then there are no pages any more.
        if self.sealed.get().is_none() {
            let made = Sealed::of(len, pages.iter().map(|(start, bytes)| (*start, &bytes[..])))?;
            pages.clear();
            return Ok(self.sealed.get_or_init(|| made));
        }
        drop(pages);
        self.sealed(len)
    }
}

#[cfg(target_os = "linux")]
impl Sealed {
    /// A file of that length with those stretches of pages, and zeros elsewhere.
    fn of<'a>(len: usize, stretches: impl Iterator<Item = (usize, &'a [u8])>) -> io::Result<Self> {
        use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
        // To the system this file is one like any other.
        crate::sys::full_files::survive();
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = File::from(memfd_create("sandbox-image", flags)?);
        file.set_len(len as u64)?;
        let page = super::page_bytes();
        let mut zeros = vec![true; len / page];
        for (start, bytes) in stretches {
            for (at, bytes) in (start..).step_by(page).zip(bytes.chunks_exact(page)) {
                if *bytes != ZEROS[..page.min(ZEROS.len())] {
                    file.write_all_at(bytes, at as u64)?;
                    zeros[at / page] = false;
                }
            }
        }
        fcntl_add_seals(
            &file,
            SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE,
        )?;
        let view = View::of(&file, len)?;
        Ok(Self { file, view, zeros: zeros.into() })
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
    fn a_file_that_is_made_later_holds_the_stretches_and_zeros() {
        let page = crate::sys::memory::page_bytes();
        let contents: Vec<u8> = (1..=5).flat_map(|number| vec![number; page]).collect();
        let image = Image::sealed_later(&contents, &[page..3 * page, 4 * page..5 * page]);
        assert!(!image.is_made());
        // Whoever asks at once gets the same file.
        let files: Vec<usize> = std::thread::scope(|scope| {
            let address = || std::ptr::from_ref(image.file().unwrap()).addr();
            let asking: Vec<_> = (0..4).map(|_| scope.spawn(address)).collect();
            asking.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(image.is_made() && files.iter().all(|file| *file == files[0]));
        let mut copy = vec![9; contents.len()];
        image.copy_to(0, &mut copy);
        let first_bytes: Vec<u8> = copy.iter().step_by(page).copied().collect();
        assert_eq!(first_bytes, [0, 2, 3, 0, 5]);
        assert!(copy[page..3 * page] == contents[page..3 * page]);
    }

    #[test]
    fn an_image_is_made_again_of_its_parts() {
        let mut contents = vec![0; 5 * PART_BYTES];
        contents[PART_BYTES] = 1;
        contents[4 * PART_BYTES - 1] = 3;
        for image in [Image::sealed(&contents).unwrap(), Image::in_memory(&contents)] {
            let mut parts = Vec::new();
            image.each_part(|number, part| parts.push((number, part.to_vec()))).unwrap();
            assert_eq!(parts.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 3]);
            let parts: Vec<_> = parts.iter().map(|(number, part)| (*number, &part[..])).collect();
            let mut again = vec![9; contents.len()];
            Image::of_parts(contents.len(), &parts).unwrap().copy_to(0, &mut again);
            assert!(again == contents);
        }
    }

    #[test]
    fn an_empty_memory_has_an_image_too() {
        assert_eq!(Image::sealed(&[]).unwrap().len(), 0);
        assert_eq!(Image::in_memory(&[]).len(), 0);
    }
}
