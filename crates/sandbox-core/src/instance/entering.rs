//! Entering of the guest by a call, and whether the instance survives it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use wasmer_types::RawValue;

use super::{Instance, Returned, exchange, failure};
use crate::error::{CallResult, Result, SandboxError};
use crate::marshal::arguments::CallBuffer;
use crate::marshal::export::Export;
use crate::module::FunctionId;
use crate::sys::code::Code;
use crate::sys::memory::Writes;
use crate::sys::refusals::Refusals;
use crate::sys::{faults, fork, interrupt, signals};
use crate::threads::callers_runtime::Restore;
use crate::threads::nesting::Level;
use crate::watchdog::CallControl;

impl Instance {
    /// Runs a function on the calling thread.
    ///
    /// `export` is that function too. It comes along because cloning the module, to borrow it from there,
    /// would have all cores write to one counter.
    #[inline]
    pub(crate) fn enter(
        &mut self,
        id: FunctionId,
        export: &Export,
        call_buffer: CallBuffer<'_>,
    ) -> CallResult<Returned> {
        let name = export.name.as_str();
        if export.pure || !self.is_reset {
            return self.enter_unnoted(id, name, call_buffer);
        }
        // Until it is known better, also if this panics.
        let before = std::mem::replace(&mut self.writes, Writes::AnyPage);
        let faults = faults::watch();
        let result = self.enter_unnoted(id, name, call_buffer);
        // Page faults are counted for this thread, and a slice of the memory can be written to by any.
        let lent = self.host.take_lent();
        if before < Writes::AnyPage && !lent && faults.none_since() {
            self.writes = Writes::KnownPages;
        }
        result
    }

    #[inline]
    fn enter_unnoted(
        &mut self,
        id: FunctionId,
        name: &str,
        call_buffer: CallBuffer<'_>,
    ) -> CallResult<Returned> {
        let (input, format) = match call_buffer {
            CallBuffer::Numbers(values) => {
                return self.enter_each(id, name, values, 1).1.map(|()| Returned::Numbers);
            }
            CallBuffer::Exchange { input, format } => (input, exchange::CallFormat::Value(format)),
            CallBuffer::Chunk(Some(chunk)) => (chunk, exchange::CallFormat::None),
            CallBuffer::Chunk(None) => (&[][..], exchange::CallFormat::EndOfStream),
        };
        Ok(self.watched(name, |instance| instance.exchange(id, name, input, format))?)
    }

    /// Runs a function that takes numbers once for each set of values, with one entry into the guest,
    /// until one call fails.
    ///
    /// Returns how many did not, and how the first that did ended. All of them together have the time that one
    /// call has.
    #[inline]
    pub(crate) fn enter_each(
        &mut self,
        id: FunctionId,
        name: &str,
        values: &mut [RawValue],
        calls: usize,
    ) -> (usize, CallResult<()>) {
        let mut surroundings = Surroundings::default();
        if let Err(error) = self.prepare(name, &mut surroundings) {
            return (0, Err(error));
        }
        let guest = &mut self.guest;
        let run = || guest.call(id.index(), values, calls);
        let outcome = supervised(&self.control, self.module.code(), &self.refusals, run);
        match outcome {
            Ok((returned, Ok(()))) if self.control.stop_reason().is_none() => (returned, Ok(())),
            Ok((returned, result)) => {
                let result = result.map_err(|error| self.runtime_failure(name, error));
                (returned, self.concluded(name, Ok(result)).map_err(Box::new))
            }
            Err(panic) => (0, self.concluded(name, Err(panic)).map_err(Box::new)),
        }
    }

    /// Runs guest code under watch, and decides whether the instance survives it.
    pub(super) fn watched<T>(
        &mut self,
        function: &str,
        run: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let mut surroundings = Surroundings::default();
        self.prepare(function, &mut surroundings).map_err(|error| *error)?;
        let (control, refusals) = (Arc::clone(&self.control), Arc::clone(&self.refusals));
        // Another handle, of what all instances of the module share, would have all cores write to one counter.
        let code = self.code.take().unwrap_or_default();
        let outcome = supervised(&control, &code, &refusals, || run(self));
        self.code = Some(code);
        self.concluded(function, outcome)
    }

    /// Puts in place what has to be there before guest code runs, and until it has run.
    #[inline]
    fn prepare(&mut self, function: &str, surroundings: &mut Surroundings) -> CallResult<()> {
        // First of all: what does not even enter the guest uses none.
        if let Some(fuel) = &self.fuel {
            fuel.fill(self.guest.store());
        }
        fork::check()?;
        if self.control.stop_reason().is_some() {
            return Err(self.stopped(function).into());
        }
        if !self.host.binding().is_empty() {
            self.begin_host_calls(function, surroundings)?;
        }
        // Where the thread is known, which is after its first call, this compares two numbers.
        surroundings.reopened = signals::admit()?.map(Box::new);
        self.refusals.forget();
        Ok(())
    }

    /// Puts in place what host functions need.
    fn begin_host_calls(&self, function: &str, surroundings: &mut Surroundings) -> CallResult<()> {
        let binding = self.host.binding();
        let level = binding
            .enter()
            .map_err(|fault| SandboxError::NestedCall { function: function.to_owned(), fault })?;
        // Before the guest runs, whose own runtime hides the one that a blocking caller is on.
        surroundings.caller =
            binding.waits().then(crate::threads::callers_runtime::for_this_thread);
        surroundings.level = Some(level);
        self.host.begin_call();
        Ok(())
    }

    /// Decides whether the instance survives what guest code did.
    fn concluded<T>(&mut self, function: &str, outcome: thread::Result<Result<T>>) -> Result<T> {
        if self.control.stop_reason().is_some() {
            // Told to stop, so it returns no value, even if it just managed to: what it computed may rest on
            // a sleep that was cut short. And it may have been interrupted.
            self.poisoned = true;
            self.unsound = true;
            return Err(self.stopped(function).with_output(self.output.take()));
        }
        match outcome {
            Ok(result) => {
                self.unsound |= matches!(result, Err(SandboxError::HostFunctionPanicked { .. }));
                self.poisoned |= result.as_ref().is_err_and(poisons);
                // An instance that lives on keeps what it wrote.
                result.map_err(|error| {
                    if poisons(&error) { error.with_output(self.output.take()) } else { error }
                })
            }
            Err(panic) => {
                self.poisoned = true;
                self.unsound = true;
                Err(failure::host_panic(function, panic.as_ref()))
            }
        }
    }
}

/// Guards that guest code needs around it. Dropped in this order.
#[derive(Default)]
struct Surroundings {
    /// Of guests that call host functions.
    caller: Option<Restore>,
    level: Option<Level>,
    /// On threads that block signals which guests need. In a box, since nearly all threads do not.
    reopened: Option<Box<signals::Reopened>>,
}

/// Runs guest code so that it can be stopped, and a panic of the host does not get further.
#[inline]
fn supervised<T>(
    control: &Arc<CallControl>,
    code: &Code,
    refusals: &Refusals,
    run: impl FnOnce() -> T,
) -> thread::Result<T> {
    control.watch(|| {
        let within = || interrupt::within(code, control.requests(), refusals, run);
        catch_unwind(AssertUnwindSafe(within))
    })
}

/// Whether the guest may have been left in the middle of something.
fn poisons(error: &SandboxError) -> bool {
    !matches!(
        error,
        SandboxError::GuestError { .. }
            | SandboxError::Undecodable { .. }
            | SandboxError::Unencodable { .. }
    )
}
