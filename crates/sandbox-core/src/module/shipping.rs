//! Compiled modules that are taken to other machines.

use std::path::Path;

use bytes::Bytes;

use super::artifact::{self, Identity};
use super::{Module, ModuleOrigin, validation};
use crate::error::{Result, SandboxError};
use crate::policy::{Compiler, SecurityPolicy};
use crate::signing::{Purpose, SigningKey};

impl Module {
    /// Compiles a module with Cranelift and seals it, to be loaded later or elsewhere by [`Module::load`].
    ///
    /// What comes out is native code for processors like this one, under the same operating system and the same
    /// version of this library. The key is symmetric: see [`SigningKey`] for what that means.
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
    pub fn precompile(wasm: &[u8], policy: &SecurityPolicy, key: &SigningKey) -> Result<Vec<u8>> {
        Self::precompile_with(wasm, policy, Compiler::default(), key)
    }

    /// Precompiles a module with a compiler of your choice.
    ///
    /// # Errors
    /// As [`Module::precompile`].
    pub fn precompile_with(
        wasm: &[u8],
        policy: &SecurityPolicy,
        compiler: Compiler,
        key: &SigningKey,
    ) -> Result<Vec<u8>> {
        Self::compile_with(wasm, policy, compiler)?.seal(key, Purpose::Shipping)
    }

    /// Loads what [`Module::precompile`] returned.
    ///
    /// The whole artifact is authenticated with the key before any of it is interpreted; then it must have been
    /// made by the same version of this library and of Wasmer, for this target, for no processor feature that is
    /// missing here, and under settings that the policy allows. The policy's limit of the module's size is held
    /// against the WebAssembly that the artifact was compiled from.
    ///
    /// # Errors
    /// [`SandboxError::ArtifactRejected`] with the reason and what to do about it,
    /// [`SandboxError::ModuleTooLarge`] or [`SandboxError::CompileLimit`].
    pub fn load(sealed: &[u8], policy: &SecurityPolicy, key: &SigningKey) -> Result<Self> {
        // A copy: native code stays in use for as long as the module.
        Self::load_owned(Bytes::copy_from_slice(sealed), policy, key)
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
        key: &SigningKey,
    ) -> Result<Self> {
        let path = path.as_ref();
        let sealed = std::fs::read(path)
            .map_err(|error| SandboxError::SourceUnreadable { path: path.to_owned(), error })?;
        Self::load_owned(sealed.into(), policy, key)
    }

    fn load_owned(sealed: Bytes, policy: &SecurityPolicy, key: &SigningKey) -> Result<Self> {
        let (code, identity) = artifact::unseal_shipped(sealed, policy, key)
            .map_err(SandboxError::ArtifactRejected)?;
        validation::check_bytes(identity.wasm_bytes(), policy)?;
        let module = Self::load_native(&code, identity, ModuleOrigin::Precompiled)?;
        module.require_within_limits(policy)?;
        Ok(module.under(policy))
    }

    /// The native code in a file that only holders of the key can make or change.
    pub(super) fn seal(&self, key: &SigningKey, purpose: Purpose) -> Result<Vec<u8>> {
        let serialized = self.inner.compiled.serialize().and_then(artifact::strip);
        let native = serialized
            .map_err(|error| SandboxError::Unserializable { message: error.to_string() })?;
        Ok(artifact::seal(&native, self.identity(), self.behaviour(), self.names(), key, purpose))
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.inner.identity
    }
}
