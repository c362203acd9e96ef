//! Describing a sandbox.

mod source;

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tracing::field::{Empty, debug};

use super::WasmSandbox;
use super::instances::Instances;
use super::snapshot::Snapshot;
use crate::context::Context;
use crate::error::{CoreDumps, Result, SandboxError};
use crate::format::{SerializationFormat, UnknownFormat};
use crate::host::{HostBinding, HostFunctions, IntoAsyncHostFunction, IntoHostFunction};
use crate::instance::INSTANTIATION;
use crate::instance::Recipe;
use crate::module::{CacheOptions, Module, Tiering, Wanted};
#[cfg(feature = "wasix")]
use crate::package::PackageCommand;
use crate::policy::{Compiler, InstanceMode, SecurityPolicy};
use crate::profile::Profiler;
use crate::sys::memory::ResetMethod;
use crate::threads::callers_thread::CallPlacement;
use crate::threads::dispatch::on_worker;
use crate::watchdog::cancellation::Cancellation;
use source::Source;

/// Describes a sandbox; [`WasmSandbox::builder`] makes one.
///
/// ```no_run
/// use sandbox_core::{SecurityPolicy, WasmSandbox};
///
/// # async fn example() -> sandbox_core::Result<()> {
/// let sandbox = WasmSandbox::builder()
///     .source("plugin.wasm")
///     .security_policy(SecurityPolicy::strict())
///     .memory_limit(128 * 1024 * 1024)
///     .serialization_format("messagepack")
///     .build()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until it is built"]
pub struct WasmSandboxBuilder {
    source: Source,
    #[cfg(feature = "wasix")]
    command: Option<PackageCommand>,
    policy: Option<SecurityPolicy>,
    /// Whatever the policy says.
    instances: Option<InstanceMode>,
    max_instances: Option<usize>,
    memory_limit_bytes: Option<u64>,
    format: FormatChoice,
    compiler: Compiler,
    tiering: Tiering,
    cache: CacheOptions,
    placement: CallPlacement,
    host_functions: HostFunctions,
    context: Context,
    memory_reset: MemoryReset,
    core_dumps: CoreDumps,
    profiler: Option<Profiler>,
}

/// Way in which fresh instances get back the memory that an earlier call wrote to.
///
/// All ways have the same result; they differ in speed. See [`WasmSandboxBuilder::memory_reset`].
///
/// A process that locks its memory with `mlockall`, and not with `MCL_ONFAULT`, after it has made sandboxes has to
/// choose [`MemoryReset::Copy`]: with the others, a call could then see what an earlier one wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MemoryReset {
    /// The quickest way that the operating system offers, found out by trying. The default.
    #[default]
    Quickest,
    /// The pages that calls wrote to are dropped, and come back by page faults. Needs Linux with files in memory
    /// (`memfd_create`), and is [`Copy`](Self::Copy) elsewhere.
    Discard,
    /// All of the memory is copied back. Needs nothing of the operating system.
    Copy,
}

impl MemoryReset {
    fn method(self) -> ResetMethod {
        match self {
            Self::Quickest => ResetMethod::quickest(),
            Self::Discard => ResetMethod::discard(),
            Self::Copy => ResetMethod::Copy,
        }
    }
}

#[derive(Debug, Default)]
enum FormatChoice {
    /// The best one that the guest knows.
    #[default]
    Guests,
    Known(SerializationFormat),
    Unknown(UnknownFormat),
}

/// Name of a serialization format: the format itself, or its name as text.
pub trait IntoFormat: sealed::Format {
    /// The format, if there is one of that name.
    ///
    /// # Errors
    /// [`UnknownFormat`] for any other name.
    fn into_format(self) -> Result<SerializationFormat, UnknownFormat>;
}

/// A bound that no other crate can name.
mod sealed {
    pub trait Format {}
}

impl sealed::Format for SerializationFormat {}
impl sealed::Format for &str {}

impl IntoFormat for SerializationFormat {
    fn into_format(self) -> Result<SerializationFormat, UnknownFormat> {
        Ok(self)
    }
}

impl IntoFormat for &str {
    fn into_format(self) -> Result<SerializationFormat, UnknownFormat> {
        self.parse()
    }
}

impl WasmSandboxBuilder {
    /// Takes the module from a file.
    pub fn source(mut self, path: impl Into<PathBuf>) -> Self {
        self.source = Source::File(path.into());
        self
    }

    /// Takes the module from memory. The bytes are copied.
    pub fn source_bytes(mut self, wasm: impl AsRef<[u8]>) -> Self {
        self.source = Source::Bytes(Bytes::copy_from_slice(wasm.as_ref()));
        self
    }

    /// Takes a module that is already compiled. Compiler and cache have nothing to do then.
    pub fn module(mut self, module: &Module) -> Self {
        self.source = Source::Module(module.clone());
        self
    }

    /// Takes module and policy of a snapshot, and has every instance of the sandbox begin as what was snapshotted: the one
    /// instance of the mode [`Persistent`](InstanceMode::Persistent), and each call in the mode
    /// [`Fresh`](InstanceMode::Fresh). No guest code runs for that. Programs that are [run](WasmSandbox::run) begin anew.
    ///
    /// A [policy](Self::security_policy) that is given as well has to be the snapshot's, in which only the instance mode and the
    /// number of instances may differ; else it is an error of [`build`](Self::build). Compiler, tiering and cache have
    /// nothing to do. [`Snapshot`] has an example.
    pub fn snapshot(mut self, snapshot: &Snapshot) -> Self {
        self.source = Source::Snapshot(snapshot.clone());
        self
    }

    /// Takes the module of a package's command, to be [run](WasmSandbox::run) as a program, and what the package says of
    /// it: its arguments and environment come before those of the policy and of each run, and its folders are granted
    /// beside those of the policy, to be read only. A policy that refuses grants refuses these too.
    ///
    /// Calling [`source`](Self::source) or its like afterwards takes another module, with the same folders, arguments and
    /// environment.
    ///
    /// ```
    /// use sandbox_core::{Package, RunRequest, WasmSandbox};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # std::fs::write(folder.path().join("wasmer.toml"), r#"
    /// #     [package]
    /// #     name = "example/empty"
    /// #     version = "0.1.0"
    /// #     [[module]]
    /// #     name = "empty"
    /// #     source = "empty.wasm"
    /// #     abi = "wasi"
    /// #     [[command]]
    /// #     name = "empty"
    /// #     module = "empty"
    /// # "#)?;
    /// # std::fs::write(folder.path().join("empty.wasm"), wat::parse_str(r#"(module (func (export "_start")))"#)?)?;
    /// # let path = folder.path();
    /// let package = Package::from_folder(path)?;
    /// let sandbox = WasmSandbox::builder().package_command(package.command("empty")?).build_blocking()?;
    /// assert_eq!(sandbox.run_blocking(RunRequest::new())?.exit_code, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "wasix")]
    pub fn package_command(mut self, command: &PackageCommand) -> Self {
        self.source = Source::Command(command.clone());
        self.command = Some(command.clone());
        self
    }

    /// Sets the limits that the guest runs under. The default is [that of the module](Module::policy), if it was compiled or
    /// loaded before, else [`SecurityPolicy::basic`].
    pub fn security_policy(mut self, policy: SecurityPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Sets the largest linear memory, in bytes, where the policy allows more. It never raises the policy's limit:
    /// [`SecurityPolicy::with_memory_limit`] does.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory_limit_bytes = Some(bytes);
        self
    }

    /// Sets the format in which serde values travel: a [`SerializationFormat`] or its name. Without it that is MessagePack,
    /// or, for a guest that was built without it, JSON or else bincode.
    ///
    /// A name that is none is an error of [`build`](Self::build).
    pub fn serialization_format(mut self, format: impl IntoFormat) -> Self {
        self.format = match format.into_format() {
            Ok(format) => FormatChoice::Known(format),
            Err(unknown) => FormatChoice::Unknown(unknown),
        };
        self
    }

    /// Sets what compiles the module. The default is Cranelift.
    pub fn compiler(mut self, compiler: Compiler) -> Self {
        self.compiler = compiler;
        self
    }

    /// Sets whether a module that was never seen starts at once, on code that is quickly made, and gets that of the
    /// [chosen compiler](Self::compiler) later. The default is [`Tiering::Off`]; it says why.
    ///
    /// ```
    /// use sandbox_core::{Compiler, Tiering, WasmSandbox};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> sandbox_core::Result<()> {
    /// # let wasm = wat::parse_str(r#"(module (func (export "answer") (result i32) i32.const 42))"#)
    /// #     .expect("valid text");
    /// let sandbox = WasmSandbox::builder()
    ///     .source_bytes(&wasm)
    ///     .tiering(Tiering::Auto)
    ///     .build()
    ///     .await?;
    /// assert_eq!(sandbox.module().compiler(), Compiler::Singlepass);
    /// assert_eq!(sandbox.call::<i32>("answer", ()).await?, 42);
    /// assert_eq!(sandbox.optimised().await.compiler(), Compiler::Cranelift);
    /// # Ok(())
    /// # }
    /// ```
    pub fn tiering(mut self, tiering: Tiering) -> Self {
        self.tiering = tiering;
        self
    }

    /// Sets whether compiled modules are kept and used again.
    ///
    /// With `true` they are kept in memory, for this process, and in a [folder](Self::cache_dir), for all
    /// processes of this user; with `false` nowhere, and the module is compiled anew. If this is not called, they
    /// are kept in memory, and in a folder only if one is named: nothing is written to disk unasked.
    pub fn enable_cache(mut self, enable: bool) -> Self {
        if enable {
            self.cache.switch_on();
        } else {
            self.cache.switch_off();
        }
        self
    }

    /// Compiles the module anew, and keeps it nowhere.
    pub fn disable_cache(self) -> Self {
        self.enable_cache(false)
    }

    /// Sets the folder in which compiled modules are kept, and with that keeps them there, unless the cache is
    /// disabled.
    ///
    /// The default is `wasm-sandbox/modules` in `$XDG_CACHE_HOME` or in `~/.cache`. The folder is made if it is
    /// not there. It must belong to the user who runs this process, and nobody else may write to it: what lies in
    /// it is native code. Entries are authenticated with a key that lies beside them, so do not grant a
    /// guest this folder or one above it.
    ///
    /// A folder or an entry that cannot be used is never an error: the module is compiled, and a `tracing` event
    /// of level `WARN` says why.
    pub fn cache_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.cache.set_folder(path.into());
        self
    }

    /// Sets how large all entries of the cache folder may be together, in bytes. The default is 1 GiB.
    ///
    /// What was not used for longest is removed to make room.
    pub fn cache_limit(mut self, bytes: u64) -> Self {
        self.cache.set_limit(bytes);
        self
    }

    /// Sets how [fresh](crate::InstanceMode::Fresh) instances get their memory back. There is no need to, but to test
    /// what happens on other systems.
    pub fn memory_reset(mut self, reset: MemoryReset) -> Self {
        self.memory_reset = reset;
        self
    }

    /// Sets which failures of guests leave a core dump, for a debugger; see [`CoreDump`](crate::CoreDump).
    ///
    /// A dump is about as large as the part of the guest's memory that is not zero, and lies in the error
    /// ([`SandboxError::core_dump`]). The default is none.
    ///
    /// ```
    /// use sandbox_core::{CoreDumps, WasmSandbox};
    ///
    /// # fn main() -> sandbox_core::Result<()> {
    /// # let wasm = wat::parse_str(r#"(module (memory 1) (func (export "f") unreachable))"#).expect("valid text");
    /// let builder = WasmSandbox::builder().source_bytes(&wasm).core_dumps(CoreDumps::OnTrap);
    /// let error = builder.build_blocking()?.call_blocking::<()>("f", ()).expect_err("it traps");
    /// let dump = error.core_dump().expect("it was asked for");
    /// assert!(dump.as_bytes().starts_with(b"\0asm"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn core_dumps(mut self, core_dumps: CoreDumps) -> Self {
        self.core_dumps = core_dumps;
        self
    }

    /// Has the guest sampled as it runs, its initialisation included; see [`Profiler`]. The default is not to, which costs
    /// nothing.
    ///
    /// ```
    /// use sandbox_core::{Profiler, WasmSandbox};
    ///
    /// # fn main() -> sandbox_core::Result<()> {
    /// # let wasm = wat::parse_str(r#"(module (func $work (export "work") (param i32)
    /// #     (loop $again (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#).expect("valid text");
    /// let profiler = Profiler::new();
    /// let sandbox = WasmSandbox::builder().source_bytes(&wasm).profiler(&profiler).build_blocking()?;
    /// sandbox.call_blocking::<()>("work", 100_000_000)?;
    /// let profile = profiler.profile();
    /// println!("{} samples, {} lost", profile.samples(), profile.lost());
    /// # let json =
    /// profile.to_speedscope();
    /// # assert!(json.contains(r#""name":"work""#), "{json}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn profiler(mut self, profiler: &Profiler) -> Self {
        self.profiler = Some(profiler.clone());
        self
    }

    /// Has the sandbox serve one caller at a time, whatever the policy says.
    pub(crate) fn one_at_a_time(mut self) -> Self {
        self.max_instances = Some(1);
        self
    }

    /// Has all calls share an instance, whatever the policy says.
    pub(crate) fn persistent(mut self) -> Self {
        self.instances = Some(InstanceMode::Persistent);
        self
    }

    /// Chooses which thread runs the calls of async tasks. The default is [`CallPlacement::Adaptive`].
    pub fn call_placement(mut self, placement: CallPlacement) -> Self {
        self.placement = placement;
        self
    }

    /// Offers the functions of a set to the guest, beside those that it is offered already. That two of them have one
    /// name is an error of [`build`](Self::build).
    pub fn host_functions(mut self, functions: &HostFunctions) -> Self {
        self.host_functions = self.host_functions.merge(functions);
        self
    }

    /// Offers one function to the guest; see [`HostFunctions::function`].
    ///
    /// ```
    /// use sandbox_core::WasmSandbox;
    ///
    /// # fn main() -> sandbox_core::Result<()> {
    /// # let wasm = wat::parse_str(r#"(module
    /// #     (import "env" "price" (func $price (param i32) (result f64)))
    /// #     (func (export "total") (param i32 i32) (result f64)
    /// #         (f64.mul (call $price (local.get 0)) (f64.convert_i32_u (local.get 1)))))"#).expect("valid text");
    /// let sandbox = WasmSandbox::builder()
    ///     .source_bytes(&wasm)
    ///     .host_function("env", "price", |article: u32| f64::from(article) / 4.0)
    ///     .build_blocking()?;
    /// assert_eq!(sandbox.call_blocking::<f64>("total", (10, 3))?, 7.5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn host_function<Kind, Arguments, Outcome>(
        mut self,
        module: impl Into<String>,
        name: impl Into<String>,
        function: impl IntoHostFunction<Kind, Arguments, Outcome>,
    ) -> Self {
        self.host_functions = self.host_functions.function(module, name, function);
        self
    }

    /// Offers one async function to the guest; see [`HostFunctions::async_function`].
    pub fn async_host_function<Kind, Arguments, Outcome>(
        mut self,
        module: impl Into<String>,
        name: impl Into<String>,
        function: impl IntoAsyncHostFunction<Kind, Arguments, Outcome>,
    ) -> Self {
        self.host_functions = self.host_functions.async_function(module, name, function);
        self
    }

    /// Gives a value to the host functions of this sandbox, which get it with
    /// [`Caller::context`](crate::Caller::context). There is one; a second replaces the first.
    ///
    /// So functions that many sandboxes share can know for which of them they work. All instances of the sandbox see
    /// the same value. What changes in it is behind a lock or an atomic; it belongs to the host, and
    /// lives on when an instance is replaced.
    pub fn context<T: Any + Send + Sync>(mut self, context: T) -> Self {
        self.context = Context::new(context);
        self
    }

    /// Loads, validates, compiles and instantiates the module on a worker thread.
    ///
    /// # Errors
    /// Every cause of [`SandboxError`] that concerns loading and starting a module, up to a trap or a timeout
    /// in its start function.
    ///
    /// # Cancel safety
    /// Dropping the future stops a guest that is being started, and a compilation at its next function.
    pub async fn build(self) -> Result<WasmSandbox> {
        let cancellation = Cancellation::default();
        let guard = cancellation.on_drop();
        let sandbox = on_worker(INSTANTIATION, move || self.load(&cancellation)).await;
        guard.disarm();
        sandbox?
    }

    /// Builds the sandbox on the calling thread, without an async runtime.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_blocking(self) -> Result<WasmSandbox> {
        self.load(&Cancellation::default())
    }

    fn load(self, cancellation: &Cancellation) -> Result<WasmSandbox> {
        let mut policy = self.policy.or_else(|| self.source.policy().cloned()).unwrap_or_default();
        policy.memory_limit_bytes = match (policy.memory_limit_bytes, self.memory_limit_bytes) {
            (Some(most), Some(wanted)) => Some(most.min(wanted)),
            (most, wanted) => most.or(wanted),
        };
        policy.instances = self.instances.unwrap_or(policy.instances);
        policy.max_instances = self.max_instances.unwrap_or(policy.max_instances);
        #[cfg(feature = "wasix")]
        let program = self.command.map(|command| command.apply(&mut policy));
        #[cfg(not(feature = "wasix"))]
        let program = None;
        let reset = self.memory_reset.method();
        let snapshot = self.source.snapshot().cloned();
        if let Some(snapshot) = &snapshot {
            snapshot.require_suits(&policy, reset)?;
        }
        let format = match self.format {
            FormatChoice::Guests => None,
            FormatChoice::Known(format) => Some(format),
            FormatChoice::Unknown(unknown) => return Err(SandboxError::UnknownFormat(unknown)),
        };
        let span = tracing::debug_span!(
            "build",
            instances = ?policy.instances,
            module = Empty,
            origin = Empty,
        );
        let _entered = span.enter();
        let wanted = Wanted::while_true({
            let cancellation = cancellation.clone();
            move || !cancellation.is_cancelled()
        });
        let module =
            self.source.load(&policy, self.compiler, self.tiering, &self.cache, &wanted)?;
        let module = module.under(&policy);
        let format = format.unwrap_or_else(|| module.formats().best());
        span.record("module", module.wasm_hash());
        span.record("origin", debug(module.origin()));
        let host = HostBinding::new(&module, self.host_functions, self.context)?;
        let (policy, core_dumps, profiler) = (Arc::new(policy), self.core_dumps, self.profiler);
        let mut recipe = Recipe { module, policy, host, reset, core_dumps, profiler };
        let instances = match &snapshot {
            None => Instances::new(&recipe, cancellation),
            Some(snapshot) => Instances::of_snapshot(&recipe, snapshot.template(), cancellation),
        }?;
        if let Some(shared) = instances.policy() {
            recipe.policy = shared;
        }
        Ok(WasmSandbox::new(recipe, format, self.placement, program, instances))
    }
}
