//! Compiled modules that are taken to other machines.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use bytes::Bytes;

use super::artifact::{self, Identity, Unsealed};
use super::cache::MemoryCache;
use super::{Module, ModuleOrigin, validation};
use crate::error::{Result, SandboxError};
use crate::policy::{Compiler, SecurityPolicy, WasmFeatures};
use crate::signing::{KeyRing, Purpose, Sealer};
use crate::sys::memory::buffer_for;
use crate::threads::dispatch::on_worker;

/// Name of loading in errors that no function of the guest caused.
const LOAD: &str = "load";

impl Module {
    /// Compiles a module with Cranelift and seals it, to be loaded later or elsewhere by [`Module::load`].
    ///
    /// What comes out is native code for processors like this one, under the same operating system and the same
    /// version of this library. The key is a [`SigningKey`](crate::SigningKey), with which the module is loaded too, or a
    /// [`SealingKey`](crate::SealingKey), whose public half loads it.
    ///
    /// ```
    /// use sandbox_core::{Module, SecurityPolicy, SigningKey};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let wasm = wat::parse_str("(module)")?;
    /// let key = SigningKey::generate()?;
    /// let policy = SecurityPolicy::strict();
    /// let artifact = Module::precompile(&wasm, &policy, &key)?;
    /// let module = Module::load(&artifact, &policy, &key)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Module::compile`], and [`SandboxError::Unserializable`].
    pub fn precompile<'a>(
        wasm: &[u8],
        policy: &SecurityPolicy,
        key: impl Into<Sealer<'a>>,
    ) -> Result<Vec<u8>> {
        Self::precompile_with(wasm, policy, Compiler::default(), key)
    }

    /// Precompiles a module with a compiler of your choice.
    ///
    /// # Errors
    /// As [`Module::precompile`].
    pub fn precompile_with<'a>(
        wasm: &[u8],
        policy: &SecurityPolicy,
        compiler: Compiler,
        key: impl Into<Sealer<'a>>,
    ) -> Result<Vec<u8>> {
        Self::compile_with(wasm, policy, compiler)?.seal(key)
    }

    /// Seals the module, to be loaded later or elsewhere by [`Module::load`]. It is not compiled again.
    ///
    /// Of a module of the first tier of [`Tiering::Auto`](crate::Tiering::Auto) that is the code that it has now.
    ///
    /// # Errors
    /// [`SandboxError::Unserializable`].
    pub fn seal<'a>(&self, key: impl Into<Sealer<'a>>) -> Result<Vec<u8>> {
        self.newest().seal_for(key.into(), Purpose::Shipping)
    }

    /// Loads what [`Module::precompile`] or [`Module::seal`] returned, with a key or a [ring](KeyRing) of them.
    ///
    /// The whole artifact is authenticated with the key before any of it is interpreted; then it must have been
    /// made by the same version of this library and of Wasmer, for this target, for no processor feature that is
    /// missing here, and under settings that the policy allows. The policy's limit of the module's size is held
    /// against the WebAssembly that the artifact was compiled from.
    ///
    /// # Errors
    /// [`SandboxError::ArtifactRejected`] with the reason and what to do about it,
    /// [`SandboxError::ModuleTooLarge`] or [`SandboxError::CompileLimit`].
    pub fn load(sealed: &[u8], policy: &SecurityPolicy, keys: impl Into<KeyRing>) -> Result<Self> {
        Self::load_owned(copy(sealed), policy, &keys.into())
    }

    /// Loads a module as [`Module::load`] does, unless this process has it already: from an artifact, or compiled by a
    /// sandbox. The artifact is authenticated all the same.
    ///
    /// # Errors
    /// As [`Module::load`].
    pub fn load_cached(
        sealed: &[u8],
        policy: &SecurityPolicy,
        keys: impl Into<KeyRing>,
    ) -> Result<Self> {
        let (code, identity) = Self::unseal(copy(sealed), policy, &keys.into())?;
        let (key, wasm_bytes) = (*identity.digest().as_bytes(), identity.wasm_bytes());
        let wasm_bytes = usize::try_from(wasm_bytes).unwrap_or(usize::MAX);
        let module = MemoryCache::of_process().get_or_make(key, wasm_bytes, || {
            Self::load_native(&code, identity, ModuleOrigin::Precompiled)
        })?;
        module.require_within_limits(policy)?;
        Ok(module.under(policy))
    }

    /// Loads a module as [`Module::load`] does, on a worker thread.
    ///
    /// # Errors
    /// As [`Module::load`].
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn load_async(
        sealed: impl Into<Bytes>,
        policy: &SecurityPolicy,
        keys: impl Into<KeyRing>,
    ) -> Result<Self> {
        let (sealed, policy, keys) = (sealed.into(), policy.clone(), keys.into());
        on_worker(LOAD, move || Self::load_owned(sealed, &policy, &keys)).await?
    }

    /// Loads a precompiled module from a file. It is the quicker way, since nothing is copied.
    ///
    /// The file is read into memory whole, verified there, and used from there. It is not mapped: a mapped file can
    /// change after it was verified.
    ///
    /// # Errors
    /// As [`Module::load`], and [`SandboxError::SourceUnreadable`].
    pub fn load_file(
        path: impl AsRef<Path>,
        policy: &SecurityPolicy,
        keys: impl Into<KeyRing>,
    ) -> Result<Self> {
        let path = path.as_ref();
        let sealed = read(path)
            .map_err(|error| SandboxError::SourceUnreadable { path: path.to_owned(), error })?;
        Self::load_owned(sealed.into(), policy, &keys.into())
    }

    /// Loads a precompiled module from a file as [`Module::load_file`] does, on a worker thread.
    ///
    /// # Errors
    /// As [`Module::load_file`].
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn load_file_async(
        path: impl AsRef<Path>,
        policy: &SecurityPolicy,
        keys: impl Into<KeyRing>,
    ) -> Result<Self> {
        let (path, policy, keys) = (path.as_ref().to_owned(), policy.clone(), keys.into());
        on_worker(LOAD, move || Self::load_file(path, &policy, &keys)).await?
    }

    /// Reads what an artifact says of itself, without a key. Nothing of it is authenticated: it helps to find out which key
    /// or machine an artifact is for, and says nothing about whether it may be loaded.
    ///
    /// # Errors
    /// [`SandboxError::ArtifactRejected`] for what is no artifact of this version, or not whole.
    pub fn inspect(sealed: &[u8]) -> Result<ArtifactInfo> {
        let claimed = artifact::claimed(&Bytes::copy_from_slice(sealed));
        let (claims, identity) = claimed.map_err(SandboxError::ArtifactRejected)?;
        let (target, sandbox, wasmer) = identity.build();
        Ok(ArtifactInfo {
            key_id: claims.key.iter().map(|byte| format!("{byte:02x}")).collect(),
            is_signed: claims.is_signed,
            wasm_hash: identity.wasm_hash().to_owned(),
            wasm_bytes: identity.wasm_bytes(),
            compiler: identity.settings().compiler(),
            is_metered: identity.settings().is_metered(),
            features: identity.settings().features(),
            target: target.to_owned(),
            sandbox_version: sandbox.to_owned(),
            wasmer_version: wasmer.to_owned(),
            cpu_features: identity.cpu_features().to_vec(),
        })
    }

    fn unseal(
        sealed: Bytes,
        policy: &SecurityPolicy,
        keys: &KeyRing,
    ) -> Result<(Unsealed, Identity)> {
        let unsealed = artifact::unseal_shipped(sealed, policy, keys);
        let (code, identity) = unsealed.map_err(SandboxError::ArtifactRejected)?;
        validation::check_bytes(identity.wasm_bytes(), policy)?;
        Ok((code, identity))
    }

    fn load_owned(sealed: Bytes, policy: &SecurityPolicy, keys: &KeyRing) -> Result<Self> {
        let (code, identity) = Self::unseal(sealed, policy, keys)?;
        let module = Self::load_native(&code, identity, ModuleOrigin::Precompiled)?;
        module.require_within_limits(policy)?;
        Ok(module.under(policy))
    }

    /// The native code in a file that only holders of the key can make or change.
    pub(super) fn seal_for(&self, key: Sealer<'_>, purpose: Purpose) -> Result<Vec<u8>> {
        let serialized = self.inner.compiled.serialize().and_then(artifact::strip);
        let native = serialized
            .map_err(|error| SandboxError::Unserializable { message: error.to_string() })?;
        Ok(artifact::seal(&native, self.identity(), self.behaviour(), self.names(), key, purpose))
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.inner.identity
    }
}

/// A copy, since native code stays in use for as long as its module.
fn copy(sealed: &[u8]) -> Bytes {
    // Where there is no memory for it, the allocator says so.
    let mut copy = buffer_for(sealed.len()).unwrap_or_default();
    copy.extend_from_slice(sealed);
    copy.into()
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut content = buffer_for(usize::try_from(len).unwrap_or(usize::MAX))?;
    file.read_to_end(&mut content)?;
    Ok(content)
}

/// Description of an artifact by itself; see [`Module::inspect`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArtifactInfo {
    /// The name of the key that it was sealed with, in hexadecimal.
    pub key_id: String,
    /// Whether it was sealed with a [`SealingKey`](crate::SealingKey), and not with a [`SigningKey`](crate::SigningKey).
    pub is_signed: bool,
    /// The BLAKE3 hash of the WebAssembly that it was compiled from, in hexadecimal.
    pub wasm_hash: String,
    /// The length of that.
    pub wasm_bytes: u64,
    /// Compiler that made the code.
    pub compiler: Compiler,
    /// Whether the code counts fuel.
    pub is_metered: bool,
    /// The features that the module was allowed to use.
    pub features: WasmFeatures,
    /// The system that it is for, as a target triple.
    pub target: String,
    /// The version of this library that made it, and the revision of what that makes.
    pub sandbox_version: String,
    /// The version of Wasmer that made it.
    pub wasmer_version: String,
    /// The features of the processor that the code may use, by name.
    pub cpu_features: Vec<String>,
}
