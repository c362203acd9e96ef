//! From the ways in which a guest can be unwound to typed errors.

use std::any::Any;
use std::io;

use wasmer::{InstantiationError, LinkError, RuntimeError};
use wasmer_types::{ImportError, TableIndex};

use super::{INSTANTIATION, Instance, room};
use crate::error::{FailedCall, SandboxError, SystemNeed, TrapCode};
use crate::host::Unwound;
use crate::marshal::export::signature_in_words;
use crate::policy::PAGE_BYTES;
use crate::sys::entry::Unguarded;
use crate::sys::frames::{self, MOST_FRAMES, Noted};
use crate::sys::limits::most_pages;
use crate::sys::refusals::RefusedTable;
use crate::text::panic_message;
use crate::watchdog::StopReason;

type WasmerTrap = wasmer::sys::vm::TrapCode;

impl Instance {
    /// Says what a guest that was unwound did.
    pub(super) fn runtime_failure(&mut self, function: &str, error: RuntimeError) -> SandboxError {
        // Whatever becomes of it: nobody else shall find it.
        let noted = frames::take();
        let error = Unwound::innermost(error);
        if let Some(error) = self.limit_reached(function) {
            return error;
        }
        if let Some(code) = crate::wasi::exit_code(&error) {
            let function = function.to_owned();
            return SandboxError::Exited { function, code, call: Box::default() };
        }
        let error = match error.downcast::<Unwound>() {
            Ok(unwound) => {
                return unwound.into_error(function).unwrap_or_else(|| self.stopped(function));
            }
            Err(error) => error,
        };
        if error.is::<Unguarded>() {
            let error = io::ErrorKind::OutOfMemory.into();
            return SandboxError::SystemRefused { need: SystemNeed::Stack, error };
        }
        if let Some(error) = self.refused_growth() {
            return error;
        }
        if let Some(message) = self.panic_message(function) {
            let function = function.to_owned();
            let call = self.trapped(&self.functions(noted.as_ref(), &error));
            return SandboxError::GuestPanic { function, message, call };
        }
        if let Some(capability) = self.refusals.take_capability() {
            let (function, call) = (function.to_owned(), Box::default());
            return SandboxError::CapabilityDenied { function, capability, call };
        }
        let functions = self.functions(noted.as_ref(), &error);
        SandboxError::Trap {
            function: function.to_owned(),
            code: reason(noted.as_ref(), &error),
            call: self.trapped(&functions),
            backtrace: self.backtrace(functions),
        }
    }

    /// A call that ended in a trap within those functions.
    fn trapped(&self, functions: &[u32]) -> Box<FailedCall> {
        Box::new(FailedCall { core_dump: self.core_dump(functions), ..FailedCall::default() })
    }

    /// The limit that ended a guest, whatever else it looks like.
    pub(super) fn limit_reached(&mut self, function: &str) -> Option<SandboxError> {
        // A guest that was interrupted comes back with the trap by which it was unwound.
        if self.control.stop_reason().is_some() {
            return Some(self.stopped(function));
        }
        let is_exhausted = self.fuel.as_ref()?.is_exhausted(self.guest.store());
        let limit = self.policy.fuel.filter(|_| is_exhausted)?;
        let function = function.to_owned();
        Some(SandboxError::OutOfFuel { function, limit, call: Box::default() })
    }

    /// The error for a call that the host stopped, by the reason for it.
    pub(super) fn stopped(&self, function: &str) -> SandboxError {
        let (function, call) = (function.to_owned(), Box::default());
        match (self.control.stop_reason(), self.control.wall_clock()) {
            (Some(StopReason::Timeout), Some(limit)) => {
                SandboxError::Timeout { function, limit, call }
            }
            (Some(StopReason::OutputLimit), _) => {
                let limit_bytes = self.policy.output_limit_bytes;
                SandboxError::OutputLimit { function, limit_bytes, call }
            }
            _ => SandboxError::Cancelled { function, call },
        }
    }

    /// Why there is no instance.
    pub(super) fn instantiation_failure(&mut self, error: InstantiationError) -> SandboxError {
        match error {
            InstantiationError::Start(error) | InstantiationError::Link(LinkError::Trap(error)) => {
                self.runtime_failure(INSTANTIATION, error)
            }
            InstantiationError::Link(LinkError::Import(
                module,
                name,
                ImportError::IncompatibleType(expected, given),
            )) => SandboxError::IncompatibleImport {
                module,
                name,
                expected: signature_in_words(&expected),
                given: signature_in_words(&given),
            },
            // Within the limits of the policy (`room`), so it was the system that refused.
            InstantiationError::Link(LinkError::Resource(message)) => SandboxError::SystemRefused {
                need: SystemNeed::Memory,
                error: io::Error::new(io::ErrorKind::OutOfMemory, message),
            },
            other => SandboxError::Instantiation { message: other.to_string() },
        }
    }

    /// The guest has no room for an input.
    pub(super) fn out_of_memory(&self, function: &str, input_bytes: usize) -> SandboxError {
        self.refused_growth().unwrap_or_else(|| SandboxError::AbiViolation {
            function: function.to_owned(),
            message: format!("it made no room for an input of {input_bytes} bytes"),
            call: Box::default(),
        })
    }

    /// Returns the refusal that the guest met, if that was of more memory or larger tables than it may have, or than
    /// the system gave. What the module itself forbids is no limit of the policy.
    fn refused_growth(&self) -> Option<SandboxError> {
        let (memory, table) = (self.refusals.take_memory(), self.refusals.take_table());
        if self.refusals.take_system() {
            let error = io::ErrorKind::OutOfMemory.into();
            return Some(SandboxError::SystemRefused { need: SystemNeed::Memory, error });
        }
        let room = room::of(&self.module, &self.policy).ok()?;
        if self.refusals.take_exceptions() {
            let limit_bytes = u64::from(most_pages(&self.policy)) * PAGE_BYTES;
            return Some(SandboxError::InstanceTooLarge {
                memory_bytes: self.memory_bytes(),
                held_bytes: self.module.extent().held_bytes().saturating_add(limit_bytes / 4),
                limit_bytes,
            });
        }
        let growth_bytes = u64::from(room.growth_pages) * PAGE_BYTES;
        if let Some(wanted) = memory.filter(|wanted| *wanted > growth_bytes) {
            let begun_bytes = self.module.memory_minimum_bytes();
            return Some(SandboxError::MemoryLimit {
                requested_bytes: begun_bytes + wanted,
                limit_bytes: begun_bytes + growth_bytes,
                call: Box::default(),
            });
        }
        let RefusedTable { index, elements } = table?;
        let tables = &self.module.compiled().info().tables;
        let wanted = elements.checked_sub(tables.get(TableIndex::from_u32(index))?.minimum)?;
        let begun = u32::try_from(self.module.extent().table_elements()).unwrap_or(u32::MAX);
        (wanted > room.growth_elements).then(|| SandboxError::TableLimit {
            requested: begun.saturating_add(wanted),
            limit: begun.saturating_add(room.growth_elements),
            call: Box::default(),
        })
    }

    /// The functions of the guest's innermost calls.
    fn functions(&self, noted: Option<&Noted>, error: &RuntimeError) -> Vec<u32> {
        match noted {
            Some(noted) => {
                let code = self.module.code();
                noted.frames.iter().filter_map(|address| code.function_at(*address)).collect()
            }
            // A function of Wasmer raised the trap.
            None => {
                error.trace().iter().take(MOST_FRAMES).map(|frame| frame.func_index()).collect()
            }
        }
    }

    /// The names of functions.
    fn backtrace(&self, functions: Vec<u32>) -> Vec<String> {
        let names = self.module.names();
        let name = |function| {
            names.of_function(function).unwrap_or_else(|| format!("function {function}"))
        };
        functions.into_iter().map(name).collect()
    }
}

/// Why a guest trapped. Wasmer knows it of instructions that can trap for one reason only; of the others the fault tells.
fn reason(noted: Option<&Noted>, error: &RuntimeError) -> TrapCode {
    let of_fault = noted.and_then(|noted| noted.code);
    match error.clone().to_trap() {
        // What it makes of every fault that it knows nothing of.
        unknown @ (None | Some(WasmerTrap::StackOverflow)) => of_fault.or(unknown),
        known => known,
    }
    .map_or(TrapCode::Other, trap_code)
}

/// The error for a panic of the host's own code.
pub(super) fn host_panic(function: &str, panic: &(dyn Any + Send)) -> SandboxError {
    let (function, message) = (function.to_owned(), panic_message(panic));
    SandboxError::HostPanic { function, message, call: Box::default() }
}

fn trap_code(code: WasmerTrap) -> TrapCode {
    match code {
        WasmerTrap::StackOverflow => TrapCode::StackOverflow,
        WasmerTrap::HeapAccessOutOfBounds | WasmerTrap::HeapMisaligned => {
            TrapCode::MemoryOutOfBounds
        }
        WasmerTrap::TableAccessOutOfBounds => TrapCode::TableOutOfBounds,
        WasmerTrap::IndirectCallToNull => TrapCode::IndirectCallToNull,
        WasmerTrap::BadSignature => TrapCode::BadSignature,
        WasmerTrap::IntegerOverflow => TrapCode::IntegerOverflow,
        WasmerTrap::IntegerDivisionByZero => TrapCode::IntegerDivisionByZero,
        WasmerTrap::BadConversionToInteger => TrapCode::BadConversionToInteger,
        WasmerTrap::UnreachableCodeReached => TrapCode::Unreachable,
        WasmerTrap::UnalignedAtomic => TrapCode::UnalignedAtomic,
        // Nobody interrupted it, or the caller would know. It is what Wasmer says of a wait that cannot be.
        WasmerTrap::HostInterrupt => TrapCode::WaitOnUnsharedMemory,
        WasmerTrap::UncaughtException => TrapCode::UncaughtException,
        _ => TrapCode::Other,
    }
}
