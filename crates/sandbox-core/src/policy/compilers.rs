//! Compilers, and whose native code a guest may run as.

use std::fmt;

use super::features::{WasmFeature, WasmFeatures};

/// Compiler from WebAssembly to native code.
///
/// All of them enforce the same limits; they trade the time of compiling for the time of running.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compiler {
    /// Good code in reasonable time. The default.
    #[default]
    Cranelift,
    /// The quickest to compile and the slowest to run: for modules that run once and briefly. It compiles in
    /// linear time, so that no module can take disproportionately long. It has no SIMD.
    ///
    /// There with the feature `singlepass`. It is under the Business Source License, by which production use takes a sponsorship
    /// of Wasmer's.
    #[cfg(feature = "singlepass")]
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
            #[cfg(feature = "singlepass")]
            Self::Singlepass => "singlepass",
            #[cfg(feature = "llvm")]
            Self::Llvm => "llvm",
        })
    }
}

impl Compiler {
    /// The compiler of linear time, if this build has it.
    pub(crate) const fn linear() -> Option<Self> {
        #[cfg(feature = "singlepass")]
        return Some(Self::Singlepass);
        #[cfg(not(feature = "singlepass"))]
        None
    }

    /// The features that it can compile.
    pub const fn features(self) -> WasmFeatures {
        match self {
            Self::Cranelift => WasmFeatures::ALL.without(WasmFeature::TailCalls),
            #[cfg(feature = "singlepass")]
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

    /// Whether it panics where the system gives no thread. The others say so.
    pub(crate) const fn needs_a_thread(self) -> bool {
        matches!(self, Self::Cranelift)
    }

    /// Whether the code that it makes can be given to guests that nobody trusts.
    ///
    /// LLVM's cannot: it calls functions of the host past those that see to it that there is room for them on the
    /// guest's stack. A guest that traps in one just where its stack ends can have the process wait for ever.
    pub const fn holds_untrusted_guests(self) -> bool {
        match self {
            Self::Cranelift => true,
            #[cfg(feature = "singlepass")]
            Self::Singlepass => true,
            #[cfg(feature = "llvm")]
            Self::Llvm => false,
        }
    }
}

/// Which compilers may make the native code of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compilers {
    /// Any that this build has.
    Any,
    /// Those whose code can be given to guests that nobody trusts; see
    /// [`Compiler::holds_untrusted_guests`](Compiler::holds_untrusted_guests).
    ForUntrusted,
}

impl Compilers {
    /// Whether code of that compiler may run.
    pub const fn allow(self, compiler: Compiler) -> bool {
        matches!(self, Self::Any) || compiler.holds_untrusted_guests()
    }
}
