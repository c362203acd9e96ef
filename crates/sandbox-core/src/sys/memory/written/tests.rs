use std::ptr;

use super::*;
use crate::sys::memory::Image;

const PAGES: usize = 8;

/// Some pages, of their own or of a file.
struct Pages(*mut u8);

impl Pages {
    fn map(image: Option<&Image>) -> Self {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let (flags, file) = match image {
            Some(image) => (libc::MAP_PRIVATE, image.file().unwrap().as_raw_fd()),
            None => (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1),
        };
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
        let start = unsafe {
            libc::mmap(ptr::null_mut(), PAGES * page_bytes(), protection, flags, file, 0)
        };
        assert_ne!(start, libc::MAP_FAILED);
        Self(start.cast())
    }

    fn at(&self, page: usize) -> *mut u8 {
        self.0.wrapping_add(page * page_bytes())
    }

    fn read(&self, page: usize) -> u8 {
        // SAFETY: the page is one of ours.
        unsafe { self.at(page).read_volatile() }
    }

    fn write(&self, page: usize, value: u8) {
        // SAFETY: as above.
        unsafe { self.at(page).write_volatile(value) };
    }

    /// Asks the kernel to swap the page out. It does if there is somewhere to.
    fn page_out(&self, page: usize) -> bool {
        const MADV_PAGEOUT: libc::c_int = 21;
        // SAFETY: the page is one of ours, and swapping it out does not change it.
        unsafe { libc::madvise(self.at(page).cast(), page_bytes(), MADV_PAGEOUT) == 0 }
    }

    fn private(&self) -> Vec<usize> {
        let start = self.0.addr();
        let mut found = Vec::new();
        let all = start..start + PAGES * page_bytes();
        assert_eq!(private_pages(all, PAGES, &mut found).unwrap(), Found::All);
        let pages = found.into_iter().flat_map(|addresses| addresses.step_by(page_bytes()));
        pages.map(|address| (address - start) / page_bytes()).collect()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nobody has a reference to it.
        unsafe { libc::munmap(self.0.cast(), PAGES * page_bytes()) };
    }
}

fn image() -> Image {
    let mut contents = vec![0; PAGES * page_bytes()];
    // Every other page is a hole in the file.
    for page in (0..PAGES).step_by(2) {
        contents[page * page_bytes()] = 7;
    }
    Image::sealed(&contents).unwrap()
}

#[test]
fn pages_that_were_only_read_are_not_private() {
    if !is_supported() {
        return;
    }
    let image = image();
    let pages = Pages::map(Some(&image));
    assert_eq!(pages.private(), [0; 0]);
    for page in 0..PAGES {
        assert_eq!(pages.read(page), if page % 2 == 0 { 7 } else { 0 });
    }
    assert_eq!(pages.private(), [0; 0]);
    // Also if nothing but zeros is written, over zeros or over something else.
    for page in [1, 2] {
        pages.write(page, 0);
    }
    assert_eq!(pages.private(), [1, 2]);
}

#[test]
fn private_pages_that_were_swapped_out_are_still_private() {
    if !is_supported() {
        return;
    }
    let image = image();
    let pages = Pages::map(Some(&image));
    for page in [0, 3, 4] {
        pages.write(page, 9);
    }
    for page in 0..PAGES {
        pages.page_out(page);
    }
    assert_eq!(pages.private(), [0, 3, 4]);
    assert_eq!(pages.read(3), 9);
    assert_eq!(pages.private(), [0, 3, 4]);
}

#[test]
fn a_page_that_shows_the_systems_zeros_counts_as_written() {
    if !is_supported() {
        return;
    }
    // A mapping of a file never shows them by itself; a kernel that merges equal pages may put them there.
    let pages = Pages::map(None);
    assert_eq!(pages.read(5), 0);
    assert_eq!(pages.private(), [5]);
}
