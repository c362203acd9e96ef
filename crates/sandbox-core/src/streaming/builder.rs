//! Describing a streaming sandbox.

use std::any::Any;
use std::path::PathBuf;

use super::StreamingSandbox;
use crate::error::Result;
use crate::host::HostFunctions;
use crate::module::Module;
use crate::policy::SecurityPolicy;
use crate::sandbox::{WasmSandbox, WasmSandboxBuilder};

/// The largest chunk that a guest gets, unless the builder says otherwise: large enough that the call costs
/// little beside the copy, small enough to stay in a processor's cache.
const BUFFER_BYTES: usize = 64 * 1024;

/// Describes a [`StreamingSandbox`]; [`StreamingSandbox::builder`] makes one.
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct StreamingSandboxBuilder {
    sandbox: WasmSandboxBuilder,
    function: Option<String>,
    buffer_bytes: usize,
}

impl Default for StreamingSandboxBuilder {
    fn default() -> Self {
        Self { sandbox: WasmSandbox::builder(), function: None, buffer_bytes: BUFFER_BYTES }
    }
}

impl StreamingSandboxBuilder {
    /// Takes the module from a file.
    pub fn source(mut self, path: impl Into<PathBuf>) -> Self {
        self.sandbox = self.sandbox.source(path);
        self
    }

    /// Takes the module from memory. The bytes are copied.
    pub fn source_bytes(mut self, wasm: impl AsRef<[u8]>) -> Self {
        self.sandbox = self.sandbox.source_bytes(wasm);
        self
    }

    /// Takes a module that is already compiled.
    pub fn module(mut self, module: &Module) -> Self {
        self.sandbox = self.sandbox.module(module);
        self
    }

    /// Sets the limits that the guest runs under, chunk by chunk, as [`WasmSandboxBuilder::security_policy`].
    ///
    /// A stream has one instance for all its chunks whatever the policy says about instances.
    pub fn security_policy(mut self, policy: SecurityPolicy) -> Self {
        self.sandbox = self.sandbox.security_policy(policy);
        self
    }

    /// Sets the largest linear memory, in bytes, where the policy allows more.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.sandbox = self.sandbox.memory_limit(bytes);
        self
    }

    /// Offers functions of the host to the guest, as [`WasmSandboxBuilder::host_functions`].
    pub fn host_functions(mut self, functions: &HostFunctions) -> Self {
        self.sandbox = self.sandbox.host_functions(functions);
        self
    }

    /// Gives a value to the host functions, as [`WasmSandboxBuilder::context`]. All streams see the same.
    pub fn context<T: Any + Send + Sync>(mut self, context: T) -> Self {
        self.sandbox = self.sandbox.context(context);
        self
    }

    /// Makes any other choice that there is for a sandbox: the compiler, the cache, the format of values, functions of the
    /// host.
    ///
    /// ```no_run
    /// # use sandbox_core::{Compiler, Result, StreamingSandbox};
    /// # async fn example() -> Result<StreamingSandbox> {
    /// StreamingSandbox::builder()
    ///     .source("stream_processor.wasm")
    ///     .configure(|sandbox| sandbox.compiler(Compiler::Singlepass).enable_cache(true))
    ///     .build()
    ///     .await
    /// # }
    /// ```
    pub fn configure(
        mut self,
        choose: impl FnOnce(WasmSandboxBuilder) -> WasmSandboxBuilder,
    ) -> Self {
        self.sandbox = choose(self.sandbox);
        self
    }

    /// Chooses the function of streams, for a module that has several.
    pub fn function(mut self, name: impl Into<String>) -> Self {
        self.function = Some(name.into());
        self
    }

    /// Sets the largest chunk that the guest gets, in bytes, at least one. The default is 64 KiB.
    pub fn buffer_size(mut self, bytes: usize) -> Self {
        self.buffer_bytes = bytes.max(1);
        self
    }

    /// Loads and compiles the module, and checks that it has a function of streams.
    ///
    /// # Errors
    /// As [`WasmSandboxBuilder::build`], and
    /// [`SandboxError::InvalidDeclaration`](crate::SandboxError::InvalidDeclaration) if there is no function of
    /// streams, or more than one and none was chosen.
    ///
    /// # Cancel safety
    /// As [`WasmSandboxBuilder::build`].
    pub async fn build(self) -> Result<StreamingSandbox> {
        let sandbox = self.sandbox.persistent().build().await?;
        StreamingSandbox::new(sandbox, self.function.as_deref(), self.buffer_bytes)
    }

    /// Does what [`build`](Self::build) does, on the calling thread and without an async runtime.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_blocking(self) -> Result<StreamingSandbox> {
        let sandbox = self.sandbox.persistent().build_blocking()?;
        StreamingSandbox::new(sandbox, self.function.as_deref(), self.buffer_bytes)
    }
}
