//! The random bytes of a guest.

use super::errno::Errno;
use crate::policy::Randomness;

/// Where a guest's random bytes come from.
#[derive(Clone)]
pub(super) enum RandomSource {
    /// The system, which gives nobody the same twice; and whether it has given any.
    Secure {
        drawn: bool,
    },
    /// The bytes that a seed stretches to, and how many are used up.
    Seeded {
        seed: u64,
        used: u64,
    },
    Denied,
}

impl RandomSource {
    pub(super) fn new(randomness: Randomness) -> Self {
        match randomness {
            Randomness::Secure => Self::Secure { drawn: false },
            Randomness::Seeded(seed) => Self::Seeded { seed, used: 0 },
            Randomness::Denied => Self::Denied,
        }
    }

    /// Whether it has given what may be a secret.
    pub(super) fn has_given_secrets(&self) -> bool {
        matches!(self, Self::Secure { drawn: true })
    }

    /// Fills the bytes with the next ones.
    ///
    /// # Errors
    /// [`Errno::NotSup`] if the policy gives none, and [`Errno::Io`] if the system has none.
    pub(super) fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Errno> {
        match self {
            Self::Secure { drawn } => {
                *drawn = true;
                getrandom::fill(bytes).map_err(|_| Errno::Io)
            }
            Self::Seeded { seed, used } => {
                let mut stream = blake3::Hasher::new_derive_key("sandbox-core seeded randomness")
                    .update(&seed.to_le_bytes())
                    .finalize_xof();
                stream.set_position(*used);
                stream.fill(bytes);
                *used += bytes.len() as u64;
                Ok(())
            }
            Self::Denied => Err(Errno::NotSup),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_bytes_in_portions_of_any_size() {
        let mut whole = [0; 100];
        RandomSource::new(Randomness::Seeded(7)).fill(&mut whole).unwrap();
        let mut parts = [0; 100];
        let mut source = RandomSource::new(Randomness::Seeded(7));
        let (first, rest) = parts.split_at_mut(33);
        source.fill(first).unwrap();
        source.fill(rest).unwrap();
        assert_eq!(whole, parts);
        RandomSource::new(Randomness::Seeded(8)).fill(&mut parts).unwrap();
        assert_ne!(whole, parts);
    }
}
