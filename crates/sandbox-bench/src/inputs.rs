//! Seeded inputs, the same in every run.

mod orders;
mod texts;
mod words;

use rand::Rng;
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

/// The seed of every input. Changing it makes results incomparable with stored ones.
const SEED: u64 = 0x5eed_0f0e_5a4d_b0c5;

pub use orders::orders;
pub use texts::{access_log, handbook};

fn generator() -> Pcg64Mcg {
    Pcg64Mcg::seed_from_u64(SEED)
}

/// `len` pseudo-random bytes: nothing that compresses, deduplicates or is shared as zero pages.
pub fn bytes(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    generator().fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_the_same_each_time_and_not_uniform() {
        assert_eq!(bytes(4096), bytes(4096));
        let ones = bytes(4096).iter().map(|byte| byte.count_ones()).sum::<u32>();
        assert!((14_000..18_800).contains(&ones), "{ones} of 32768 bits are set");
    }
}
