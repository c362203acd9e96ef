//! Short names of causes.

use super::SandboxError;

impl SandboxError {
    /// The cause as one word, for logs and metrics. The same for all errors of one variant, and kept from
    /// version to version.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NoSource => "no_source",
            Self::UnknownFormat(_) => "unknown_format",
            Self::SourceUnreadable { .. } => "source_unreadable",
            Self::ModuleTooLarge { .. } => "module_too_large",
            Self::InvalidModule { .. } => "invalid_module",
            Self::ForbiddenFeature { .. } => "forbidden_feature",
            Self::UnsupportedFeature { .. } => "unsupported_feature",
            Self::ForbiddenCompiler { .. } => "forbidden_compiler",
            Self::Compilation { .. } => "compilation",
            Self::CompileLimit { .. } => "compile_limit",
            Self::CompilationTimeout { .. } => "compilation_timeout",
            Self::CollidingTypes { .. } => "colliding_types",
            Self::ArtifactRejected(_) => "artifact_rejected",
            Self::Unserializable { .. } => "unserializable",
            Self::UnknownImport { .. } => "unknown_import",
            Self::IncompatibleImport { .. } => "incompatible_import",
            Self::InvalidDeclaration { .. } => "invalid_declaration",
            Self::NoSuchFunction { .. } => "no_such_function",
            Self::SignatureMismatch { .. } => "signature_mismatch",
            Self::Undecodable { .. } => "undecodable",
            Self::GuestError { .. } => "guest_error",
            Self::GuestPanic { .. } => "guest_panic",
            Self::AbiViolation { .. } => "abi_violation",
            Self::Trap { .. } => "trap",
            Self::Exited { .. } => "exited",
            Self::Timeout { .. } => "timeout",
            Self::OutOfFuel { .. } => "out_of_fuel",
            Self::Cancelled { .. } => "cancelled",
            Self::MemoryLimit { .. } => "memory_limit",
            Self::TableLimit { .. } => "table_limit",
            Self::InstanceTooLarge { .. } => "instance_too_large",
            Self::ValueTooLarge { .. } => "value_too_large",
            Self::OutputLimit { .. } => "output_limit",
            Self::CapabilityDenied { .. } => "capability_denied",
            Self::InvalidBundle(_) => "invalid_bundle",
            Self::PackageUnreadable { .. } => "package_unreadable",
            Self::InvalidPackage { .. } => "invalid_package",
            Self::PackageLimit { .. } => "package_limit",
            Self::NoSuchCommand { .. } => "no_such_command",
            Self::CommandUnavailable { .. } => "command_unavailable",
            Self::InvalidGrant { .. } => "invalid_grant",
            Self::Instantiation { .. } => "instantiation",
            Self::SystemRefused { .. } => "system_refused",
            Self::Forked => "forked",
            Self::HostPanic { .. } => "host_panic",
            Self::HostFunctionFailed { .. } => "host_function_failed",
            Self::HostFunctionPanicked { .. } => "host_function_panicked",
            Self::NestedCall { .. } => "nested_call",
            Self::NoSuchModule { .. } => "no_such_module",
            Self::PoolExhausted { .. } => "pool_exhausted",
            Self::PoolTimeout { .. } => "pool_timeout",
            Self::PoolClosed => "pool_closed",
        }
    }
}
