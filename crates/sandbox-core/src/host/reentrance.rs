//! Calls of a guest's own functions, out of the host function that it waits for.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use wasmer_types::RawValue;

use super::caller::Caller;
use crate::error::{CallResult, NestingFault, Result, SandboxError};
use crate::marshal::arguments::{no_format, signature_mismatch};
use crate::marshal::convert::{FromGuest, IntoGuest};
use crate::marshal::export::ExportKind;
use crate::marshal::results;
use crate::sys::interrupt;
use crate::threads::nesting::{Level, MOST_LEVELS};

impl Caller<'_> {
    /// Calls an exported function of the guest that waits for this host function: a callback, or an allocator of the
    /// guest's own.
    ///
    /// It runs in the same instance, and so sees and changes the same memory. It is part of the call that the guest is in:
    /// the limits of that hold for both together, and each entry has a stack as large as the policy says. Calls
    /// nest up to 16 deep, those of other sandboxes included.
    ///
    /// Only functions of numbers can be called. What else there is to pass goes through the guest's memory
    /// ([`write`](Self::write), [`bytes`](Self::bytes)): the exchange area belongs to the call that waits.
    ///
    /// ```
    /// use sandbox_core::{Caller, SandboxError, WasmSandbox};
    ///
    /// # fn main() -> sandbox_core::Result<()> {
    /// # let wasm = wat::parse_str(r#"(module (import "env" "apply" (func $apply (param i32) (result i32)))
    /// #     (func (export "double") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
    /// #     (func (export "run") (result i32) (call $apply (i32.const 21))))"#).expect("valid text");
    /// let sandbox = WasmSandbox::builder()
    ///     .source_bytes(&wasm)
    ///     .host_function("env", "apply", |caller: &mut Caller<'_>, number: i32| {
    ///         caller.call::<i32>("double", number)
    ///     })
    ///     .build_blocking()?;
    /// assert_eq!(sandbox.call_blocking::<i32>("run", ())?, 42);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SandboxError::NoSuchFunction`] and [`SandboxError::SignatureMismatch`], after which the guest can still be called
    /// and goes on. [`SandboxError::NestedCall`] if calls are nested too deep, if the guest is only being started, or
    /// if it was ended in the middle of this call: by a trap, a limit, or an error of a host function. Then it is ended
    /// as a whole when this host function returns, whatever that returns, and whoever called it gets what
    /// happened.
    pub fn call<R: FromGuest>(&mut self, function: &str, arguments: impl IntoGuest) -> Result<R> {
        self.reenter(function, &arguments).map_err(|error| *error)
    }

    fn reenter<A: IntoGuest, R: FromGuest>(
        &mut self,
        function: &str,
        arguments: &A,
    ) -> CallResult<R> {
        let state = self.state();
        let nested = |fault| {
            let function = function.to_owned();
            Box::new(SandboxError::NestedCall { function, fault })
        };
        let ended = || nested(NestingFault::GuestEnded);
        let Some(again) = state.reentrance.get() else {
            return Err(nested(NestingFault::NotStarted));
        };
        let (id, export) = again.module.function(function)?;
        let ExportKind::Numbers(signature) = &export.kind else {
            return Err(nested(NestingFault::NotOfNumbers));
        };
        no_format(export, A::FORMAT)?;
        if state.has_failed() || state.control.stop_reason().is_some() {
            return Err(ended());
        }
        let Some(_level) = Level::begin(again.address) else {
            return Err(nested(NestingFault::TooDeep { limit: MOST_LEVELS }));
        };
        let enter = |values: &mut [RawValue]| {
            let run = || again.entry.call(self.guest(), id.index(), values);
            let (code, requests) = (again.module.code(), state.control.requests());
            let within = || interrupt::within(code, requests, &again.refusals, run);
            match catch_unwind(AssertUnwindSafe(within)) {
                Ok(Ok(())) if state.control.stop_reason().is_none() => {
                    results::from_numbers(export, signature, values)
                }
                Ok(Ok(())) => Err(ended()),
                Ok(Err(error)) => {
                    state.fail(error);
                    Err(ended())
                }
                // The host's own. It is caught once more where the guest called.
                Err(panic) => resume_unwind(panic),
            }
        };
        signature.with_values(arguments.passed(), enter, |mismatch| {
            signature_mismatch(export, mismatch.into_words()).into()
        })
    }
}
