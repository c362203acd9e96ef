//! Keys by which machines that only load modules cannot make any.

use std::fmt;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use super::{KeyId, Seal, SigningKey};

/// Beginning of all that is signed, so that no signature that was made for something else is one of a module.
const CONTEXT: &[u8] = b"sandbox-core 2026-11-30 precompiled module signature";

/// A secret key of Ed25519 with which compiled modules are sealed, to be loaded with its [public half](VerifyingKey).
///
/// Who has the public key can load modules and cannot forge them, which is what sets it apart from a [`SigningKey`]. Sealing
/// and loading take some tens of microseconds longer.
///
/// ```
/// use sandbox_core::{Module, SealingKey, SecurityPolicy, VerifyingKey};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let wasm = wat::parse_str("(module)")?;
/// let policy = SecurityPolicy::strict();
/// // Where modules are compiled.
/// let secret = SealingKey::generate()?;
/// let published = secret.verifying_key().to_bytes();
/// let artifact = Module::compile(&wasm, &policy)?.seal(&secret)?;
/// // Where they run.
/// let public = VerifyingKey::from_bytes(published);
/// let module = Module::load(&artifact, &policy, &public)?;
/// # let _ = module;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SealingKey([u8; SealingKey::LENGTH_BYTES]);

impl SealingKey {
    /// The length of a secret key, in bytes.
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

    /// The key of these bytes, which Ed25519 calls its seed. They must be secret and random: a password is neither.
    pub const fn from_bytes(bytes: [u8; Self::LENGTH_BYTES]) -> Self {
        Self(bytes)
    }

    /// The secret itself, to be stored where only its users can read it.
    pub const fn to_bytes(&self) -> [u8; Self::LENGTH_BYTES] {
        self.0
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        let mut bytes = [0; VerifyingKey::LENGTH_BYTES];
        bytes.copy_from_slice(self.pair().public_key().as_ref());
        VerifyingKey(bytes)
    }

    fn pair(&self) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&self.0).expect("every 32 bytes are a seed of Ed25519")
    }

    pub(crate) fn sign(&self, digest: &blake3::Hash) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair().sign(&message(digest)).as_ref());
        signature
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(secret)")
    }
}

/// A public key of Ed25519, with which modules are loaded that were sealed with its [secret half](SealingKey).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct VerifyingKey([u8; VerifyingKey::LENGTH_BYTES]);

impl VerifyingKey {
    /// The length of a public key, in bytes.
    pub const LENGTH_BYTES: usize = 32;

    /// The key of these bytes. With bytes that are no public key, nothing can be loaded.
    pub const fn from_bytes(bytes: [u8; Self::LENGTH_BYTES]) -> Self {
        Self(bytes)
    }

    /// The key, to be given to whoever loads modules.
    pub const fn to_bytes(&self) -> [u8; Self::LENGTH_BYTES] {
        self.0
    }

    /// The key's name.
    pub(crate) fn id(&self) -> KeyId {
        let derived = blake3::derive_key("sandbox-core 2026-11-30 public key identifier", &self.0);
        std::array::from_fn(|at| derived[at])
    }

    pub(crate) fn verifies(&self, digest: &blake3::Hash, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(&message(digest), signature).is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyingKey(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

fn message(digest: &blake3::Hash) -> Vec<u8> {
    [CONTEXT, digest.as_bytes()].concat()
}

/// A key that seals: of either kind.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Sealer<'a> {
    /// One that loads too.
    Symmetric(&'a SigningKey),
    /// One whose public half loads.
    Secret(&'a SealingKey),
}

impl<'a> From<&'a SigningKey> for Sealer<'a> {
    fn from(key: &'a SigningKey) -> Self {
        Self::Symmetric(key)
    }
}

impl<'a> From<&'a SealingKey> for Sealer<'a> {
    fn from(key: &'a SealingKey) -> Self {
        Self::Secret(key)
    }
}

/// Keys with which modules are loaded: whichever of them a module was sealed with.
///
/// A key is replaced by another in three steps: the new one is added where modules are loaded, then modules are sealed with
/// it, and when none is left that was sealed with the old one, that is taken out.
///
/// ```
/// use sandbox_core::{KeyRing, Module, SealingKey, SecurityPolicy};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let wasm = wat::parse_str("(module)")?;
/// let policy = SecurityPolicy::strict();
/// let (old, new) = (SealingKey::generate()?, SealingKey::generate()?);
/// let keys = KeyRing::new().with(&old.verifying_key()).with(&new.verifying_key());
/// for key in [&old, &new] {
///     Module::load(&Module::precompile(&wasm, &policy, key)?, &policy, &keys)?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a key ring does nothing until a module is loaded with it"]
pub struct KeyRing {
    keys: Vec<LoadingKey>,
}

/// A key that loads: of either kind.
#[derive(Debug, Clone)]
enum LoadingKey {
    Symmetric(SigningKey),
    Public(VerifyingKey),
}

impl KeyRing {
    /// A ring without keys, with which nothing is loaded.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key, or those of another ring.
    pub fn with(mut self, keys: impl Into<Self>) -> Self {
        self.keys.extend(keys.into().keys);
        self
    }

    /// Whether one of the keys made the seal. `None` if none of them has that name.
    pub(crate) fn verify(
        &self,
        id: KeyId,
        seal: &Seal<'_>,
        digest: impl FnOnce(Option<&SigningKey>) -> blake3::Hash,
    ) -> Option<bool> {
        let key = self.keys.iter().find(|key| match (key, seal) {
            (LoadingKey::Symmetric(key), Seal::Code(_)) => key.id() == id,
            (LoadingKey::Public(key), Seal::Signature(_)) => key.id() == id,
            _ => false,
        })?;
        Some(match (key, seal) {
            // Comparing hashes of this type takes the same time whatever they are.
            (LoadingKey::Symmetric(key), Seal::Code(code)) => {
                digest(Some(key)) == blake3::Hash::from_bytes(**code)
            }
            (LoadingKey::Public(key), Seal::Signature(signature)) => {
                key.verifies(&digest(None), &signature[..])
            }
            _ => false,
        })
    }
}

impl From<&SigningKey> for KeyRing {
    fn from(key: &SigningKey) -> Self {
        Self { keys: vec![LoadingKey::Symmetric(key.clone())] }
    }
}

impl From<&VerifyingKey> for KeyRing {
    fn from(key: &VerifyingKey) -> Self {
        Self { keys: vec![LoadingKey::Public(*key)] }
    }
}

impl From<&Self> for KeyRing {
    fn from(keys: &Self) -> Self {
        keys.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_half_of_the_key_verifies_and_only_what_was_signed() {
        let (one, other) = (SealingKey::from_bytes([1; 32]), SealingKey::from_bytes([2; 32]));
        let (digest, another) = (blake3::hash(b"one"), blake3::hash(b"other"));
        let signature = one.sign(&digest);
        assert!(one.verifying_key().verifies(&digest, &signature));
        assert!(!one.verifying_key().verifies(&another, &signature));
        assert!(!other.verifying_key().verifies(&digest, &signature));
        assert!(!VerifyingKey::from_bytes([0xFF; 32]).verifies(&digest, &signature));
        assert_ne!(one.verifying_key().id(), other.verifying_key().id());
    }

    #[test]
    fn the_key_is_that_of_the_standard() {
        // RFC 8032, section 7.1, test 1.
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&seed[2 * at..2 * at + 2], 16).unwrap();
        }
        let key = SealingKey::from_bytes(bytes);
        assert_eq!(format!("{:?}", key.verifying_key()), format!("VerifyingKey({public})"));
        assert_eq!(format!("{key:?}"), "SealingKey(secret)");
    }
}
