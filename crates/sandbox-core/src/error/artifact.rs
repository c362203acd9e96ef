//! Why compiled modules are refused.

use std::fmt;

use crate::policy::{Compiler, WasmFeatures};

/// Why a file with a compiled module was not loaded. Its code was not looked at, let alone run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactRejection {
    /// The file is something else, or was made by a version of this library with another file format.
    #[error("it is no compiled module that this version knows: precompile the module again")]
    Unrecognised,

    /// The file is shorter or longer than it was.
    #[error("it has {actual_bytes} bytes and should have {declared_bytes}: copy it again, whole")]
    WrongLength {
        /// The length that its header tells, in bytes.
        declared_bytes: u64,
        /// The length that it has, in bytes.
        actual_bytes: u64,
    },

    /// The file was sealed with another key.
    #[error("it was sealed with another key: load it with the key that it was precompiled with")]
    ForeignKey,

    /// The file is not what was sealed.
    #[error("it was changed after it was sealed: copy it again, or precompile the module again")]
    Altered,

    /// The file is genuine and was made by another version of this library or of Wasmer, for another system, or with other
    /// settings than are wanted.
    #[error("it was made for {aspect} {made_for}, and here is {here}: compile the module for this")]
    #[non_exhaustive]
    OtherBuild {
        /// In what the two differ.
        aspect: BuildAspect,
        /// System, version or settings that it was made for.
        made_for: String,
        /// System, version or settings that are needed here.
        here: String,
    },

    /// The file is genuine and its code uses features of a processor that this one lacks.
    #[error(
        "it was made for a processor with {missing}, and here is one without: compile the module for this",
        missing = missing.join(", ")
    )]
    #[non_exhaustive]
    OtherProcessor {
        /// The features that are missing here, by name.
        missing: Vec<String>,
    },

    /// The file is genuine and this machine could run it, and the policy does not want what it may do.
    #[error(
        "it was made under a policy {0}: compile the module for this, or load it under another policy"
    )]
    ForbiddenByPolicy(PolicyConflict),

    /// The file is genuine and fits, and still cannot be loaded.
    #[error("Wasmer cannot load it: {message}; precompile the module again")]
    #[non_exhaustive]
    Unloadable {
        /// Message of Wasmer.
        message: String,
    },
}

/// In what a build of a compiled module and this build differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BuildAspect {
    /// The version of Wasmer.
    Wasmer,
    /// The version of this library.
    SandboxCore,
    /// The system that the code is for.
    Target,
    /// The options that Wasmer's compiler was given.
    CompilerOptions,
    /// The settings of this library for its code.
    Settings,
    /// The module that it was compiled from.
    Module,
    /// The form of what the file says of itself.
    Description,
}

impl fmt::Display for BuildAspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wasmer => "Wasmer",
            Self::SandboxCore => "sandbox-core",
            Self::Target => "the target",
            Self::CompilerOptions => "compiler options",
            Self::Settings => "settings",
            Self::Module => "the module",
            Self::Description => "a description",
        })
    }
}

/// Part of the policy that a compiled module was made under, which the policy that it is to run under does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolicyConflict {
    /// A compiler that is not allowed here.
    Compiler(Compiler),
    /// Features of WebAssembly that are not allowed here.
    Features(WasmFeatures),
    /// Its code counts no fuel, which is limited here.
    Unmetered,
    /// Its NaNs have the bits that the processor leaves, and here they are to be canonical.
    NativeNans,
}

impl fmt::Display for PolicyConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compiler(compiler) => {
                write!(f, "that allows {compiler}, and here is one that does not")
            }
            Self::Features(features) => {
                write!(f, "that allows {features}, and here is one that does not")
            }
            Self::Unmetered => f.write_str("without a limit of fuel, and here is one with a limit"),
            Self::NativeNans => {
                f.write_str("with native NaNs, and here is one with canonical NaNs")
            }
        }
    }
}
