//! Names that choices have in what this library writes: documents of policies, and artifacts.
//!
//! They are types of their own, so that nothing that is done to a public type changes what was written before.

use serde::{Deserialize, Serialize};

use super::{Access, Compiler, Compilers, GrantUse, InstanceMode, NanBits, WasmFeature};

/// Declares the names of a choice.
macro_rules! names {
    ($(#[$doc:meta])* $names:ident of $choice:ident { $($name:ident),+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub(crate) enum $names { $($name),+ }

        impl From<$choice> for $names {
            fn from(choice: $choice) -> Self {
                match choice { $($choice::$name => Self::$name),+ }
            }
        }

        impl From<$names> for $choice {
            fn from(name: $names) -> Self {
                match name { $($names::$name => Self::$name),+ }
            }
        }
    };
}

names!(AccessName of Access { ReadOnly, ReadWrite });
names!(CompilersName of Compilers { Any, ForUntrusted });
names!(GrantUseName of GrantUse { Accepted, Refused });
names!(InstancesName of InstanceMode { Persistent, Fresh });
names!(NanBitsName of NanBits { Native, Canonical });
names!(FeatureName of WasmFeature {
    BulkMemory, Exceptions, ExtendedConst, MultiMemory, MultiValue, MutableGlobals, ReferenceTypes, RelaxedSimd,
    SaturatingFloatToInt, SignExtension, Simd, TailCalls, Threads, WideArithmetic
});

/// Name of a compiler. All have one, also those that this build lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CompilerName {
    Cranelift,
    Singlepass,
    Llvm,
}

impl From<Compiler> for CompilerName {
    fn from(compiler: Compiler) -> Self {
        match compiler {
            Compiler::Cranelift => Self::Cranelift,
            #[cfg(feature = "singlepass")]
            Compiler::Singlepass => Self::Singlepass,
            #[cfg(feature = "llvm")]
            Compiler::Llvm => Self::Llvm,
        }
    }
}

impl CompilerName {
    /// The compiler, if this build has it.
    pub(crate) const fn known(self) -> Option<Compiler> {
        match self {
            Self::Cranelift => Some(Compiler::Cranelift),
            #[cfg(feature = "singlepass")]
            Self::Singlepass => Some(Compiler::Singlepass),
            #[cfg(not(feature = "singlepass"))]
            Self::Singlepass => None,
            #[cfg(feature = "llvm")]
            Self::Llvm => Some(Compiler::Llvm),
            #[cfg(not(feature = "llvm"))]
            Self::Llvm => None,
        }
    }
}
