//! Compiled modules: validated, inspected, ready to be instantiated.

mod artifact;
mod behaviour;
mod cache;
mod compiler;
mod exports;
mod extent;
mod join;
mod metering;
mod names;
mod nans;
mod outline;
mod shipping;
mod signatures;
mod start;
mod tiering;
mod validation;

use std::sync::Arc;

use wasmer::Engine;

use crate::error::{ArtifactRejection, Result, SandboxError};
use crate::marshal::export::{Export, ExportKind, Formats, Payloads};
use crate::policy::{CompileMeasure, Compiler, SecurityPolicy};
use crate::sys::code::Code;
use crate::sys::entry::Reach;
use crate::sys::system;
use crate::text::cut;

pub(crate) use behaviour::Behaviour;
pub(crate) use cache::{CacheOptions, obtain_tiered};
pub(crate) use compiler::Wanted;
pub(crate) use extent::Extent;
pub(crate) use metering::FUEL_EXPORT;
pub(crate) use names::shown;
pub use outline::{ExternalType, ModuleExport, ModuleImport};
pub use shipping::ArtifactInfo;
pub(crate) use start::START_EXPORT;
pub use tiering::Tiering;

use artifact::{Identity, Unsealed};
use compiler::{CodeSettings, Hurry};
use exports::{DeclaredImports, Index};
use join::join;
use names::Names;
use tiering::Successor;

/// An exported function of a module, by its place among those that can be [called](Module::callable).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FunctionId(usize);

impl FunctionId {
    pub(crate) const fn index(self) -> usize {
        self.0
    }
}

/// Number of functions' names that an error lists, and the length of each, in bytes.
const MOST_NAMES: usize = 64;
const MOST_NAME_BYTES: usize = 1024;

/// From how many bytes on a module's behaviour is found out on a thread of its own.
const JOIN_BYTES: usize = 64 * 1024;

/// A module that has been validated and compiled. Cheap to clone, and safe to share between sandboxes
/// with different policies, since most limits belong to instances. What a policy says about the code itself
/// (its features, its NaNs, whether it is metered) has to hold for the code already: a sandbox with a stricter
/// policy than the module was compiled under refuses it.
///
/// ```
/// use sandbox_core::{Module, SecurityPolicy};
///
/// # fn main() -> sandbox_core::Result<()> {
/// let wasm = wat::parse_str(r#"(module (func (export "answer") (result i32) i32.const 42))"#)
///     .expect("valid text");
/// let module = Module::compile(&wasm, &SecurityPolicy::strict())?;
/// assert_eq!(module.function_names(), ["answer"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Module {
    inner: Arc<ModuleInner>,
    origin: ModuleOrigin,
    /// Of the first tier: the better code that is being made.
    successor: Option<Arc<Successor>>,
    /// The limits that it was compiled or loaded under.
    policy: Option<Arc<SecurityPolicy>>,
}

/// Where the native code of a [`Module`] came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ModuleOrigin {
    /// It was compiled for this value.
    Compiled,
    /// This process had it already.
    MemoryCache,
    /// A process of this user had compiled it and left it in the cache folder.
    DiskCache,
    /// It was precompiled, and loaded with [`Module::load`].
    Precompiled,
}

struct ModuleInner {
    // Before the engine: the artifact must go before the code it registered.
    compiled: wasmer::Module,
    engine: Engine,
    identity: Identity,
    behaviour: Behaviour,
    names: Names,
    code: Arc<Code>,
    exports: Vec<Export>,
    index: Index,
    formats: Formats,
    declared_imports: DeclaredImports,
    memory_minimum_bytes: u64,
}

impl Module {
    /// Validates and compiles a module with Cranelift, on the calling thread.
    ///
    /// The policy says how large the module may be and how much is compiled of it, which WebAssembly features it may
    /// use, and whether it is metered. Its limits go with the module: a sandbox that is given no other policy runs under
    /// them, and grants nothing. A module that would take an optimising compiler disproportionately long is
    /// compiled with Singlepass instead ([`CompileLimits::phis`](crate::CompileLimits::phis)), or refused where that is not there;
    /// [`Module::compiler`] tells.
    ///
    /// # Errors
    /// [`SandboxError::ModuleTooLarge`], [`SandboxError::InvalidModule`],
    /// [`SandboxError::ForbiddenFeature`], [`SandboxError::UnsupportedFeature`], [`SandboxError::CompileLimit`],
    /// [`SandboxError::CollidingTypes`], [`SandboxError::CompilationTimeout`], [`SandboxError::InvalidDeclaration`],
    /// [`SandboxError::Compilation`] or [`SandboxError::SystemRefused`].
    pub fn compile(wasm: &[u8], policy: &SecurityPolicy) -> Result<Self> {
        Self::compile_with(wasm, policy, Compiler::default())
    }

    /// Compiles a module with a compiler of your choice.
    ///
    /// # Errors
    /// As [`Module::compile`], and [`SandboxError::ForbiddenCompiler`].
    pub fn compile_with(wasm: &[u8], policy: &SecurityPolicy, compiler: Compiler) -> Result<Self> {
        validation::check_size(wasm, policy)?;
        let identity = Identity::new(wasm, &CodeSettings::new(policy, compiler));
        let compiled =
            Self::compile_as(wasm, policy, identity, Hurry::CallerWaits, &Wanted::always())?;
        Ok(compiled.under(policy))
    }

    /// Compiles a module whose identity is already known.
    fn compile_as(
        wasm: &[u8],
        policy: &SecurityPolicy,
        identity: Identity,
        hurry: Hurry,
        wanted: &Wanted,
    ) -> Result<Self> {
        let span = tracing::debug_span!(
            "compile",
            module = identity.wasm_hash(),
            wasm_bytes = wasm.len(),
            compiler = %identity.settings().compiler(),
        );
        let _entered = span.enter();
        let chosen = identity.settings().compiler();
        if !policy.compilers.allow(chosen) {
            return Err(SandboxError::ForbiddenCompiler { compiler: chosen });
        }
        system::try_executable_memory()?;
        if chosen.needs_a_thread() {
            system::try_thread()?;
        }
        let survey = || Behaviour::of(wasm);
        let validate = || validation::check(wasm, policy, identity.settings().compiler());
        let (behaviour, validated) = if hurry == Hurry::CallerWaits && wasm.len() >= JOIN_BYTES {
            let (behaviour, validated) = join(survey, validate);
            (behaviour, validated?)
        } else {
            let validated = validate()?;
            (survey(), validated)
        };
        let extent = behaviour.extent();
        extent.require_within(&policy.compile_limits)?;
        let compiler = identity.settings().compiler();
        let (identity, validated) = if Some(compiler) != Compiler::linear()
            && extent.has_too_many_phis(&policy.compile_limits)
        {
            let refusal = extent.refusal(CompileMeasure::Phis, &policy.compile_limits);
            let Some(linear) = Compiler::linear().filter(|it| policy.compilers.allow(*it)) else {
                return Err(refusal);
            };
            tracing::debug!(%refusal, "a module is compiled with {linear} instead");
            // What that one lacks says nothing about why it was asked.
            let validated = validation::check(wasm, policy, linear).map_err(|_| refusal)?;
            (Identity::new(wasm, &CodeSettings::without_phis(policy, compiler, linear)), validated)
        } else {
            (identity, validated)
        };
        let (compiled, engine) =
            compiler::compile(validated, identity.settings(), policy, hurry, wanted)?;
        let names = Names::of(wasm);
        Self::assemble(compiled, engine, identity, (behaviour, names), ModuleOrigin::Compiled)
    }

    /// Loads native code that was verified.
    fn load_native(code: &Unsealed, identity: Identity, origin: ModuleOrigin) -> Result<Self> {
        system::try_executable_memory()?;
        let engine = compiler::engine_to_load();
        let compiled = crate::sys::artifact::load(&engine, code.native()).map_err(|error| {
            let message = error.to_string();
            match crate::sys::artifact::unmet_need(&message) {
                Some(need) => {
                    SandboxError::SystemRefused { need, error: std::io::Error::other(message) }
                }
                None => SandboxError::ArtifactRejected(ArtifactRejection::Unloadable { message }),
            }
        })?;
        let known = (code.behaviour().clone(), code.names().clone());
        Self::assemble(compiled, engine, identity, known, origin)
    }

    fn assemble(
        compiled: wasmer::Module,
        engine: Engine,
        identity: Identity,
        (behaviour, names): (Behaviour, Names),
        origin: ModuleOrigin,
    ) -> Result<Self> {
        let exports::Declarations { mut exports, index, formats, imports: declared_imports } =
            exports::inspect(&compiled)?;
        for export in &mut exports {
            export.pure =
                matches!(export.kind, ExportKind::Numbers(_)) && behaviour.is_pure(&export.name);
            export.reach = match behaviour.reach(&export.name) {
                // Code of that compiler calls Wasmer's functions, and not ours that stand before them.
                Reach::OwnFunctions if !identity.settings().compiler().holds_untrusted_guests() => {
                    Reach::Builtins
                }
                reach => reach,
            };
        }
        let code = Arc::new(Code::of(&compiled));
        let memory_minimum_bytes = compiled
            .info()
            .memories
            .values()
            .map(|memory| u64::from(memory.minimum.0) * crate::policy::PAGE_BYTES)
            .sum();
        Ok(Self {
            inner: Arc::new(ModuleInner {
                compiled,
                engine,
                identity,
                behaviour,
                names,
                code,
                exports,
                index,
                formats,
                declared_imports,
                memory_minimum_bytes,
            }),
            origin,
            successor: None,
            policy: None,
        })
    }

    /// Where the native code came from: whether it had to be compiled.
    pub fn origin(&self) -> ModuleOrigin {
        self.origin
    }

    /// Returns the module, said to come from there.
    fn with_origin(&self, origin: ModuleOrigin) -> Self {
        Self { inner: Arc::clone(&self.inner), origin, successor: None, policy: None }
    }

    /// Returns the module, which brings the policy's limits along, and nothing of what that grants.
    pub(crate) fn under(mut self, policy: &SecurityPolicy) -> Self {
        self.policy = Some(Arc::new(policy.without_grants()));
        self
    }

    /// The policy that a sandbox of the module has unless it is given one: that which the module was compiled or loaded
    /// under, without what it grants.
    pub fn policy(&self) -> Option<&SecurityPolicy> {
        self.policy.as_deref()
    }

    /// Returns the module, which gives way to better code when that is there.
    fn with_successor(self, successor: Arc<Successor>) -> Self {
        Self { successor: Some(successor), ..self }
    }

    /// Compiler that made the native code. It can be another than was chosen: that of the first tier with
    /// [`Tiering::Auto`], and Singlepass for a module with more [`phis`](crate::CompileLimits::phis) than the policy
    /// allows.
    pub fn compiler(&self) -> Compiler {
        self.inner.identity.settings().compiler()
    }

    /// The best code that there is of this module now: what new instances run.
    pub(crate) fn newest(&self) -> &Self {
        self.successor.as_deref().and_then(Successor::found).unwrap_or(self)
    }

    /// Whether there is better code by now.
    pub(crate) fn is_outdated(&self) -> bool {
        self.successor.as_deref().is_some_and(|successor| successor.found().is_some())
    }

    /// The best code that there will be of this module.
    pub(crate) async fn best(&self) -> &Self {
        if let Some(successor) = &self.successor {
            successor.settled().await;
        }
        self.newest()
    }

    /// Has something done when there is better code, if any is being made.
    pub(crate) fn when_outdated(&self, hook: impl FnOnce() + Send + 'static) {
        if let Some(successor) = &self.successor {
            successor.when_found(Box::new(hook));
        }
    }

    /// Whether a place among the exports of one means the same as in the other.
    fn has_the_exports_of(&self, other: &Self) -> bool {
        self.callable().len() == other.callable().len()
            && self.callable().iter().zip(other.callable()).all(|(own, other)| {
                own.name == other.name
                    && own.pure == other.pure
                    && own.signature() == other.signature()
            })
    }

    /// Amount of that measure in the module, to choose [`CompileLimits`](crate::CompileLimits) by. Of what is counted
    /// for each function: the most of one.
    pub fn count(&self, measure: CompileMeasure) -> u64 {
        self.extent().count(measure)
    }

    /// The BLAKE3 hash of the module's Wasm bytes, in hexadecimal.
    pub fn wasm_hash(&self) -> &str {
        self.inner.identity.wasm_hash()
    }

    /// The names of the functions that can be called, sorted.
    pub fn function_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.inner.index.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn compiled(&self) -> &wasmer::Module {
        &self.inner.compiled
    }

    /// Where its native code lies.
    pub(crate) fn code(&self) -> &Arc<Code> {
        &self.inner.code
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// The functions that can be called.
    pub(crate) fn callable(&self) -> &[Export] {
        &self.inner.exports
    }

    pub(crate) fn formats(&self) -> Formats {
        self.inner.formats
    }

    /// Behaviour of its code: what it can do to the state of its instances.
    pub(crate) fn behaviour(&self) -> &Behaviour {
        &self.inner.behaviour
    }

    /// The names of its functions.
    pub(crate) fn names(&self) -> &Names {
        &self.inner.names
    }

    /// Declaration of the guest about an import, if it makes one.
    pub(crate) fn declared_import(&self, module: &str, name: &str) -> Option<&Payloads> {
        if self.inner.declared_imports.is_empty() {
            return None;
        }
        self.inner.declared_imports.get(&(module.to_owned(), name.to_owned()))
    }

    /// The linear memory that an instance starts with, in bytes.
    pub(crate) fn memory_minimum_bytes(&self) -> u64 {
        self.inner.memory_minimum_bytes
    }

    /// Whether the code counts the work that it does.
    pub(crate) fn is_metered(&self) -> bool {
        self.inner.identity.settings().is_metered()
    }

    /// Refuses to run under a policy that wants other code.
    pub(crate) fn require_allowed(&self, policy: &SecurityPolicy) -> Result<()> {
        validation::check_bytes(self.inner.identity.wasm_bytes(), policy)?;
        self.require_within_limits(policy)?;
        let settings = self.inner.identity.settings();
        settings.require_allowed(policy).map_err(SandboxError::ArtifactRejected)
    }

    /// Refuses what would not be compiled under the policy, although it was: so it does not matter where it came from.
    fn require_within_limits(&self, policy: &SecurityPolicy) -> Result<()> {
        self.extent().require_within(&policy.compile_limits)
    }

    /// Amounts in the module of what takes time and memory.
    pub(crate) fn extent(&self) -> &Extent {
        self.inner.behaviour.extent()
    }

    /// Whether the compiler would have to merge more values than the policy has it do.
    fn has_too_many_phis(&self, policy: &SecurityPolicy) -> bool {
        self.extent().has_too_many_phis(&policy.compile_limits)
    }

    /// Whether both run the same code now and will later. One that was compiled with Singlepass on purpose and one of
    /// the first tier only have the first in common.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        let same_successor = match (&self.successor, &other.successor) {
            (None, None) => true,
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            _ => false,
        };
        Arc::ptr_eq(&self.inner, &other.inner) && same_successor
    }

    /// Tells modules apart, as long as they live.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.inner).addr()
    }

    /// All exports with what stands for them.
    pub(crate) fn functions(&self) -> impl Iterator<Item = (FunctionId, &Export)> {
        self.inner.exports.iter().enumerate().map(|(at, export)| (FunctionId(at), export))
    }

    pub(crate) fn export(&self, id: FunctionId) -> &Export {
        &self.inner.exports[id.0]
    }

    /// Finds an export by its name.
    ///
    /// # Errors
    /// [`SandboxError::NoSuchFunction`], with the names that there are.
    pub(crate) fn function(&self, name: &str) -> Result<(FunctionId, &Export)> {
        match self.inner.index.get(name) {
            Some(&at) => Ok((FunctionId(at), &self.inner.exports[at])),
            None => Err(self.no_such_function(name)),
        }
    }

    /// Names some of the functions that there are: a module may have a million, with names of a hundred kilobytes.
    #[cold]
    fn no_such_function(&self, name: &str) -> SandboxError {
        let mut names: Vec<&str> = self.inner.index.keys().map(String::as_str).collect();
        let more = names.len().saturating_sub(MOST_NAMES);
        if more > 0 {
            names.select_nth_unstable(MOST_NAMES);
            names.truncate(MOST_NAMES);
        }
        names.sort_unstable();
        let available = names.into_iter().map(|name| cut(name.to_owned(), MOST_NAME_BYTES));
        SandboxError::NoSuchFunction { name: name.to_owned(), available: available.collect(), more }
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module").field("functions", &self.function_names()).finish()
    }
}
