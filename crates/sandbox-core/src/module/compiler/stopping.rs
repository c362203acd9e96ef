//! Stopping a compiler between two functions, and refusing more code than can be linked.
//!
//! Wasmer's own way to watch a compilation validates the module once more, which takes a fifth of the time of the quickest
//! compiler. So the compiler itself is wrapped: it does what it does, and is asked to report its progress to us.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use enumset::EnumSet;
use wasmer::CompileError;
use wasmer::sys::{CompilerConfig, CpuFeature, Features, ModuleMiddleware, Target};
use wasmer_compiler::types::function::Compilation;
use wasmer_compiler::types::module::CompileModuleInfo;
use wasmer_compiler::{Compiler, Debugger, FunctionBodyData, ModuleTranslationState};
use wasmer_types::entity::PrimaryMap;
use wasmer_types::target::UserCompilerOptimizations;
use wasmer_types::{CompilationProgressCallback, LocalFunctionIndex, UserAbort};

use crate::error::SandboxError;
use crate::policy::SecurityPolicy;

/// The most native code of one module. Calls reach two gigabytes far, and Wasmer does not look whether that is enough.
const MOST_CODE_BYTES: usize = 1 << 30;

/// Name of what is cancelled when a build is, in errors.
const BUILDING: &str = "_initialize";

/// Whether somebody still wants what is being compiled.
#[derive(Clone)]
pub(crate) struct Wanted(Arc<dyn Fn() -> bool + Send + Sync>);

impl Wanted {
    /// By somebody who waits until it is there.
    pub(crate) fn always() -> Self {
        Self::while_true(|| true)
    }

    /// As long as that is so, which is asked on any thread.
    pub(crate) fn while_true(wanted: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(wanted))
    }

    fn is_so(&self) -> bool {
        (self.0)()
    }
}

impl std::fmt::Debug for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Wanted").field(&self.is_so()).finish()
    }
}

/// When a compilation stops before it is done.
#[derive(Debug, Clone)]
pub(super) struct Stop(Arc<Terms>);

#[derive(Debug)]
struct Terms {
    /// Interest in the code. `None` once the compilation is over: the compiler lives as long as the code, and whoever
    /// wanted that does not.
    wanted: Mutex<Option<Wanted>>,
    limit: Option<(Instant, Duration)>,
}

impl Stop {
    /// For a compilation that begins now.
    pub(super) fn new(policy: &SecurityPolicy, wanted: &Wanted) -> Self {
        let limit = policy.compile_limits.time;
        let limit = limit.and_then(|limit| Some((Instant::now().checked_add(limit)?, limit)));
        Self(Arc::new(Terms { wanted: Mutex::new(Some(wanted.clone())), limit }))
    }

    /// Why it stops now, if it does.
    pub(super) fn reason(&self) -> Option<SandboxError> {
        let Self(terms) = self;
        let wanted = lock(&terms.wanted).clone();
        if wanted.is_some_and(|wanted| !wanted.is_so()) {
            return Some(SandboxError::Cancelled {
                function: BUILDING.to_owned(),
                call: Box::default(),
            });
        }
        let (_, limit) = terms.limit.filter(|(at, _)| Instant::now() >= *at)?;
        Some(SandboxError::CompilationTimeout { limit })
    }

    /// The compilation is over.
    pub(super) fn forget(&self) {
        lock(&self.0.wanted).take();
    }

    fn callback(&self) -> CompilationProgressCallback {
        let stop = self.clone();
        CompilationProgressCallback::new(move |_| match stop.reason() {
            Some(reason) => Err(UserAbort::new(reason.to_string())),
            None => Ok(()),
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A compiler's configuration that makes it one that can be stopped.
pub(super) struct Stoppable<C> {
    config: C,
    stop: Stop,
}

impl<C: CompilerConfig + 'static> Stoppable<C> {
    pub(super) fn new(config: C, stop: Stop) -> Self {
        Self { config, stop }
    }
}

impl<C: CompilerConfig + 'static> CompilerConfig for Stoppable<C> {
    fn compiler(self: Box<Self>) -> Box<dyn Compiler> {
        let Self { config, stop } = *self;
        Box::new(StoppableCompiler {
            inner: Box::new(config).compiler(),
            callback: stop.callback(),
        })
    }

    fn default_features_for_target(&self, target: &Target) -> Features {
        self.config.default_features_for_target(target)
    }

    fn supported_features_for_target(&self, target: &Target) -> Features {
        self.config.supported_features_for_target(target)
    }

    fn push_middleware(&mut self, middleware: Arc<dyn ModuleMiddleware>) {
        self.config.push_middleware(middleware);
    }
}

/// The compiler itself.
#[derive(Debug)]
struct StoppableCompiler {
    inner: Box<dyn Compiler>,
    callback: CompilationProgressCallback,
}

impl Compiler for StoppableCompiler {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn deterministic_id(&self) -> String {
        self.inner.deterministic_id()
    }

    fn artifact_format(&self) -> String {
        self.inner.artifact_format()
    }

    fn with_opts(&mut self, options: &UserCompilerOptimizations) -> Result<(), CompileError> {
        self.inner.with_opts(options)
    }

    fn validate_module(&self, features: &Features, wasm: &[u8]) -> Result<(), CompileError> {
        self.inner.validate_module(features, wasm)
    }

    fn compile_module(
        &self,
        target: &Target,
        module: &CompileModuleInfo,
        info: &[u8],
        translation: &ModuleTranslationState,
        bodies: PrimaryMap<LocalFunctionIndex, FunctionBodyData<'_>>,
        callback: Option<&CompilationProgressCallback>,
    ) -> Result<Compilation, CompileError> {
        let callback = callback.unwrap_or(&self.callback);
        let compiled =
            self.inner.compile_module(target, module, info, translation, bodies, Some(callback))?;
        match code_bytes(&compiled) {
            code_bytes if code_bytes > MOST_CODE_BYTES => Err(CompileError::Resource(format!(
                "{code_bytes} bytes of native code are more than can be called across"
            ))),
            _ => Ok(compiled),
        }
    }

    fn get_middlewares(&self) -> &[Arc<dyn ModuleMiddleware>] {
        self.inner.get_middlewares()
    }

    fn enable_readonly_funcref_table(&self) -> bool {
        self.inner.enable_readonly_funcref_table()
    }

    fn get_cpu_features_used(&self, features: &EnumSet<CpuFeature>) -> EnumSet<CpuFeature> {
        self.inner.get_cpu_features_used(features)
    }

    fn get_perfmap_enabled(&self) -> bool {
        self.inner.get_perfmap_enabled()
    }

    fn get_debugger(&self) -> Option<Debugger> {
        self.inner.get_debugger()
    }
}

fn code_bytes(compiled: &Compilation) -> usize {
    match compiled {
        Compilation::Elf { data, .. } => data.len(),
        Compilation::Rkyv { compilation, .. } => {
            let functions = compilation.functions.values().map(|function| function.body.body.len());
            let calls = compilation.function_call_trampolines.values();
            let imports = compilation.dynamic_function_trampolines.values();
            let sections = compilation.custom_sections.values().map(|section| section.bytes.len());
            functions.sum::<usize>()
                + calls.chain(imports).map(|trampoline| trampoline.body.len()).sum::<usize>()
                + sections.sum::<usize>()
        }
    }
}
