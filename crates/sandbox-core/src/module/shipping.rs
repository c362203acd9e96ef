//! Compiled modules that are taken to other machines.

use bytes::Bytes;

use super::artifact::{self, Identity};
use super::signing::{Purpose, SigningKey};
use super::{Compiler, Module, ModuleOrigin, validation};
use crate::error::{Result, SandboxError};
use crate::policy::SecurityPolicy;

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

    /// The same as [`Module::precompile`], with a compiler of your choice.
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
    /// [`SandboxError::ArtifactRejected`] with the reason and what to do about it, or
    /// [`SandboxError::ModuleTooLarge`].
    pub fn load(sealed: &[u8], policy: &SecurityPolicy, key: &SigningKey) -> Result<Self> {
        // A copy: native code stays in use for as long as the module.
        let file = Bytes::copy_from_slice(sealed);
        let (code, identity) =
            artifact::unseal_shipped(file, policy, key).map_err(SandboxError::ArtifactRejected)?;
        validation::check_bytes(identity.wasm_bytes(), policy)?;
        let engine = identity.settings().engine(0);
        Self::load_native(&code, engine, identity, ModuleOrigin::Precompiled)
    }

    /// The native code in a file that only holders of the key can make or change.
    pub(super) fn seal(&self, key: &SigningKey, purpose: Purpose) -> Result<Vec<u8>> {
        let native = self
            .inner
            .compiled
            .serialize()
            .map_err(|error| SandboxError::Unserializable { message: error.to_string() })?;
        Ok(artifact::seal(&native, self.identity(), &self.inner.behaviour, key, purpose))
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.inner.identity
    }
}
