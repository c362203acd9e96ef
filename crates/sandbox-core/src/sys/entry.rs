//! The way from the host into guest code, at the price of one entry for any number of calls.
//!
//! Wasmer's own untyped call allocates and checks types at every call, and its typed call wants to know the
//! types when the host is compiled. So guests are entered here by their functions' trampolines, once for each set of
//! arguments, on the Wasm stack and with traps caught. There are three ways in:
//!
//! - Where a function may reach an import, Wasmer has to know whose store it is in. Each instance has a *gate*: a
//!   host function whose trampoline is replaced by one of ours. Wasmer enters it as it enters every function, with the
//!   store in place, and from there the trampoline calls the guest's function.
//! - Where it cannot, nobody ever asks for the store, and the function is entered without.
//! - Where nothing that it reaches traps in Wasmer's own way either, Wasmer need not know of it at all, and it is entered
//!   [directly](super::direct).
#![expect(unsafe_code, reason = "calls guest functions through their trampolines")]

use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use backtrace::Backtrace;
use wasmer::sys::vm::{
    Trap, TrapCode, VMCallerCheckedAnyfunc, VMContext, VMFunctionBody, catch_traps,
};
use wasmer::{AsStoreMut, Function, FunctionType, RuntimeError, Store, Type, TypedFunction, Value};
use wasmer_types::RawValue;

use super::direct::{self, Ended};
use super::guest_memory::WaitingGuest;
use super::stack::OwnStack;
use super::{interrupt, stack};

/// The gate of an instance.
#[derive(Clone)]
pub(crate) struct Gate {
    enter: TypedFunction<i64, ()>,
    /// Bytes of a stack that the guest may use.
    stack_bytes: usize,
    /// Functions that allow it are entered directly.
    is_direct: bool,
}

/// Why a guest was not entered: the system did not let the end of its stack be guarded.
#[derive(Debug)]
pub(crate) struct Unguarded;

impl fmt::Display for Unguarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the end of a stack could not be guarded")
    }
}

impl std::error::Error for Unguarded {}

/// Set of the functions that a function may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Functions of the host too.
    Imports,
    /// Functions of its own instance, and all that Wasmer does for it.
    Builtins,
    /// Functions of its own instance, and of what Wasmer does for it only that which raises no trap by itself.
    OwnFunctions,
}

/// A function of a guest, ready to be called. Belongs to one store.
pub(crate) struct Target {
    /// Absent where arguments are references, which cannot be given.
    raw: Option<NonNull<VMCallerCheckedAnyfunc>>,
    /// Number of values of one call, see [`width`].
    width: usize,
    reach: Reach,
}

// SAFETY: the address points into the store that the function belongs to, and is only used by the gate of that store, whose
// caller owns it.
unsafe impl Send for Target {}
// SAFETY: as above; sharing it gives nobody the store.
unsafe impl Sync for Target {}

/// Means to enter a guest once more, out of a function of the host that it waits for. Belongs to one store.
pub(crate) struct Reentry {
    pub(super) gate: Gate,
    pub(super) targets: Arc<[Target]>,
}

impl Reentry {
    /// Calls a function of the guest, by its number: arguments before, results after. Runs guest code.
    pub(crate) fn call(
        &self,
        guest: &mut WaitingGuest<'_>,
        at: usize,
        values: &mut [RawValue],
    ) -> Result<(), RuntimeError> {
        self.gate.call(guest.store(), &self.targets[at], values, 1).1
    }
}

impl fmt::Debug for Reentry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reentry").field("functions", &self.targets.len()).finish_non_exhaustive()
    }
}

/// Request to call a function, as it crosses over to the guest's stack.
struct Request {
    target: NonNull<VMCallerCheckedAnyfunc>,
    /// The arguments of the first call, and after it its results.
    values: *mut RawValue,
    /// From the values of one call to those of the next.
    width: usize,
    calls: usize,
    /// Number of calls that have returned.
    returned: usize,
    /// Smallest size of the stack.
    stack_size: usize,
    /// Bytes of it that the guest may use.
    stack_bytes: usize,
    is_guarded: bool,
}

impl Gate {
    /// The gate of a store whose tunables say [`stack::config`], for a guest that may use so much of a stack.
    pub(super) fn new(store: &mut Store, stack_bytes: usize) -> Self {
        let function = Function::new_typed(store, |_request: i64| ());
        let raw = raw_of(&function, store);
        // SAFETY: the function is one of the host and was made just now, so its entry is a box of the store
        // that nobody else looks at. The new trampoline has the type of the old one.
        unsafe {
            (*raw.as_ptr()).call_trampoline = pass_through;
        }
        let enter = function.typed(store).expect("the function was made with this type");
        Self { enter, stack_bytes, is_direct: direct::is_enabled() }
    }

    /// Calls the function `calls` times, until a call traps.
    ///
    /// `values` holds the arguments of each call, one after the other, as many for each as its [`width`]; there
    /// it puts the results. Returns how many calls returned, and how the first that did not ended.
    #[inline]
    pub(crate) fn call(
        &self,
        store: &mut impl AsStoreMut,
        target: &Target,
        values: &mut [RawValue],
        calls: usize,
    ) -> (usize, Result<(), RuntimeError>) {
        let Some(raw) = target.raw else {
            return (0, Err(RuntimeError::new("the function takes references")));
        };
        if target.width.checked_mul(calls) != Some(values.len()) {
            return (0, Err(RuntimeError::new("the values do not fit the function")));
        }
        let all_values = values;
        let (width, values) = (target.width, all_values.as_mut_ptr());
        // Read before Wasmer looks for a stack. It never shrinks, so the one that is found is as large.
        let (stack_size, stack_bytes) = (stack::size(), self.stack_bytes);
        let (returned, is_guarded) = (0, true);
        let mut request = Request {
            target: raw,
            values,
            width,
            calls,
            returned,
            stack_size,
            stack_bytes,
            is_guarded,
        };
        let request = &raw mut request;
        let outcome = match target.reach {
            // No address has the highest bit set, so it is a positive number.
            Reach::Imports => {
                self.enter.call(store, request.expose_provenance().cast_signed() as i64)
            }
            Reach::OwnFunctions if self.is_direct && interrupt::is_guest_here() => {
                let Some(stack) = OwnStack::take(stack_size) else {
                    return (0, Err(RuntimeError::user(Box::new(Unguarded))));
                };
                let bounds = stack.bounds();
                interrupt::note_stack(bounds, stack_size);
                let top = bounds.top - bounds.gap(stack_bytes);
                // SAFETY: the target reaches what it says, `call_each` holds nothing that has to be dropped, and the stack
                // is as large as Wasmer's would be. The store is borrowed, so everything in it lives; the request lives here.
                let ended = unsafe { interrupt::directly(top, call_each, request.cast()) };
                stack.put_back();
                outcome_of(ended)
            }
            // SAFETY: no code on the Wasm stack holds anything that has to be dropped (`serve`). The store, which
            // nobody asks for, is borrowed, so everything in it lives; the request lives here.
            Reach::Builtins | Reach::OwnFunctions => unsafe {
                catch_traps(None, stack::config(), move || serve(request))
                    .map_err(RuntimeError::from)
            },
        };
        // SAFETY: `request` lives here; the code that wrote to it through its address has ended.
        let (returned, is_guarded) = unsafe {
            let request = &raw const *request;
            (
                ptr::read_volatile(&raw const (*request).returned),
                ptr::read_volatile(&raw const (*request).is_guarded),
            )
        };
        if !is_guarded {
            // Nothing of the guest has run.
            if stack_size != stack::size() {
                return self.call(store, target, all_values, calls);
            }
            return (0, Err(RuntimeError::user(Box::new(Unguarded))));
        }
        (returned, outcome)
    }
}

/// Stands in for the trampoline of the gate's host function.
unsafe extern "C" fn pass_through(
    _: *mut VMContext,
    _: *const VMFunctionBody,
    arguments: *mut RawValue,
) {
    // SAFETY: Wasmer passes the arguments that `call` gave to the gate: the address of its request, which lives
    // until the gate returns.
    unsafe {
        let address = usize::try_from((*arguments).i64).unwrap_or_default();
        serve(ptr::with_exposed_provenance_mut::<Request>(address));
    }
}

/// Makes the calls.
///
/// A trap in a call leaves this function without returning, which is why it holds nothing to be dropped, and why it
/// counts what has returned in memory.
///
/// # Safety
/// The request is valid, and its values are as many as the calls are wide, of the types that the target takes.
unsafe fn serve(request: *mut Request) {
    // SAFETY: our caller's contract; and the target is an instance's entry for the function. Wasmer enters this at the
    // top of a stack as large as it was told after that size was put into the request.
    unsafe {
        let Some(bounds) = stack::bounds((*request).stack_size) else {
            ptr::write_volatile(&raw mut (*request).is_guarded, false);
            return;
        };
        interrupt::note_stack(bounds, (*request).stack_size);
        let gap = bounds.gap((*request).stack_bytes);
        let target = *(*request).target.as_ptr();
        let (values, width, calls) = ((*request).values, (*request).width, (*request).calls);
        for call in 0..calls {
            stack::call_below(gap, &target, values.add(call * width));
            ptr::write_volatile(&raw mut (*request).returned, call + 1);
        }
    }
}

/// Makes the calls of a request, on a stack that begins as far down as the guest's policy says. As with [`serve`], a trap leaves
/// this without returning.
///
/// # Safety
/// As for [`serve`], for a pointer to a request.
unsafe extern "C-unwind" fn call_each(request: *mut u8) {
    let request = request.cast::<Request>();
    // SAFETY: our caller's contract; and the target is an instance's entry for the function.
    unsafe {
        let target = *(*request).target.as_ptr();
        let (values, width, calls) = ((*request).values, (*request).width, (*request).calls);
        for call in 0..calls {
            let values = values.add(call * width);
            (target.call_trampoline)(target.vmctx.vmctx, target.func_ptr, values);
            ptr::write_volatile(&raw mut (*request).returned, call + 1);
        }
    }
}

/// The outcome of calls that were made directly. Where the guest was has been [noted](super::frames), so the backtrace is empty.
#[inline]
fn outcome_of(ended: Ended) -> Result<(), RuntimeError> {
    let backtrace = || Backtrace::from(Vec::new());
    match ended {
        Ended::Returned => Ok(()),
        // Wasmer looks for the reason in what it knows of the instruction; if it knows none, it is that one.
        Ended::At(pc) => Err(Trap::wasm(pc, backtrace(), Some(TrapCode::StackOverflow)).into()),
        Ended::For(trap_code) => Err(Trap::Lib { trap_code, backtrace: backtrace() }.into()),
    }
}

impl Target {
    pub(crate) fn new(store: &mut Store, function: Function, reach: Reach) -> Self {
        let ty = function.ty(store);
        let takes_references = ty.params().iter().any(|ty| !is_number(*ty));
        let raw = (!takes_references).then(|| raw_of(&function, store));
        Self { raw, width: width(&ty), reach }
    }
}

fn is_number(ty: Type) -> bool {
    matches!(ty, Type::I32 | Type::I64 | Type::F32 | Type::F64 | Type::V128)
}

/// Where Wasmer keeps what it needs to call the function: in the instance that defines it, or in a box of the store.
fn raw_of(function: &Function, store: &mut impl AsStoreMut) -> NonNull<VMCallerCheckedAnyfunc> {
    let reference = Value::FuncRef(Some(function.clone())).as_raw(store);
    // SAFETY: it is the raw form of a reference to a function.
    let address = unsafe { reference.funcref };
    NonNull::new(ptr::with_exposed_provenance_mut(address))
        .expect("a reference to a function is not null")
}

/// Number of values of one call, of its arguments or of its results if they are more: the results come where the arguments were.
pub(crate) fn width(ty: &FunctionType) -> usize {
    ty.params().len().max(ty.results().len())
}

#[cfg(test)]
mod tests;
