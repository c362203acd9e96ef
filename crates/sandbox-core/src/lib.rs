//! An async sandbox for WebAssembly over Wasmer.
//!
//! Give it a module that you do not trust, and call its functions:
//!
//! ```
//! use sandbox_core::{SecurityPolicy, WasmSandbox};
//!
//! # #[tokio::main]
//! # async fn main() -> sandbox_core::Result<()> {
//! # let wasm = wat::parse_str(r#"(module (func (export "add") (param i32 i32) (result i32)
//! #     local.get 0 local.get 1 i32.add))"#).expect("valid text");
//! let sandbox = WasmSandbox::builder()
//!     .source_bytes(&wasm)
//!     .security_policy(SecurityPolicy::strict())
//!     .build()
//!     .await?;
//! let sum: i32 = sandbox.call("add", (42i32, 24i32)).await?;
//! assert_eq!(sum, 66);
//! # Ok(())
//! # }
//! ```
//!
//! - [`WasmSandbox`] is a module behind its limits; [`WasmSandboxBuilder`] describes it.
//! - [`StreamingSandbox`] passes streams of bytes through a guest.
//! - [`HostFunctions`] are functions of the host that guests may call.
//! - [`SecurityPolicy`] says what the guest may use, and how much.
//! - [`SandboxError`] says what went wrong. A guest can fail in every way it likes; the host does not panic.
//! - [`Module`] is compiled code, to be shared between sandboxes.

mod call;
mod error;
mod format;
mod host;
mod instance;
mod module;
mod policy;
mod sandbox;
mod streaming;
mod sys;
mod usage;
mod wasi;
mod watchdog;

pub use error::{Result, SandboxError, TrapCode, ValueDirection};
pub use format::{SerializationFormat, UnknownFormat};
pub use host::{
    Caller, ExchangeError, GuestMemoryError, HostFunctions, HostNumber, HostNumbers, HostOutcome,
    IntoAsyncHostFunction, IntoAsyncValueFunction, IntoHostFunction, IntoValueFunction,
    MissingContext, WithCaller, WithoutCaller,
};
pub use module::{ArtifactRejection, Compiler, Module, ModuleOrigin, SigningKey};
pub use policy::{
    Access, Clock, EnvironmentVariable, FolderGrant, GrantUse, InstanceMode, Randomness,
    SecurityPolicy,
};
pub use sandbox::{
    Function, IntoFormat, MemoryReset, RunOutput, RunRequest, WasmSandbox, WasmSandboxBuilder,
};
pub use streaming::{StreamProcessor, StreamingSandbox, StreamingSandboxBuilder};
pub use usage::ResourceUsage;
pub use wasi::Output;
