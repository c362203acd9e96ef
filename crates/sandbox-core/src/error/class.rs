//! Whose matter an error is, and what may help.

use super::{SandboxError, Side, SystemNeed};

/// Whose matter an error is: what a service goes by that answers, counts, bills and retries.
///
/// | class | an HTTP service would answer | who looks at it |
/// |---|---|---|
/// | [`Guest`](Self::Guest) | 422 | the author of the module |
/// | [`Limit`](Self::Limit) | 422 or 429 | the author, or whoever sets the policy |
/// | [`Module`](Self::Module) | 400, as it is uploaded | the author |
/// | [`Usage`](Self::Usage) | 500 | the author of the host |
/// | [`Host`](Self::Host) | 500 | the author of the host, or its operator |
/// | [`Overload`](Self::Overload) | 503 | the operator |
/// | [`Cancelled`](Self::Cancelled) | nobody listens | nobody |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The guest ran and failed: it trapped, panicked, exited, broke its ABI or returned an error.
    Guest,
    /// The guest ran, and wanted more of something than its policy gives.
    Limit,
    /// The module cannot be used under this policy: it is invalid, too large, or needs what is not offered.
    Module,
    /// The host asked for what is not there or does not fit: another call is needed, not another try.
    Usage,
    /// The host or its operating system failed, or a function of the host did.
    Host,
    /// More was asked for at once than may be.
    Overload,
    /// The host did not want the result any more.
    Cancelled,
}

impl ErrorClass {
    /// The class as one word, for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Limit => "limit",
            Self::Module => "module",
            Self::Usage => "usage",
            Self::Host => "host",
            Self::Overload => "overload",
            Self::Cancelled => "cancelled",
        }
    }
}

impl std::fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl SandboxError {
    /// Says whose matter the error is. [`kind`](Self::kind) says what it is.
    ///
    /// ```
    /// use sandbox_core::{ErrorClass, WasmSandbox};
    ///
    /// # let wasm = wat::parse_str(r#"(module (func (export "abort") unreachable))"#).expect("valid text");
    /// let sandbox = WasmSandbox::builder().source_bytes(&wasm).build_blocking()?;
    /// let error = sandbox.call_blocking::<()>("abort", ()).expect_err("it traps");
    /// assert_eq!(error.class(), ErrorClass::Guest);
    /// assert_eq!((error.function(), error.is_retryable()), (Some("abort"), false));
    /// # Ok::<(), sandbox_core::SandboxError>(())
    /// ```
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::GuestError { .. }
            | Self::GuestPanic { .. }
            | Self::AbiViolation { .. }
            | Self::Trap { .. }
            | Self::Exited { .. }
            | Self::Undecodable { .. }
            | Self::CapabilityDenied { .. } => ErrorClass::Guest,
            Self::Unencodable { side, .. } => match side {
                Side::Host => ErrorClass::Usage,
                Side::Guest => ErrorClass::Guest,
            },
            Self::Timeout { .. }
            | Self::OutOfFuel { .. }
            | Self::MemoryLimit { .. }
            | Self::TableLimit { .. }
            | Self::InstanceTooLarge { .. }
            | Self::ValueTooLarge { .. }
            | Self::OutputLimit { .. } => ErrorClass::Limit,
            Self::ModuleTooLarge { .. }
            | Self::InvalidModule { .. }
            | Self::ForbiddenFeature { .. }
            | Self::UnsupportedFeature { .. }
            | Self::SharedMemory { .. }
            | Self::Compilation { .. }
            | Self::CompileLimit { .. }
            | Self::CompilationTimeout { .. }
            | Self::CollidingTypes { .. }
            | Self::ArtifactRejected(_)
            | Self::UnknownImport { .. }
            | Self::IncompatibleImport { .. }
            | Self::InvalidDeclaration { .. }
            | Self::InvalidPackage { .. }
            | Self::PackageLimit { .. }
            | Self::CommandUnavailable { .. } => ErrorClass::Module,
            Self::NoSource
            | Self::UnknownFormat(_)
            | Self::ForbiddenCompiler { .. }
            | Self::DuplicateHostFunction { .. }
            | Self::NoSuchFunction { .. }
            | Self::SignatureMismatch { .. }
            | Self::InvalidBundle(_)
            | Self::NoSuchCommand { .. }
            | Self::InvalidGrant { .. }
            | Self::DuplicateModule { .. }
            | Self::NoSuchModule { .. }
            | Self::PoolClosed
            | Self::Forked
            | Self::NestedCall { .. }
            | Self::GuestMemory(_)
            | Self::GuestFile { .. }
            | Self::OtherSandbox { .. }
            | Self::SessionEnded { .. }
            | Self::Snapshot(_) => ErrorClass::Usage,
            Self::SourceUnreadable { .. }
            | Self::PackageUnreadable { .. }
            | Self::Unserializable { .. }
            | Self::Instantiation { .. }
            | Self::SystemRefused { .. }
            | Self::HostFunctionFailed { .. }
            | Self::HostFunctionPanicked { .. }
            | Self::SourceFailed { .. }
            | Self::HostPanic { .. } => ErrorClass::Host,
            Self::PoolExhausted { .. } | Self::PoolTimeout { .. } => ErrorClass::Overload,
            Self::Cancelled { .. } => ErrorClass::Cancelled,
        }
    }

    /// Whether the same call may succeed a little later with nothing changed: it failed for want of a sandbox of a pool,
    /// or of memory or a thread of the system.
    ///
    /// A guest that trapped, failed or came to a limit is not among them: it did something, perhaps more than once, and
    /// would mostly do the same again. Nor is a host function's error, of which only the host knows.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::PoolExhausted { .. } | Self::PoolTimeout { .. } => true,
            Self::SystemRefused { need, .. } => {
                matches!(need, SystemNeed::Memory | SystemNeed::Stack | SystemNeed::Thread)
            }
            _ => false,
        }
    }

    /// The guest's function that was called or asked for, if the error is about one.
    pub fn function(&self) -> Option<&str> {
        match self {
            Self::NoSuchFunction { name: function, .. }
            | Self::SignatureMismatch { function, .. }
            | Self::Unencodable { function, .. }
            | Self::Undecodable { function, .. }
            | Self::GuestError { function, .. }
            | Self::GuestPanic { function, .. }
            | Self::AbiViolation { function, .. }
            | Self::Trap { function, .. }
            | Self::Exited { function, .. }
            | Self::Timeout { function, .. }
            | Self::OutOfFuel { function, .. }
            | Self::Cancelled { function, .. }
            | Self::ValueTooLarge { function, .. }
            | Self::OutputLimit { function, .. }
            | Self::CapabilityDenied { function, .. }
            | Self::HostFunctionFailed { function, .. }
            | Self::HostFunctionPanicked { function, .. }
            | Self::NestedCall { function, .. }
            | Self::OtherSandbox { function }
            | Self::SessionEnded { function }
            | Self::SourceFailed { function, .. }
            | Self::HostPanic { function, .. } => Some(function),
            _ => None,
        }
    }
}
