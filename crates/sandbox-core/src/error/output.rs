//! Output of guests that failed.

use super::SandboxError;
use crate::output::Output;

impl SandboxError {
    /// Returns what the guest had written to its standard streams when it failed, as far as nobody had taken it. `None` for
    /// errors of other kinds: there the guest did not run, or its instance lives on and keeps its output.
    pub fn output(&self) -> Option<&Output> {
        match self {
            Self::GuestPanic { output, .. }
            | Self::AbiViolation { output, .. }
            | Self::Trap { output, .. }
            | Self::Exited { output, .. }
            | Self::Timeout { output, .. }
            | Self::OutOfFuel { output, .. }
            | Self::Cancelled { output, .. }
            | Self::MemoryLimit { output, .. }
            | Self::TableLimit { output, .. }
            | Self::OutputLimit { output, .. }
            | Self::CapabilityDenied { output, .. }
            | Self::HostFunctionFailed { output, .. }
            | Self::HostFunctionPanicked { output, .. } => Some(output),
            _ => None,
        }
    }

    /// Takes what the guest wrote out of the error.
    pub(crate) fn take_output(&mut self) -> Output {
        self.output_mut().map(std::mem::take).unwrap_or_default()
    }

    fn output_mut(&mut self) -> Option<&mut Output> {
        match self {
            Self::GuestPanic { output, .. }
            | Self::AbiViolation { output, .. }
            | Self::Trap { output, .. }
            | Self::Exited { output, .. }
            | Self::Timeout { output, .. }
            | Self::OutOfFuel { output, .. }
            | Self::Cancelled { output, .. }
            | Self::MemoryLimit { output, .. }
            | Self::TableLimit { output, .. }
            | Self::OutputLimit { output, .. }
            | Self::CapabilityDenied { output, .. }
            | Self::HostFunctionFailed { output, .. }
            | Self::HostFunctionPanicked { output, .. } => Some(output),
            _ => None,
        }
    }

    /// Adds what the guest wrote, if the error is one of a guest.
    pub(crate) fn with_output(mut self, written: Output) -> Self {
        if let Some(output) = self.output_mut() {
            *output = written;
        }
        self
    }
}
