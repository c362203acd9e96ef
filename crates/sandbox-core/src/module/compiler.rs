//! From bytes to native code.

mod stopping;

use std::io;
use std::num::NonZero;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wasmer::sys::{CompilerConfig, Cranelift, EngineBuilder, Features};
use wasmer::{CompileError, Engine};

use super::metering::Metering;
use super::nans::CanonicalConversions;
use super::start::StartByHost;
use super::validation::Validated;
use crate::error::{ArtifactRejection, PolicyConflict, Result, SandboxError};
use crate::policy::names::{CompilerName, FeatureName};
use crate::policy::{Compiler, NanBits, SecurityPolicy, WasmFeature, WasmFeatures};
use crate::sys::artifact::unmet_need;
use crate::text::cut;

pub(crate) use stopping::Wanted;
use stopping::{Stop, Stoppable};

/// Length of a compiler's message that is kept, in bytes: it may quote the module.
const MOST_MESSAGE_BYTES: usize = 2048;

/// From so many bytes of Wasm for each thread on, starting one costs little of what it saves: some 50 us, where even
/// Singlepass compiles for milliseconds.
const WASM_BYTES_PER_THREAD: usize = 64 * 1024;

/// Whether somebody waits for a compilation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hurry {
    CallerWaits,
    Background,
}

/// All that decides, beside the module itself and the machine, what native code is made.
///
/// [`CodeSettings::engine`] sees nothing else. So whatever a policy or a builder wants to change about the code has
/// to become a field here, and with that becomes part of the key of every cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CodeSettings {
    compiler: Compiler,
    /// The WebAssembly features that the module was validated with.
    features: WasmFeatures,
    /// Whether the code counts the work that it does.
    metered: bool,
    /// Whether all NaNs that are computed have the same bits.
    canonical_nans: bool,
    /// The compiler that was chosen, and would have had to merge more values than the policy's limit of phis.
    in_place_of: Option<Compiler>,
}

/// Settings in the words of artifacts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordedSettings {
    compiler: CompilerName,
    features: Vec<FeatureName>,
    metered: bool,
    canonical_nans: bool,
    in_place_of: Option<CompilerName>,
}

impl RecordedSettings {
    /// The settings, if this build has their compilers.
    pub(super) fn known(self) -> Option<CodeSettings> {
        let Self { compiler, features, metered, canonical_nans, in_place_of } = self;
        Some(CodeSettings {
            compiler: compiler.known()?,
            features: features.into_iter().map(WasmFeature::from).collect(),
            metered,
            canonical_nans,
            in_place_of: match in_place_of {
                Some(chosen) => Some(chosen.known()?),
                None => None,
            },
        })
    }
}

impl CodeSettings {
    /// Settings for a module under that policy.
    pub(crate) fn new(policy: &SecurityPolicy, compiler: Compiler) -> Self {
        Self {
            compiler,
            features: policy.features.intersection(compiler.features()),
            metered: policy.fuel.is_some(),
            canonical_nans: policy.nan_bits == NanBits::Canonical,
            in_place_of: None,
        }
    }

    /// Settings for a module of which the chosen compiler would have to merge more values than the policy allows: it
    /// is compiled by the one that merges none.
    pub(super) fn without_phis(
        policy: &SecurityPolicy,
        chosen: Compiler,
        linear: Compiler,
    ) -> Self {
        Self { in_place_of: Some(chosen), ..Self::new(policy, linear) }
    }

    pub(crate) fn compiler(&self) -> Compiler {
        self.compiler
    }

    /// Settings as artifacts have them.
    pub(super) fn recorded(&self) -> RecordedSettings {
        let Self { compiler, features, metered, canonical_nans, in_place_of } = self;
        RecordedSettings {
            compiler: (*compiler).into(),
            features: features.iter().map(FeatureName::from).collect(),
            metered: *metered,
            canonical_nans: *canonical_nans,
            in_place_of: in_place_of.map(CompilerName::from),
        }
    }

    pub(super) fn features(&self) -> WasmFeatures {
        self.features
    }

    pub(crate) fn is_metered(&self) -> bool {
        self.metered
    }

    /// An engine for one module.
    ///
    /// Each module has an engine of its own because an engine keeps the code of everything it ever compiled
    /// until it is dropped itself. Metering is for one module too.
    fn engine(&self, threads: NonZero<usize>, changes: Changes, stop: &Stop) -> Engine {
        match self.compiler {
            Compiler::Cranelift => {
                let mut cranelift = Cranelift::new();
                cranelift.num_threads(threads).canonicalize_nans(self.canonical_nans);
                self.engine_of(cranelift, changes, stop)
            }
            #[cfg(feature = "singlepass")]
            Compiler::Singlepass => {
                let mut singlepass = wasmer::sys::Singlepass::new();
                singlepass.num_threads = threads;
                singlepass.canonicalize_nans(self.canonical_nans);
                self.engine_of(singlepass, changes, stop)
            }
            #[cfg(feature = "llvm")]
            Compiler::Llvm => {
                let mut llvm = wasmer::sys::LLVM::new();
                llvm.num_threads(threads);
                CompilerConfig::canonicalize_nans(&mut llvm, self.canonical_nans);
                self.engine_of(llvm, changes, stop)
            }
        }
    }

    /// Description that Wasmer gives of the compiler and its options. It stands here as well, and a test compares the two,
    /// because asking takes an engine, and making that counts the cores: longer than all else that is done with an
    /// identity.
    pub(super) fn compiler_options(&self) -> &'static str {
        match (self.compiler, self.canonical_nans) {
            (Compiler::Cranelift, false) => "cranelift-opts",
            (Compiler::Cranelift, true) => "cranelift-opts-nan_canon",
            #[cfg(feature = "singlepass")]
            (Compiler::Singlepass, false) => "singlepass",
            #[cfg(feature = "singlepass")]
            (Compiler::Singlepass, true) => "singlepass-nan_canon",
            #[cfg(feature = "llvm")]
            (Compiler::Llvm, false) => "llvm-opta",
            #[cfg(feature = "llvm")]
            (Compiler::Llvm, true) => "llvm-opta-nan_canon",
        }
    }

    fn engine_of(
        &self,
        mut compiler: impl CompilerConfig + 'static,
        changes: Changes,
        stop: &Stop,
    ) -> Engine {
        if changes == Changes::All {
            compiler.push_middleware(Arc::new(StartByHost));
        }
        if self.metered {
            compiler.push_middleware(Arc::new(Metering::default()));
        }
        // After metering, so that fuel is the same under every compiler.
        if self.canonical_nans && Some(self.compiler) == Compiler::linear() {
            compiler.push_middleware(Arc::new(CanonicalConversions));
        }
        let config: Box<dyn CompilerConfig> = Box::new(Stoppable::new(compiler, stop.clone()));
        EngineBuilder::new(config).set_features(Some(wasmers(self.features))).engine().into()
    }

    /// Refuses code that was made under a policy that allows more than this one.
    pub(super) fn require_allowed(&self, policy: &SecurityPolicy) -> Result<(), ArtifactRejection> {
        let refused = |conflict| Err(ArtifactRejection::ForbiddenByPolicy(conflict));
        if !policy.compilers.allow(self.compiler) {
            return refused(PolicyConflict::Compiler(self.compiler));
        }
        let forbidden = self.features.difference(policy.features);
        if !forbidden.is_empty() {
            return refused(PolicyConflict::Features(forbidden));
        }
        if policy.fuel.is_some() && !self.metered {
            return refused(PolicyConflict::Unmetered);
        }
        if policy.nan_bits == NanBits::Canonical && !self.canonical_nans {
            return refused(PolicyConflict::NativeNans);
        }
        Ok(())
    }
}

/// An engine for one module that was compiled before, and can compile none.
pub(super) fn engine_to_load() -> Engine {
    EngineBuilder::headless().engine().into()
}

/// The features in Wasmer's terms. Those that it does not list are always on there, and are forbidden by
/// validation alone.
fn wasmers(features: WasmFeatures) -> Features {
    let mut wasmers = Features::none();
    wasmers.threads = features.contains(WasmFeature::Threads);
    wasmers.reference_types = features.contains(WasmFeature::ReferenceTypes);
    wasmers.simd = features.contains(WasmFeature::Simd);
    wasmers.bulk_memory = features.contains(WasmFeature::BulkMemory);
    wasmers.multi_value = features.contains(WasmFeature::MultiValue);
    wasmers.tail_call = features.contains(WasmFeature::TailCalls);
    wasmers.multi_memory = features.contains(WasmFeature::MultiMemory);
    wasmers.exceptions = features.contains(WasmFeature::Exceptions);
    wasmers.relaxed_simd = features.contains(WasmFeature::RelaxedSimd);
    wasmers.extended_const = features.contains(WasmFeature::ExtendedConst);
    wasmers.wide_arithmetic = features.contains(WasmFeature::WideArithmetic);
    wasmers
}

/// Changes to the modules that an engine compiles.
///
/// Whatever may change instructions has each of them handed to it, which takes time also where it changes none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Changes {
    /// All that the settings say.
    All,
    /// Settings for a module that has nothing to do with start functions.
    AllButStart,
}

/// Compiles a module, and returns the engine that has its code too.
///
/// # Errors
/// Those of the module; [`SandboxError::CompilationTimeout`], or [`SandboxError::Cancelled`] if nobody wants it any longer.
pub(super) fn compile(
    module: Validated<'_>,
    settings: &CodeSettings,
    policy: &SecurityPolicy,
    hurry: Hurry,
    wanted: &Wanted,
) -> Result<(wasmer::Module, Engine)> {
    let threads = match hurry {
        Hurry::CallerWaits => threads_for(module.wasm().len()),
        Hurry::Background => NonZero::<usize>::MIN,
    };
    let changes = if module.concerns_start() { Changes::All } else { Changes::AllButStart };
    let stop = Stop::new(policy, wanted);
    let engine = settings.engine(threads, changes, &stop);
    let said = |message: String| cut(message, MOST_MESSAGE_BYTES);
    let compiled = crate::sys::artifact::compile(&engine, module.valid());
    let reason = stop.reason();
    stop.forget();
    let compiled = compiled.map_err(|error| match error {
        CompileError::Wasm(wasmer::WasmError::InvalidWebAssembly { message, offset }) => {
            SandboxError::InvalidModule { message: said(message), offset }
        }
        // Ours refuse nothing but exports with their own names.
        CompileError::MiddlewareError(message) => {
            SandboxError::InvalidDeclaration { message: said(message) }
        }
        CompileError::Aborted(aborted) => {
            reason.unwrap_or_else(|| SandboxError::Compilation { message: aborted.to_string() })
        }
        other => {
            let message = said(other.to_string());
            match unmet_need(&message) {
                Some(need) => {
                    SandboxError::SystemRefused { need, error: io::Error::other(message) }
                }
                None => SandboxError::Compilation { message },
            }
        }
    })?;
    Ok((compiled, engine))
}

/// The compilers' pools take all cores unless told otherwise, which is most of the time of a small module.
fn threads_for(wasm_bytes: usize) -> NonZero<usize> {
    let useful = NonZero::new(wasm_bytes / WASM_BYTES_PER_THREAD).unwrap_or(NonZero::<usize>::MIN);
    if useful == NonZero::<usize>::MIN {
        // To ask how many cores there are takes longer than to make the rest of an engine.
        return useful;
    }
    let cores = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    useful.min(cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NANS: [NanBits; 2] = [NanBits::Native, NanBits::Canonical];

    #[test]
    fn small_modules_are_compiled_by_one_thread() {
        assert_eq!(threads_for(0).get(), 1);
        assert_eq!(threads_for(WASM_BYTES_PER_THREAD).get(), 1);
    }

    #[test]
    fn compilers_and_their_options_are_called_what_wasmer_calls_them() {
        let basic = SecurityPolicy::basic();
        let compilers = [
            Compiler::Cranelift,
            #[cfg(feature = "singlepass")]
            Compiler::Singlepass,
            #[cfg(feature = "llvm")]
            Compiler::Llvm,
        ];
        for (compiler, nans) in
            compilers.iter().flat_map(|compiler| NANS.map(|nans| (*compiler, nans)))
        {
            let policy = basic.clone().with_nan_bits(nans);
            for policy in [policy.clone(), policy.with_fuel(1)] {
                let settings = CodeSettings::new(&policy, compiler);
                let stop = Stop::new(&policy, &Wanted::always());
                let engine = settings.engine(NonZero::<usize>::MIN, Changes::All, &stop);
                assert_eq!(settings.compiler_options(), engine.deterministic_id());
            }
        }
    }

    #[test]
    fn code_is_accepted_by_policies_that_allow_as_much_and_refused_by_stricter_ones() {
        let basic = SecurityPolicy::basic();
        let code = |policy: &SecurityPolicy| CodeSettings::new(policy, Compiler::Cranelift);
        assert_eq!(code(&basic).require_allowed(&basic), Ok(()));
        assert_eq!(code(&basic).require_allowed(&SecurityPolicy::permissive()), Ok(()));
        assert_eq!(code(&SecurityPolicy::paranoid()).require_allowed(&basic), Ok(()));
        for (made, here, reason) in [
            (SecurityPolicy::permissive(), basic.clone(), "threads"),
            (basic.clone(), basic.clone().with_fuel(1), "fuel"),
            (basic.clone(), basic.with_nan_bits(NanBits::Canonical), "NaNs"),
        ] {
            let refusal = code(&made).require_allowed(&here).unwrap_err();
            assert!(refusal.to_string().contains(reason), "{refusal}");
        }
    }
}
