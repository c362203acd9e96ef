//! Numbers in, a number out: what a call costs when little else does.

use sandbox_guest::export;

/// Adds two numbers, wrapping around like Wasm's own instruction.
#[export]
pub fn add(a: i32, b: i32) -> i32 {
    a.wrapping_add(b)
}

/// The `n`th Fibonacci number, by the definition: about 1.6^n calls of itself. What it measures is
/// calls inside the guest, so there is no faster way on purpose.
#[export]
pub fn fibonacci(n: i32) -> i64 {
    if n < 2 { i64::from(n) } else { fibonacci(n - 1) + fibonacci(n - 2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addition_wraps_around() {
        assert_eq!(add(42, 24), 66);
        assert_eq!(add(i32::MAX, 1), i32::MIN);
    }

    #[test]
    fn fibonacci_follows_its_definition() {
        let numbers: Vec<i64> = (0..10).map(fibonacci).collect();
        assert_eq!(numbers, [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]);
    }
}
