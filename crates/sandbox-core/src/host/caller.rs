//! View that a host function has of the guest that called it.

use std::any::{Any, type_name};
use std::time::Duration;

use wasmer::FunctionEnvMut;

use super::state::HostState;
use crate::context::{Brought, Context};
use crate::error::{GuestMemoryError, checked_range};
use crate::sys::guest_memory::WaitingGuest;

/// The guest that called a host function, while it waits for the answer.
///
/// Through it a function reads and writes the guest's linear memory, always with its bounds checked, and reaches the
/// sandbox's [context value](crate::WasmSandboxBuilder::context).
///
/// ```
/// use sandbox_core::{Caller, GuestMemoryError, HostFunctions};
///
/// let functions = HostFunctions::new().function(
///     "env",
///     "to_upper",
///     |caller: &mut Caller<'_>, text: u32, len: u32| -> Result<(), GuestMemoryError> {
///         caller.bytes_mut(text, len)?.make_ascii_uppercase();
///         Ok(())
///     },
/// );
/// # let _ = functions;
/// ```
pub struct Caller<'a> {
    guest: WaitingGuest<'a>,
    state: &'a HostState,
    /// Context value and sink that the caller of the guest brought along.
    brought: Option<&'a Brought>,
}

impl<'a> Caller<'a> {
    pub(super) fn new(
        context: &'a mut FunctionEnvMut<'_, ()>,
        state: &'a HostState,
        brought: Option<&'a Brought>,
    ) -> Self {
        Self { guest: WaitingGuest::of(context), state, brought }
    }

    pub(super) fn state(&self) -> &'a HostState {
        self.state
    }

    pub(super) fn guest(&mut self) -> &mut WaitingGuest<'a> {
        &mut self.guest
    }

    /// The guest's linear memory, whole; empty if it has none.
    pub fn memory(&self) -> &[u8] {
        self.guest.bytes()
    }

    /// The guest's linear memory, whole, to write to.
    ///
    /// The guest does not run meanwhile. The size stays as it is: only the guest itself grows its memory.
    pub fn memory_mut(&mut self) -> &mut [u8] {
        self.state.lend();
        self.guest.bytes_mut()
    }

    /// That part of the guest's memory.
    ///
    /// # Errors
    /// [`GuestMemoryError::OutOfBounds`] if it is not all there. Hostile guests pass any pointer and any length.
    pub fn bytes(&self, start: u32, len: u32) -> Result<&[u8], GuestMemoryError> {
        let memory = self.guest.bytes();
        let range = checked_range(memory.len(), start, len)?;
        Ok(&memory[range])
    }

    /// That part of the guest's memory, to write to.
    ///
    /// # Errors
    /// As [`Caller::bytes`].
    pub fn bytes_mut(&mut self, start: u32, len: u32) -> Result<&mut [u8], GuestMemoryError> {
        self.state.lend();
        let memory = self.guest.bytes_mut();
        let range = checked_range(memory.len(), start, len)?;
        Ok(&mut memory[range])
    }

    /// That part of the guest's memory as text.
    ///
    /// # Errors
    /// As [`Caller::bytes`], and [`GuestMemoryError::NotUtf8`].
    pub fn text(&self, start: u32, len: u32) -> Result<&str, GuestMemoryError> {
        std::str::from_utf8(self.bytes(start, len)?).map_err(|error| GuestMemoryError::NotUtf8 {
            start,
            len,
            valid_up_to: error.valid_up_to(),
        })
    }

    /// So many bytes of the guest's memory, by value: for the fields of structures and for little-endian numbers.
    ///
    /// ```
    /// # use sandbox_core::{Caller, GuestMemoryError};
    /// fn number_at(caller: &Caller<'_>, at: u32) -> Result<u32, GuestMemoryError> {
    ///     Ok(u32::from_le_bytes(caller.array(at)?))
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`Caller::bytes`].
    pub fn array<const N: usize>(&self, start: u32) -> Result<[u8; N], GuestMemoryError> {
        let len = u32::try_from(N).unwrap_or(u32::MAX);
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(start, len)?);
        Ok(array)
    }

    /// Writes the bytes to the guest's memory, all or none.
    ///
    /// # Errors
    /// As [`Caller::bytes`].
    pub fn write(&mut self, start: u32, bytes: &[u8]) -> Result<(), GuestMemoryError> {
        let memory = self.guest.bytes_mut();
        // No memory holds more than a `u32` counts, so a longer slice fits none.
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let range = checked_range(memory.len(), start, len)?;
        memory[range].copy_from_slice(bytes);
        Ok(())
    }

    /// The value that the call was [given](crate::WasmSandbox::with_context) for host functions, if it is of that type, or else
    /// the sandbox's [own](crate::WasmSandboxBuilder::context).
    ///
    /// # Errors
    /// [`MissingContext`] if neither was given one of that type.
    pub fn context<T: Any + Send + Sync>(&self) -> Result<&'a T, MissingContext> {
        let of_call = self.brought.map(|brought| &brought.context);
        let of_sandbox = &self.state.context;
        let found = of_call.and_then(Context::get).or_else(|| of_sandbox.get());
        found.ok_or_else(|| MissingContext {
            expected: type_name::<T>(),
            given: of_call
                .and_then(Context::type_name)
                .or_else(|| of_sandbox.type_name())
                .unwrap_or("nothing"),
        })
    }

    /// Time that the guest's call has left of its wall clock limit; `None` if it has no limit.
    ///
    /// Exact to about two milliseconds, which is how exactly the limit is enforced.
    pub fn remaining(&self) -> Option<Duration> {
        self.state.control.remaining()
    }

    /// Whether the guest's call is to stop: it ran out of time, or its caller dropped it.
    ///
    /// A host function is never interrupted. One that works for long asks this between its steps and returns
    /// early, with any value: the guest does not see it.
    pub fn is_stopping(&self) -> bool {
        self.state.control.stop_reason().is_some()
    }
}

impl std::fmt::Debug for Caller<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller")
            .field("memory_bytes", &self.memory().len())
            .field("remaining", &self.remaining())
            .field("is_stopping", &self.is_stopping())
            .finish_non_exhaustive()
    }
}

/// A host function asked for a context value that its sandbox does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a host function needs a context of type {expected}, and there is {given}: give the call one with `with_context`, or \
     the sandbox with `context` on the builder"
)]
pub struct MissingContext {
    expected: &'static str,
    given: &'static str,
}
