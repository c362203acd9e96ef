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
//! # What to use for what
//!
//! Each row has an example in the folder `examples` of this crate; `cargo run -p sandbox-core --example NAME` runs it,
//! and the tests run all of them.
//!
//! | to | use | example |
//! |---|---|---|
//! | call any function of numbers | [`WasmSandbox::call`] | `numbers` |
//! | pass bytes or text, with one copy each way | the same, and a guest written with `sandbox-guest` | `bytes_and_text` |
//! | pass any serde value | [`IntoGuest`], [`SerializationFormat`], [`Json`] | `values` |
//! | call one function often, or read its output where it lies | [`WasmSandbox::function`], [`WasmSandbox::call_with`] | `handles` |
//! | call what is known only at run time, or test without guests | [`Callable`], [`Value`], [`Module::exports`], [`MockSandbox`] | `dynamic_calls` |
//! | use pointers and lengths, or make several calls one step | [`WasmSandbox::session`] | `sessions` |
//! | make many calls in one turn | [`WasmSandbox::call_batch`] | `batches` |
//! | pass a stream through a guest | [`StreamingSandbox`] | `streaming` |
//! | know a source that failed from one that ended | [`StreamOutput`] | `failing_stream` |
//! | run a WASI program | [`WasmSandbox::run`] | `wasi_command` |
//! | show output as it comes, and know what a program left, also if it failed | [`WasmSandbox::run_reported`] | `runner` |
//! | let guests call functions of yours | [`HostFunctions`] | `host_functions` |
//! | grant folders, variables, arguments | [`SecurityPolicy::with_folder`] and its like | `folders` |
//! | run a command of a Wasmer package | `Package`, with the feature `wasix` | `packages` |
//! | set limits, and tell failures apart | [`SecurityPolicy`], [`SandboxError`] | `limits_and_errors` |
//! | stop a call | drop it, [`WasmSandbox::with_time_limit`], [`CancelHandle`] | `cancellation` |
//! | serve many callers | [`SandboxPool`] | `pool` |
//! | have no call see what another left | [`InstanceMode::Fresh`] | `fresh_instances` |
//! | compile once | [`WasmSandboxBuilder::cache_dir`], [`Module::precompile`] | `compiled_modules` |
//! | serve plugins of many tenants, and swap them in use | [`SandboxPool::replace`], [`SandboxPool::with_context`], [`SandboxPool::with_deadline`] | `web_service` |
//! | compile in one place and load in others, which cannot forge | [`Module::seal`], [`SealingKey`], [`KeyRing`] | `farm` |
//! | see what calls cost | [`WasmSandbox::usage`], [`ResourceUsage`], `tracing` | `usage_and_tracing` |
//! | do without tokio, or without async | [`WasmSandbox::call_blocking`], any executor | `without_tokio` |
//!
//! # What a guest may do
//!
//! What its [`SecurityPolicy`] says, and nothing else: the memory, time and output that it may use, and the folders,
//! variables and clocks that it sees. Four presets go from [`permissive`](SecurityPolicy::permissive) to
//! [`paranoid`](SecurityPolicy::paranoid), and every field can be changed. Limits hold from the first
//! instruction of a start function.
//!
//! A guest can fail in every way it likes: the host gets a [`SandboxError`] and does not panic, and the next call
//! finds a new instance.
//!
//! # What the process leaves to the sandbox
//!
//! Guests trap and are stopped by signals, so the process leaves some to the sandbox:
//!
//! - Crash handlers (for `SIGSEGV`, `SIGILL`, `SIGFPE`, `SIGBUS`) are installed before the first sandbox is made, or call the handler
//!   that they replace. One that does neither is found out when the next instance is made, or within an eighth of a
//!   second while guests run; a guest that traps before that ends the process.
//! - `SIGURG` may be used by others too: their handlers are called for all signals that the sandbox did not send.
//! - Handlers of other signals are installed with `SA_ONSTACK`, because a guest's stack may be nearly used up.
//! - Threads may block all signals, but not begin to in the middle of a row of calls.
//!
//! Where the system refuses what guests need (signals, threads, memory that can be executed), no guest runs and the error is
//! [`SandboxError::SystemRefused`], which says what helps. `SECURITY.md` in the repository has the details.
//!
//! # State
//!
//! A persistent sandbox has one instance. What a call leaves in its memory the next one finds, and calls take turns.
//! With [`InstanceMode::Fresh`] each call begins with what the module's start left, and calls run side by side.
//! [`SecurityPolicy::strict`] and [`paranoid`](SecurityPolicy::paranoid) are of the second kind; a [`Session`] holds one
//! instance for several calls under either. A [`SandboxPool`] has several sandboxes; which of them a caller gets is not
//! said. A [`Snapshot`] is what a guest is between two calls, for other sandboxes to begin as, here or in another process.
//!
//! # Threads
//!
//! A guest never holds up other tasks for long. A function runs on threads of this library until it has been quick
//! many times in a row, and then on the caller's thread, where a call costs little more than a function call. If
//! it turns out to be slow there, the caller's runtime is given another thread within milliseconds, and the function
//! goes back to ours. Where a runtime cannot be given one, all calls run on ours. [`CallPlacement`] is the choice.
//!
//! # Dropping and cancelling
//!
//! | dropping | does |
//! |---|---|
//! | a [sandbox](WasmSandbox), a [handle](Function), a [module](Module) | nothing to others: clones, handles and running calls keep what they need, and the last one frees it |
//! | the future of a [call](WasmSandbox::call) | before its turn: nothing; while the guest runs: stops it within milliseconds, and the next call finds a new instance |
//! | the future of a [run](WasmSandbox::run) | stops the program within milliseconds; its instance is its own |
//! | a [session](Session) | gives a persistent instance back as it is, and resets a fresh one |
//! | the future of a session's call | stops the guest, and ends the session |
//! | a [stream's output](StreamOutput) | ends the stream, and stops the guest if it works on a chunk |
//! | a [lease](PooledSandbox) of a pool | gives the place back |
//!
//! So all futures of this library are cancel safe in that nothing of the host is lost or left inconsistent; what a guest
//! that was stopped has done outside its instance, through functions of the host or in granted folders, is done. Each
//! method says what its own future leaves, under *Cancel safety*.
//!
//! Sandboxes, handles, modules, pools, leases, policies, keys and errors are `Send` and `Sync`; sessions, builders, requests
//! and the outputs of streams are `Send`. So are the futures of all calls, if their arguments are. The crate does not
//! compile if one of them is not.
//!
//! # What to try again
//!
//! [`SandboxError::class`] says whose matter an error is, and [`SandboxError::is_retryable`] whether the same call may succeed
//! a little later:
//!
//! | class | try again |
//! |---|---|
//! | [`Overload`](ErrorClass::Overload): no place in a pool, or none in time | yes, after a while, with a limit |
//! | [`Host`](ErrorClass::Host): the system gave no memory or thread ([`SystemNeed`]) | yes, after a while; other needs are the operator's |
//! | [`Host`](ErrorClass::Host): a host function failed | what its own error says ([`source`](std::error::Error::source)) |
//! | [`Guest`](ErrorClass::Guest), [`Limit`](ErrorClass::Limit) | no: the guest did something, perhaps for the second time, and would mostly do the same again |
//! | [`Module`](ErrorClass::Module), [`Usage`](ErrorClass::Usage) | no: another module, policy or call is needed |
//! | [`Cancelled`](ErrorClass::Cancelled) | whoever cancelled knows |
//!
//! After any of them the next call of the sandbox finds an instance that is whole. An error that the guest returned as a
//! value is had back as one ([`SandboxError::guest_error`]).
//!
//! # Swapping a plugin
//!
//! [`SandboxPool::replace`] puts a module in another's place without dropping a call: the new one is built first, calls in
//! progress end with the old one, whoever waits or comes gets the new one, and `replace` returns when the old one is out of
//! use. If the new one cannot be built, nothing has changed. Without a pool, keep the sandbox behind a lock or in an
//! `ArcSwap` and put another there: clones that calls still hold keep the old one alive until they are done.
//!
//! # What a sandbox costs in memory
//!
//! On Linux, of a small WASI reactor (the guest `simple_math`). The example `density` measures it, and the tests `density`
//! hold bounds a little above:
//!
//! | | resident | mappings | file descriptors | address space |
//! |---|---|---|---|---|
//! | a persistent sandbox | 16 KiB, and 4 KiB for each page that it wrote | 2 | none | 8 GiB and more for each memory |
//! | a sandbox with fresh instances, while it is not called | 2 KiB | none | none | none |
//! | all sandboxes of one module and policy together | the pages that initialisation wrote, once, and the instances that lie ready: as many as ran at once, at most [`max_instances`](SecurityPolicy::max_instances) | 4 | 1 | 8 GiB for each of those instances |
//!
//! A module takes its native code, once for all sandboxes and for all modules of the same bytes and settings that the cache
//! in memory keeps. A call that is not entered on the caller's stack takes one of the policy's
//! [size](SecurityPolicy::stack_bytes), which is kept for the next call. What a guest may make the host hold beside its
//! memory counts as that ([`memory_limit_bytes`](SecurityPolicy::memory_limit_bytes)).
//!
//! # Tracing
//!
//! At level `DEBUG` there are the spans `build`, `compile` and `call`, with the module's hash, the function and
//! the outcome ([`SandboxError::kind`]) as fields. Entries of the module cache that are refused are events of
//! level `WARN`, and so are modules that stay on the first tier of [`Tiering::Auto`].
//!
//! # Guests
//!
//! Any module with functions of numbers, and any WASI preview 1 command, runs as it is. A guest that takes more than
//! numbers is written in Rust with `sandbox-guest`, or in any language after its `ABI.md`:
//!
//! ```text
//! #[sandbox_guest::export]
//! fn greet(name: &str) -> String {
//!     format!("Hello, {name}!")
//! }
//! ```

mod bundle;
mod context;
mod error;
mod format;
mod host;
mod instance;
mod marshal;
#[cfg(feature = "metrics")]
pub mod metrics;
mod module;
mod output;
#[cfg(feature = "wasix")]
mod package;
mod policy;
mod pool;
mod profile;
mod sandbox;
mod signing;
mod streaming;
mod sync;
mod sys;
mod text;
mod threads;
mod usage;
mod wasi;
mod watchdog;

pub use bundle::{FileBundle, FileBundleBuilder, InvalidBundle};
/// The library whose [`Bytes`](bytes::Bytes) arguments, results and chunks of streams may be.
pub use bytes;
pub use error::{
    ArtifactRejection, BuildAspect, CoreDump, CoreDumps, DeniedCapability, ErrorClass,
    ErrorPayload, FailedCall, GrantKind, GuestMemoryError, NeededFeature, NestingFault,
    PackageMeasure, PolicyConflict, Result, SandboxError, Side, SnapshotFault, SystemNeed,
    TrapCode,
};
pub use format::{SerializationFormat, UnknownFormat};
/// The trait of streams that go through guests.
pub use futures::Stream;
pub use host::{
    Caller, ExchangeError, HostFunctions, HostNumber, HostNumbers, HostOutcome,
    IntoAsyncHostFunction, IntoAsyncValueFunction, IntoHostFunction, IntoValueFunction,
    MissingContext, WithCaller, WithoutCaller, WrongResults,
};
pub use marshal::convert::{Bincode, FromGuest, IntoGuest, Json, MsgPack};
pub use marshal::export::Payload;
pub use marshal::types::{NumberType, ValueType};
pub use marshal::value::{Value, Values};
pub use module::{
    ArtifactInfo, ExternalType, Module, ModuleExport, ModuleImport, ModuleOrigin, Tiering,
};
pub use output::{Output, OutputOverflow, OutputSink};
#[cfg(feature = "wasix")]
pub use package::{Package, PackageCommand, PackageVolume};
pub use policy::{
    Access, BundleGrant, Clock, CompileLimits, CompileMeasure, Compiler, Compilers,
    EnvironmentVariable, FolderGrant, FuelUnits, GrantUse, InstanceMode, ManualClock, NanBits,
    NetworkGrant, Ports, Randomness, SecurityPolicy, WasmFeature, WasmFeatures,
};
pub use pool::{
    ModuleStatus, PoolStatus, PooledFunction, PooledSandbox, SandboxPool, SandboxPoolBuilder,
    TenantStatus,
};
pub use profile::{Profile, Profiler};
pub use sandbox::{
    BatchIter, BatchResults, Callable, Function, IntoFormat, MemoryReset, MockSandbox, RunOutput,
    RunReport, RunRequest, Session, Snapshot, WasmSandbox, WasmSandboxBuilder,
};
pub use signing::{KeyRing, Sealer, SealingKey, SigningKey, VerifyingKey};
pub use streaming::{
    StreamItem, StreamOutput, StreamProcessor, StreamingSandbox, StreamingSandboxBuilder,
};
pub use threads::callers_thread::CallPlacement;
pub use usage::ResourceUsage;
#[cfg(feature = "wasix")]
pub use virtual_fs;
pub use wasi::{GuestFile, GuestFiles};
pub use watchdog::cancel_handle::CancelHandle;

// Types that users share between threads and tasks, or hand from one to another.
const _: () = {
    const fn shared<T: Send + Sync>() {}
    const fn handed_over<T: Send>() {}
    shared::<WasmSandbox>();
    shared::<Function<(i32, i32), i32>>();
    shared::<Module>();
    shared::<Snapshot>();
    shared::<Profiler>();
    shared::<Profile>();
    shared::<SandboxPool>();
    shared::<PooledSandbox>();
    shared::<PooledFunction<(i32, i32), i32>>();
    shared::<StreamingSandbox>();
    shared::<MockSandbox>();
    shared::<std::sync::Arc<dyn Callable>>();
    shared::<HostFunctions>();
    shared::<SecurityPolicy>();
    shared::<ManualClock>();
    shared::<CancelHandle>();
    shared::<OutputSink>();
    shared::<FileBundle>();
    shared::<GuestFiles>();
    shared::<Value>();
    shared::<BatchResults<i32>>();
    shared::<KeyRing>();
    shared::<SigningKey>();
    shared::<SealingKey>();
    shared::<VerifyingKey>();
    shared::<ArtifactInfo>();
    shared::<ResourceUsage>();
    shared::<PoolStatus>();
    shared::<SandboxError>();
    shared::<ErrorPayload>();
    shared::<RunReport>();
    #[cfg(feature = "wasix")]
    shared::<Package>();
    #[cfg(feature = "wasix")]
    shared::<PackageCommand>();
    handed_over::<Session>();
    handed_over::<RunRequest>();
    handed_over::<WasmSandboxBuilder>();
    handed_over::<SandboxPoolBuilder>();
    handed_over::<StreamingSandboxBuilder>();
    handed_over::<StreamProcessor>();
    handed_over::<StreamOutput<futures::stream::Empty<bytes::Bytes>>>();
};

// The examples of both READMEs are tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
#[doc = include_str!("../README.md")]
pub struct Readme;
