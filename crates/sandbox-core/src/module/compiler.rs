//! From bytes to native code.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZero;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use wasmer::sys::{CompilerConfig, Cranelift, EngineBuilder, Features, Singlepass};
use wasmer::{CompileError, Engine};

use super::artifact::ArtifactRejection;
use super::metering::Metering;
use super::nans::CanonicalConversions;
use super::start::StartByHost;
use super::validation::Validated;
use crate::error::{Result, SandboxError};
use crate::policy::{NanBits, SecurityPolicy, WasmFeature, WasmFeatures};

/// From so many bytes of Wasm for each thread on, starting one costs little of what it saves: some 50 us, where even
/// Singlepass compiles for milliseconds.
const WASM_BYTES_PER_THREAD: usize = 64 * 1024;

/// What turns WebAssembly into native code.
///
/// All of them enforce the same limits; they trade the time of compiling for the time of running.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Compiler {
    /// Good code in reasonable time. The default.
    #[default]
    Cranelift,
    /// The quickest to compile and the slowest to run: for modules that run once and briefly. It compiles in
    /// linear time, so that no module can take disproportionately long. It has no SIMD.
    Singlepass,
    /// The slowest to compile and the quickest to run: for modules that run long, with a cache.
    ///
    /// There with the feature `llvm`, for which LLVM 22.1 has to be installed where this crate is compiled, and
    /// `LLVM_SYS_221_PREFIX` to name its folder: on Debian 12, `/usr/lib/llvm-22` of
    /// the packages `llvm-22-dev libpolly-22-dev zlib1g-dev libzstd-dev libffi-dev libxml2-dev`.
    #[cfg(feature = "llvm")]
    Llvm,
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cranelift => "cranelift",
            Self::Singlepass => "singlepass",
            #[cfg(feature = "llvm")]
            Self::Llvm => "llvm",
        })
    }
}

impl Compiler {
    /// The features that it can compile.
    pub const fn features(self) -> WasmFeatures {
        match self {
            Self::Cranelift => WasmFeatures::ALL.without(WasmFeature::TailCalls),
            Self::Singlepass => WasmFeatures::ALL
                .without(WasmFeature::TailCalls)
                .without(WasmFeature::Exceptions)
                .without(WasmFeature::Simd)
                .without(WasmFeature::RelaxedSimd)
                .without(WasmFeature::WideArithmetic),
            #[cfg(feature = "llvm")]
            Self::Llvm => WasmFeatures::ALL,
        }
    }
}

impl Compiler {
    /// Whether it panics where the system gives no thread. The others say so.
    pub(super) const fn needs_a_thread(self) -> bool {
        matches!(self, Self::Cranelift)
    }

    /// Whether the code that it makes can be given to guests that nobody trusts.
    ///
    /// LLVM's cannot: it calls functions of the host past those that see to it that there is room for them on the
    /// guest's stack. A guest that traps in one just where its stack ends can have the process wait for ever.
    pub const fn holds_untrusted_guests(self) -> bool {
        match self {
            Self::Cranelift | Self::Singlepass => true,
            #[cfg(feature = "llvm")]
            Self::Llvm => false,
        }
    }
}

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
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeSettings {
    compiler: Compiler,
    /// The WebAssembly features that the module was validated with.
    features: WasmFeatures,
    /// Whether the code counts the work that it does.
    metered: bool,
    /// Whether all NaNs that are computed have the same bits.
    canonical_nans: bool,
}

impl CodeSettings {
    /// How a module is compiled under that policy.
    pub(crate) fn new(policy: &SecurityPolicy, compiler: Compiler) -> Self {
        Self {
            compiler,
            features: policy.features.intersection(compiler.features()),
            metered: policy.fuel.is_some(),
            canonical_nans: policy.nan_bits == NanBits::Canonical,
        }
    }

    pub(crate) fn compiler(&self) -> Compiler {
        self.compiler
    }

    pub(crate) fn is_metered(&self) -> bool {
        self.metered
    }

    /// An engine for one module.
    ///
    /// Each module has an engine of its own because an engine keeps the code of everything it ever compiled
    /// until it is dropped itself. Metering is for one module too.
    fn engine(&self, threads: NonZero<usize>, changes: Changes) -> Engine {
        match self.compiler {
            Compiler::Cranelift => {
                let mut cranelift = Cranelift::new();
                cranelift.num_threads(threads).canonicalize_nans(self.canonical_nans);
                self.engine_of(cranelift, changes)
            }
            Compiler::Singlepass => {
                let mut singlepass = Singlepass::new();
                singlepass.num_threads = threads;
                singlepass.canonicalize_nans(self.canonical_nans);
                self.engine_of(singlepass, changes)
            }
            #[cfg(feature = "llvm")]
            Compiler::Llvm => {
                let mut llvm = wasmer::sys::LLVM::new();
                llvm.num_threads(threads);
                CompilerConfig::canonicalize_nans(&mut llvm, self.canonical_nans);
                self.engine_of(llvm, changes)
            }
        }
    }

    /// What Wasmer says of the compiler and its options.
    ///
    /// Asked once for each of them, because it takes an engine, and that counts the cores: longer than all else
    /// that is done with an identity.
    pub(super) fn compiler_options(&self) -> String {
        type Options = HashMap<CodeSettings, String>;
        static KNOWN: LazyLock<Mutex<Options>> = LazyLock::new(Mutex::default);
        // Of all policies there are few that differ in this: the features do not matter.
        let asked = Self { features: WasmFeatures::NONE, ..self.clone() };
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let ask =
            |asked: &Self| asked.engine(NonZero::<usize>::MIN, Changes::All).deterministic_id();
        known.entry(asked).or_insert_with_key(ask).clone()
    }

    fn engine_of(&self, mut compiler: impl CompilerConfig + 'static, changes: Changes) -> Engine {
        if changes == Changes::All {
            compiler.push_middleware(Arc::new(StartByHost));
        }
        if self.metered {
            compiler.push_middleware(Arc::new(Metering::default()));
        }
        // After metering, so that fuel is the same under every compiler.
        if self.canonical_nans && self.compiler == Compiler::Singlepass {
            compiler.push_middleware(Arc::new(CanonicalConversions));
        }
        let config: Box<dyn CompilerConfig> = Box::new(compiler);
        EngineBuilder::new(config).set_features(Some(wasmers(self.features))).engine().into()
    }

    /// Refuses code that was made under a policy that allows more than this one.
    pub(super) fn require_allowed(&self, policy: &SecurityPolicy) -> Result<(), ArtifactRejection> {
        let refused = |made_for: String, here: &str| {
            let here = here.to_owned();
            Err(ArtifactRejection::Incompatible { aspect: "a policy", made_for, here })
        };
        if !policy.compilers.allow(self.compiler) {
            return refused(format!("that allows {}", self.compiler), "one that does not");
        }
        let forbidden = self.features.difference(policy.features);
        if !forbidden.is_empty() {
            return refused(format!("that allows {forbidden}"), "one that does not");
        }
        if policy.fuel.is_some() && !self.metered {
            return refused("without a limit of fuel".to_owned(), "one with a limit");
        }
        if policy.nan_bits == NanBits::Canonical && !self.canonical_nans {
            return refused("with native NaNs".to_owned(), "one with canonical NaNs");
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

/// What is changed about the modules that an engine compiles.
///
/// Whatever may change instructions has each of them handed to it, which takes time also where it changes none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Changes {
    /// All that the settings say.
    All,
    /// The same for a module that has nothing to do with start functions.
    AllButStart,
}

/// Compiles a module, and returns the engine that has its code too.
pub(super) fn compile(
    module: Validated<'_>,
    settings: &CodeSettings,
    hurry: Hurry,
) -> Result<(wasmer::Module, Engine)> {
    let threads = match hurry {
        Hurry::CallerWaits => threads_for(module.wasm().len()),
        Hurry::Background => NonZero::<usize>::MIN,
    };
    let changes = if module.concerns_start() { Changes::All } else { Changes::AllButStart };
    let engine = settings.engine(threads, changes);
    let compiled = crate::sys::artifact::compile(&engine, module).map_err(|error| match error {
        CompileError::Wasm(wasmer::WasmError::InvalidWebAssembly { message, offset }) => {
            SandboxError::InvalidModule { message, offset }
        }
        // Ours refuse nothing but exports with their own names.
        CompileError::MiddlewareError(message) => SandboxError::InvalidDeclaration { message },
        other => SandboxError::Compilation { message: other.to_string() },
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

    #[test]
    fn small_modules_are_compiled_by_one_thread() {
        assert_eq!(threads_for(0).get(), 1);
        assert_eq!(threads_for(WASM_BYTES_PER_THREAD).get(), 1);
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
