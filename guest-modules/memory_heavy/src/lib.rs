//! Fills, sorts and sums as much memory as it is told to.

use sandbox_guest::export;

/// Fills `size` bytes with pseudo-random numbers of 64 bits, sorts them, and returns the sum of each
/// one times its position, so that a wrong order shows.
///
/// # Panics
///
/// When there is no memory for it.
#[export]
#[must_use]
pub fn allocate_and_process(size: u32) -> u64 {
    let count = usize::try_from(size).unwrap_or(usize::MAX) / size_of::<u64>();
    let mut numbers = Vec::new();
    if numbers.try_reserve_exact(count).is_err() {
        panic!("no memory for {size} bytes");
    }
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    numbers.extend((0..count).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }));
    numbers.sort_unstable();
    (1_u64..)
        .zip(&numbers)
        .fold(0, |sum: u64, (position, number)| sum.wrapping_add(number.wrapping_mul(position)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_number_is_the_first_of_its_series() {
        assert_eq!(allocate_and_process(7), 0);
        let mut first = 0x9e37_79b9_7f4a_7c15_u64;
        first ^= first << 13;
        first ^= first >> 7;
        first ^= first << 17;
        assert_eq!(allocate_and_process(8), first);
    }

    #[test]
    fn sizes_matter() {
        assert_ne!(allocate_and_process(8000), allocate_and_process(8008));
    }
}
