//! One task of many: hashes a block of bytes that only its number determines.

use sandbox_guest::export;

/// Number of bytes that a task hashes.
pub const BLOCK: usize = 64 * 1024;

/// Makes the block of a task and returns its hash. Different tasks share nothing.
#[export]
#[must_use]
pub fn parallel_task(number: u32) -> u64 {
    hash(&block(number))
}

/// Pseudo-random bytes (xorshift64), seeded with the number of the task.
fn block(number: u32) -> Vec<u8> {
    let mut state = (u64::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut block = Vec::with_capacity(BLOCK);
    while block.len() < BLOCK {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        block.extend(state.to_le_bytes());
    }
    block
}

/// Multiplies and folds eight bytes at a time.
fn hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks();
    let hash = words.iter().fold(0x2545_f491_4f6c_dd1d, |hash: u64, &word| {
        (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517c_c1b7_2722_0a95)
    });
    rest.iter().fold(hash, |hash, &byte| hash.rotate_left(8) ^ u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_full_and_its_own() {
        assert_eq!(block(0).len(), BLOCK);
        assert_eq!(block(7), block(7));
        assert_ne!(block(7)[..8], block(8)[..8]);
    }

    #[test]
    fn tasks_have_different_results() {
        let results: std::collections::BTreeSet<u64> = (0..16).map(parallel_task).collect();
        assert_eq!(results.len(), 16);
    }

    #[test]
    fn every_byte_counts() {
        let mut bytes = vec![0; 21];
        let before = hash(&bytes);
        bytes[20] = 1;
        assert_ne!(hash(&bytes), before);
    }
}
