//! Keys that compiled modules are authenticated with.

mod keys;

use std::fmt;

pub use keys::{KeyRing, Sealer, SealingKey, VerifyingKey};

/// A secret of 32 bytes with which compiled modules are sealed, and without which none is loaded.
///
/// A compiled module is native code: whoever can make the host load one can make it do anything. The key is
/// **symmetric**: the same key seals and verifies, so everyone who can load modules with it can also forge them.
/// Give it only to machines that you trust to make modules for each other, keep it out of the artifacts'
/// store, and use another key for another purpose. A [`SealingKey`] is for modules that others are to load and not to make.
///
/// ```
/// use sandbox_core::SigningKey;
///
/// let key = SigningKey::generate()?;
/// let same = SigningKey::from_bytes(key.to_bytes());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct SigningKey([u8; SigningKey::LENGTH_BYTES]);

/// Purpose of a sealed file.
///
/// Each purpose has a key of its own, derived from the secret, so that a file that was sealed for one is
/// not accepted for another even under the same secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// An entry of a cache folder, trusted by the user whose folder it is.
    Cache,
    /// A module that is taken to other machines.
    Shipping,
    /// State of an instance.
    Snapshot,
}

impl Purpose {
    /// The context of BLAKE3's key derivation, which asks for a constant that nobody else uses.
    fn context(self) -> &'static str {
        match self {
            Self::Cache => "sandbox-core 2026-11-23 cache entry authentication",
            Self::Shipping => "sandbox-core 2026-11-23 precompiled module authentication",
            Self::Snapshot => "sandbox-core 2026-11-30 snapshot authentication",
        }
    }
}

/// Says which key a file was sealed with, and nothing about the key.
pub(crate) type KeyId = [u8; 8];

/// Proof in a file that somebody with a key made it.
#[derive(Debug)]
pub(crate) enum Seal<'a> {
    /// Of a [`SigningKey`].
    Code(&'a [u8; 32]),
    /// Of a [`SealingKey`].
    Signature(&'a [u8; 64]),
}

impl SigningKey {
    /// The length of a key, in bytes.
    pub const LENGTH_BYTES: usize = 32;

    /// A new key from the operating system's random source.
    ///
    /// # Errors
    /// If the operating system has no randomness to give.
    pub fn generate() -> std::io::Result<Self> {
        let mut bytes = [0; Self::LENGTH_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The key of these bytes. They must be secret and random: a password is neither.
    pub const fn from_bytes(bytes: [u8; Self::LENGTH_BYTES]) -> Self {
        Self(bytes)
    }

    /// The secret itself, to be stored where only its users can read it.
    pub const fn to_bytes(&self) -> [u8; Self::LENGTH_BYTES] {
        self.0
    }

    /// The hasher that authenticates files for that purpose.
    pub(crate) fn authenticator(&self, purpose: Purpose) -> blake3::Hasher {
        blake3::Hasher::new_keyed(&blake3::derive_key(purpose.context(), &self.0))
    }

    /// The key's name, from which it cannot be found out.
    pub(crate) fn id(&self) -> KeyId {
        let derived = blake3::derive_key("sandbox-core 2026-11-23 key identifier", &self.0);
        std::array::from_fn(|at| derived[at])
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_not_in_the_debug_output() {
        let key = SigningKey::from_bytes([0x41; 32]);
        assert_eq!(format!("{key:?}"), "SigningKey(secret)");
    }

    #[test]
    fn purposes_and_keys_authenticate_differently() {
        let (one, other) = (SigningKey::from_bytes([1; 32]), SigningKey::from_bytes([2; 32]));
        let code = |key: &SigningKey, purpose| key.authenticator(purpose).update(b"x").finalize();
        assert_ne!(code(&one, Purpose::Cache), code(&one, Purpose::Shipping));
        assert_ne!(code(&one, Purpose::Cache), code(&other, Purpose::Cache));
        assert_ne!(one.id(), other.id());
    }

    #[test]
    fn generated_keys_differ() {
        let keys = [SigningKey::generate().unwrap(), SigningKey::generate().unwrap()];
        assert_ne!(keys[0].to_bytes(), keys[1].to_bytes());
    }
}
