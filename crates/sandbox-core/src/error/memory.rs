//! Parts of a guest's memory that are not there.

use std::ops::Range;

/// A pointer and a length that a guest's memory does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GuestMemoryError {
    /// Part of it is outside the memory.
    #[error("{len} bytes at {start} are outside the guest's memory of {memory_bytes} bytes")]
    OutOfBounds {
        /// The address, in bytes from the start of linear memory.
        start: u32,
        /// The length, in bytes.
        len: u32,
        /// The size of the memory, in bytes.
        memory_bytes: u64,
    },
    /// It is there, and is no text.
    #[error("{len} bytes at {start} in the guest's memory are no UTF-8 (valid are {valid_up_to})")]
    NotUtf8 {
        /// The address, in bytes from the start of linear memory.
        start: u32,
        /// The length, in bytes.
        len: u32,
        /// Number of its bytes that are valid.
        valid_up_to: usize,
    },
}

/// The range of so many bytes at `start`, if all of it is in the memory.
pub(crate) fn checked_range(
    memory_bytes: usize,
    start: u32,
    len: u32,
) -> Result<Range<usize>, GuestMemoryError> {
    // Both fit into 32 bits, so their sum cannot overflow in 64.
    let end = u64::from(start) + u64::from(len);
    if end > memory_bytes as u64 {
        return Err(GuestMemoryError::OutOfBounds {
            start,
            len,
            memory_bytes: memory_bytes as u64,
        });
    }
    Ok(start as usize..start as usize + len as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_memory_passes_and_what_does_not_is_refused() {
        assert_eq!(checked_range(10, 0, 10), Ok(0..10));
        assert_eq!(checked_range(10, 10, 0), Ok(10..10));
        assert_eq!(checked_range(0, 0, 0), Ok(0..0));
        for (start, len) in
            [(0, 11), (10, 1), (11, 0), (u32::MAX, 1), (1, u32::MAX), (u32::MAX, u32::MAX)]
        {
            let error = GuestMemoryError::OutOfBounds { start, len, memory_bytes: 10 };
            assert_eq!(checked_range(10, start, len), Err(error));
        }
    }

    #[test]
    fn a_memory_of_four_gibibytes_can_be_used_to_its_end() {
        let memory_bytes = 1usize << 32;
        assert_eq!(checked_range(memory_bytes, u32::MAX, 1), Ok(memory_bytes - 1..memory_bytes));
        assert!(checked_range(memory_bytes, u32::MAX, 2).is_err());
    }
}
