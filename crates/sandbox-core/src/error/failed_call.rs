//! Output and usage of calls that failed.

use super::{CoreDump, SandboxError};
use crate::output::Output;
use crate::usage::ResourceUsage;

/// Output and usage of a call that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedCall {
    /// Bytes that the guest wrote to its standard streams before, as far as nobody had taken them. Empty if its instance
    /// lives on: there they can still be taken.
    pub output: Output,
    /// Resources that the call used; absent where no guest ran.
    pub usage: Option<ResourceUsage>,
    /// State of the guest when it trapped, if its sandbox [asks for core
    /// dumps](crate::WasmSandboxBuilder::core_dumps).
    pub core_dump: Option<CoreDump>,
}

/// Takes the call out of an error that is one of a call, by reference of either kind.
macro_rules! failed_call {
    ($error:expr) => {
        match $error {
            SandboxError::Unencodable { call, .. }
            | SandboxError::Undecodable { call, .. }
            | SandboxError::GuestError { call, .. }
            | SandboxError::GuestPanic { call, .. }
            | SandboxError::AbiViolation { call, .. }
            | SandboxError::Trap { call, .. }
            | SandboxError::Exited { call, .. }
            | SandboxError::Timeout { call, .. }
            | SandboxError::OutOfFuel { call, .. }
            | SandboxError::Cancelled { call, .. }
            | SandboxError::MemoryLimit { call, .. }
            | SandboxError::TableLimit { call, .. }
            | SandboxError::ValueTooLarge { call, .. }
            | SandboxError::OutputLimit { call, .. }
            | SandboxError::CapabilityDenied { call, .. }
            | SandboxError::HostFunctionFailed { call, .. }
            | SandboxError::HostFunctionPanicked { call, .. }
            | SandboxError::HostPanic { call, .. } => Some(call),
            _ => None,
        }
    };
}

impl SandboxError {
    /// Returns what the guest had written to its standard streams when it failed, as far as nobody had taken it. `None` for
    /// errors of other kinds: there the guest did not run, or its instance lives on and keeps its output.
    pub fn output(&self) -> Option<&Output> {
        match self {
            Self::Unencodable { .. }
            | Self::Undecodable { .. }
            | Self::GuestError { .. }
            | Self::ValueTooLarge { .. }
            | Self::HostPanic { .. } => None,
            _ => Some(&self.call()?.output),
        }
    }

    /// Resources that the call used until it failed, so that a guest which burns all it may is paid for. `None` where no
    /// guest ran.
    ///
    /// Fuel, bytes and host functions are exact. Time is there for calls that were timed: all of functions that have
    /// not proven quick, and every call that was stopped.
    ///
    /// ```
    /// use sandbox_core::{FuelUnits, SecurityPolicy, WasmSandbox};
    ///
    /// # fn main() -> sandbox_core::Result<()> {
    /// # let wasm = wat::parse_str(r#"(module (func (export "spin") (loop $again br $again)))"#).expect("valid text");
    /// let policy = SecurityPolicy::strict().with_fuel(10_000);
    /// let sandbox = WasmSandbox::builder().source_bytes(&wasm).security_policy(policy).build_blocking()?;
    /// let error = sandbox.call_blocking::<()>("spin", ()).expect_err("it never returns");
    /// let used = error.usage().and_then(|usage| usage.fuel);
    /// assert!(used >= Some(FuelUnits(10_000)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn usage(&self) -> Option<&ResourceUsage> {
        self.call()?.usage.as_ref()
    }

    /// State of the guest when it trapped, if its sandbox [asks for core dumps](crate::WasmSandboxBuilder::core_dumps).
    pub fn core_dump(&self) -> Option<&CoreDump> {
        self.call()?.core_dump.as_ref()
    }

    /// Takes what the guest wrote out of the error.
    pub(crate) fn take_output(&mut self) -> Output {
        self.call_mut().map(|call| std::mem::take(&mut call.output)).unwrap_or_default()
    }

    /// Adds what the guest wrote, if the error is one of a guest.
    pub(crate) fn with_output(mut self, written: Output) -> Self {
        if let Some(call) = self.call_mut() {
            call.output = written;
        }
        self
    }

    /// Notes what the call used, if the error is one of a guest.
    pub(crate) fn note_usage(&mut self, usage: ResourceUsage) {
        if let Some(call) = self.call_mut() {
            call.usage = Some(usage);
        }
    }

    fn call(&self) -> Option<&FailedCall> {
        failed_call!(self)
    }

    fn call_mut(&mut self) -> Option<&mut FailedCall> {
        failed_call!(self)
    }
}
