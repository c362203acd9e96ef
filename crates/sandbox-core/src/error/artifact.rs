//! Why compiled modules are refused.

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
    OtherBuild {
        /// In what the two differ.
        aspect: &'static str,
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
    OtherProcessor {
        /// The features that are missing here, by name.
        missing: Vec<String>,
    },

    /// The file is genuine and this machine could run it, and the policy does not want what it may do.
    #[error(
        "it was made under a policy {made_for}, and here is {here}: compile the module for this, or load it under another policy"
    )]
    ForbiddenByPolicy {
        /// Part of the policy that it was made under.
        made_for: String,
        /// Part of the policy that it is to be loaded or run under.
        here: String,
    },

    /// The file is genuine and fits, and still cannot be loaded.
    #[error("Wasmer cannot load it: {message}; precompile the module again")]
    Unloadable {
        /// Message of Wasmer.
        message: String,
    },
}
