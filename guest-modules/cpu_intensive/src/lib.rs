//! Arithmetic without memory: the longest Collatz sequence below a number.

use sandbox_guest::export;

/// Returns the start below `limit` of the longest Collatz sequence in the upper half of the result,
/// and the number of its steps in the lower half. Of equally long ones, the smallest start.
#[export]
#[must_use]
pub fn compute(limit: u32) -> u64 {
    let (mut best, mut most) = (0, 0);
    for start in 1..limit {
        let steps = steps_to_one(u64::from(start));
        if steps > most {
            (best, most) = (start, steps);
        }
    }
    u64::from(best) << 32 | u64::from(most)
}

/// Halves even numbers, maps odd ones to `3n + 1`, and counts until 1.
fn steps_to_one(mut number: u64) -> u32 {
    let mut steps = 0;
    while number != 1 {
        number = if number.is_multiple_of(2) { number / 2 } else { 3 * number + 1 };
        steps += 1;
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_record_holders_are_found() {
        assert_eq!(compute(100), 97 << 32 | 118);
        assert_eq!(compute(10_000), 6171 << 32 | 261);
    }

    #[test]
    fn below_two_there_is_nothing_to_do() {
        assert_eq!((compute(0), compute(2)), (0, 0));
    }
}
