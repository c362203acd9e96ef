//! Allocates and copies: what memory costs inside a guest, and on the way to it.

use std::hint::black_box;

use sandbox_guest::export;

/// The size of a page of Wasm memory.
pub const PAGE: usize = 65_536;

/// Allocates `size` bytes, writes the number of its page into the first byte of each page, counting
/// from 1, and returns the sum of what it reads back: proof that every page was there.
///
/// # Panics
///
/// When there is no memory for it.
#[export]
pub fn allocate_memory(size: u32) -> u32 {
    let size = usize::try_from(size).expect("a guest's addresses have 32 bits");
    let mut memory = Vec::new();
    if memory.try_reserve_exact(size).is_err() {
        panic!("no memory for {size} bytes");
    }
    memory.resize(size, 0_u8);
    // Without this, the compiler sees that nobody needs the memory, and allocates none.
    let memory = black_box(memory.as_mut_slice());
    for (page, byte) in memory.iter_mut().step_by(PAGE).enumerate() {
        *byte = number_of(page);
    }
    let memory = black_box(memory);
    memory.iter().step_by(PAGE).map(|&byte| u32::from(byte)).sum()
}

/// Result of [`allocate_memory`] for a size, without allocating.
#[must_use]
pub fn sum_of_pages(size: u32) -> u32 {
    let pages = usize::try_from(size).map_or(0, |size| size.div_ceil(PAGE));
    (0..pages).map(|page| u32::from(number_of(page))).sum()
}

/// Returns a copy of the bytes.
#[export]
#[must_use]
pub fn copy_memory(data: &[u8]) -> Vec<u8> {
    data.to_vec()
}

/// Returns the bytes themselves, from where they lie: nothing but the way in and out.
#[export]
#[must_use]
pub fn pass_memory(data: Vec<u8>) -> Vec<u8> {
    data
}

fn number_of(page: usize) -> u8 {
    // As much of the number as a byte holds.
    (page + 1).to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_counted() {
        for size in [0, 1, 65_535, 65_536, 65_537, 1 << 20, 20 << 20] {
            assert_eq!(allocate_memory(size), sum_of_pages(size), "{size} bytes");
        }
        assert_eq!(allocate_memory(3 * 65_536), 1 + 2 + 3);
    }

    #[test]
    fn a_copy_is_equal() {
        assert_eq!(copy_memory(&[1, 2, 3]), [1, 2, 3]);
    }
}
