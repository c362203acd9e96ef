//! From bytes to native code.

use std::fmt;
use std::num::NonZero;

use serde::{Deserialize, Serialize};
use wasmer::sys::{Cranelift, EngineBuilder, Singlepass};
use wasmer::{CompileError, Engine};

use super::artifact::ArtifactRejection;
use super::validation;
use crate::error::{Result, SandboxError};
use crate::policy::SecurityPolicy;

/// Below this many bytes of Wasm for each thread, starting threads costs more than they save.
const WASM_BYTES_PER_THREAD: usize = 512 * 1024;

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

/// All that decides, beside the module itself and the machine, what native code is made.
///
/// [`CodeSettings::engine`] sees nothing else. So whatever a policy or a builder wants to change about the code has
/// to become a field here, and with that becomes part of the key of every cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeSettings {
    compiler: Compiler,
    /// The WebAssembly features that the module was validated with, sorted by name.
    wasm_features: Vec<String>,
}

impl CodeSettings {
    /// How a module is compiled under that policy.
    pub(crate) fn new(policy: &SecurityPolicy, compiler: Compiler) -> Self {
        Self { compiler, wasm_features: validation::feature_names(policy) }
    }

    pub(crate) fn compiler(&self) -> Compiler {
        self.compiler
    }

    /// An engine for one module of that size.
    ///
    /// Each module has an engine of its own because an engine keeps the code of everything it ever compiled
    /// until it is dropped itself.
    pub(super) fn engine(&self, wasm_bytes: usize) -> Engine {
        let threads = threads_for(wasm_bytes);
        match self.compiler {
            Compiler::Cranelift => {
                let mut cranelift = Cranelift::new();
                cranelift.num_threads(threads);
                EngineBuilder::new(cranelift).engine().into()
            }
            Compiler::Singlepass => {
                let mut singlepass = Singlepass::new();
                singlepass.num_threads = threads;
                EngineBuilder::new(singlepass).engine().into()
            }
            #[cfg(feature = "llvm")]
            Compiler::Llvm => {
                let mut llvm = wasmer::sys::LLVM::new();
                llvm.num_threads(threads);
                EngineBuilder::new(llvm).engine().into()
            }
        }
    }

    /// Refuses code that was made under a policy that allows more than this one.
    pub(super) fn require_allowed(&self, policy: &SecurityPolicy) -> Result<(), ArtifactRejection> {
        let wanted = Self::new(policy, self.compiler);
        let forbidden: Vec<&str> = self
            .wasm_features
            .iter()
            .filter(|feature| !wanted.wasm_features.contains(feature))
            .map(String::as_str)
            .collect();
        if !forbidden.is_empty() {
            return Err(ArtifactRejection::Incompatible {
                aspect: "a policy that allows",
                made_for: forbidden.join(", "),
                here: "one that does not".to_owned(),
            });
        }
        // Fewer features than allowed do no harm; in all else the code must be what this policy would make.
        let same_features = Self { wasm_features: self.wasm_features.clone(), ..wanted };
        if *self != same_features {
            return Err(ArtifactRejection::Incompatible {
                aspect: "settings",
                made_for: format!("{self:?}"),
                here: format!("{same_features:?}"),
            });
        }
        Ok(())
    }
}

/// Compiles a validated module.
pub(super) fn compile(engine: &Engine, wasm: &[u8]) -> Result<wasmer::Module> {
    wasmer::Module::from_binary(engine, wasm).map_err(|error| match error {
        CompileError::Wasm(wasmer::WasmError::InvalidWebAssembly { message, offset }) => {
            SandboxError::InvalidModule { message, offset }
        }
        CompileError::Validate(message) => SandboxError::InvalidModule { message, offset: 0 },
        other => SandboxError::Compilation { message: other.to_string() },
    })
}

/// The compilers' pools take all cores unless told otherwise, which is most of the time of a small module.
fn threads_for(wasm_bytes: usize) -> NonZero<usize> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let useful = (wasm_bytes / WASM_BYTES_PER_THREAD).clamp(1, cores);
    NonZero::new(useful).unwrap_or(NonZero::<usize>::MIN)
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
    fn code_made_with_fewer_features_than_allowed_is_accepted_and_with_more_refused() {
        let policy = SecurityPolicy::basic();
        let mut settings = CodeSettings::new(&policy, Compiler::Cranelift);
        assert_eq!(settings.require_allowed(&policy), Ok(()));
        settings.wasm_features.pop();
        assert_eq!(settings.require_allowed(&policy), Ok(()));
        settings.wasm_features.push("THREADS".to_owned());
        let refusal = settings.require_allowed(&policy).unwrap_err();
        assert!(refusal.to_string().contains("THREADS"), "{refusal}");
    }
}
