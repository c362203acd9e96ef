//! The way from the host into guest code, at the price of one entry for any number of calls.
//!
//! Wasmer's own untyped call allocates and checks types at every call, and its typed call wants to know the
//! types when the host is compiled. So each instance has a *gate*: a host function whose trampoline is replaced by
//! one of ours. Wasmer enters it as it enters every function, with the store in place, on the Wasm stack
//! and with traps caught, and from there the trampoline calls the guest's function, once for each set of arguments.
#![expect(unsafe_code, reason = "calls guest functions through their trampolines")]

use std::ptr::{self, NonNull};

use smallvec::SmallVec;
use wasmer::sys::vm::{VMCallerCheckedAnyfunc, VMContext, VMFunctionBody};
use wasmer::{AsStoreMut, AsStoreRef, Function, RuntimeError, Store, Type, TypedFunction, Value};
use wasmer_types::RawValue;

use crate::call::numbers::Values;

/// The gate of an instance.
pub(crate) struct Gate {
    enter: TypedFunction<i64, ()>,
}

/// A function of a guest, ready to be called. Belongs to one store.
pub(crate) struct Target {
    function: Function,
    params: Box<[Type]>,
    results: Box<[Type]>,
    /// Absent where values are references, which the gate does not take.
    raw: Option<NonNull<VMCallerCheckedAnyfunc>>,
}

/// What the gate is told.
struct Request {
    target: NonNull<VMCallerCheckedAnyfunc>,
    /// The arguments of the first call, and after it its results.
    values: *mut RawValue,
    /// From the values of one call to those of the next.
    stride: usize,
    calls: usize,
    /// How many calls have returned.
    returned: usize,
}

/// Values in Wasmer's own form, enough for nearly all functions without the heap.
type RawValues = SmallVec<[RawValue; 4]>;

impl Gate {
    pub(crate) fn new(store: &mut Store) -> Self {
        let function = Function::new_typed(store, |_request: i64| ());
        let raw = raw_of(&function, store);
        // SAFETY: the function is one of the host and was made just now, so its entry is a box of the store
        // that nobody else looks at. The new trampoline has the type of the old one.
        unsafe {
            (*raw.as_ptr()).call_trampoline = pass_through;
        }
        let enter = function.typed(store).expect("the function was made with this type");
        Self { enter }
    }

    /// Calls the function once.
    pub(crate) fn call(
        &self,
        store: &mut Store,
        target: &Target,
        arguments: &[Value],
    ) -> Result<Values, RuntimeError> {
        let Some(raw) = target.raw else {
            return Ok(target.function.call(store, arguments)?.into_vec().into());
        };
        let mut values = RawValues::from_elem(RawValue { i64: 0 }, target.stride());
        target.lower(arguments, store, &mut values)?;
        self.pass(store, raw, &mut values, 1).1?;
        Ok(target.lift(&values))
    }

    /// Calls the function once for each set of arguments, until one traps. Returns the results of
    /// those that returned, and how the first that did not ended.
    pub(crate) fn call_each(
        &self,
        store: &mut Store,
        target: &Target,
        arguments: &[&[Value]],
    ) -> (Vec<Values>, Result<(), RuntimeError>) {
        let mut results = Vec::with_capacity(arguments.len());
        let Some(raw) = target.raw else {
            for arguments in arguments {
                match target.function.call(store, arguments) {
                    Ok(values) => results.push(values.into_vec().into()),
                    Err(error) => return (results, Err(error)),
                }
            }
            return (results, Ok(()));
        };
        let stride = target.stride();
        let mut values = vec![RawValue { i64: 0 }; stride * arguments.len()];
        for (arguments, values) in arguments.iter().zip(values.chunks_exact_mut(stride)) {
            if let Err(error) = target.lower(arguments, store, values) {
                return (results, Err(error));
            }
        }
        let (returned, outcome) = self.pass(store, raw, &mut values, arguments.len());
        results
            .extend(values.chunks_exact(stride).take(returned).map(|values| target.lift(values)));
        (results, outcome)
    }

    /// Goes through the gate. `values` holds `calls` sets of values of the same length.
    fn pass(
        &self,
        store: &mut Store,
        target: NonNull<VMCallerCheckedAnyfunc>,
        values: &mut [RawValue],
        calls: usize,
    ) -> (usize, Result<(), RuntimeError>) {
        let stride = values.len().checked_div(calls).unwrap_or_default();
        let mut request =
            Request { target, values: values.as_mut_ptr(), stride, calls, returned: 0 };
        let address = (&raw mut request).expose_provenance();
        // No address has the highest bit set, so it is a positive number.
        let outcome = self.enter.call(store, address.cast_signed() as i64);
        // SAFETY: `request` lives here; the trampoline that wrote to it through its address has ended.
        let returned = unsafe { ptr::read_volatile(&raw const request.returned) };
        (returned, outcome)
    }
}

/// Stands in for the trampoline of the gate's host function.
///
/// A trap in a call leaves this function without returning, which is why it holds nothing to be dropped, and why it
/// counts what has returned in memory.
unsafe extern "C" fn pass_through(
    _: *mut VMContext,
    _: *const VMFunctionBody,
    arguments: *mut RawValue,
) {
    // SAFETY: Wasmer passes the arguments that `pass` gave to the gate: the address of its request, which lives
    // until the gate returns. The values are as many and of the types as the target takes and returns (`lower`).
    unsafe {
        let address = usize::try_from((*arguments).i64).unwrap_or_default();
        let request = ptr::with_exposed_provenance_mut::<Request>(address);
        let target = *(*request).target.as_ptr();
        let (values, stride, calls) = ((*request).values, (*request).stride, (*request).calls);
        for call in 0..calls {
            let values = values.add(call * stride);
            (target.call_trampoline)(target.vmctx.vmctx, target.func_ptr, values);
            ptr::write_volatile(&raw mut (*request).returned, call + 1);
        }
    }
}

impl Target {
    pub(crate) fn new(store: &mut Store, function: Function) -> Self {
        let ty = function.ty(store);
        let takes_references = ty.params().iter().chain(ty.results()).any(|ty| !is_number(*ty));
        let raw = (!takes_references).then(|| raw_of(&function, store));
        Self { function, params: ty.params().into(), results: ty.results().into(), raw }
    }

    /// How many places the values of one call take: the results come where the arguments were.
    fn stride(&self) -> usize {
        self.params.len().max(self.results.len()).max(1)
    }

    /// Writes arguments as Wasmer wants them.
    fn lower(
        &self,
        arguments: &[Value],
        store: &impl AsStoreRef,
        values: &mut [RawValue],
    ) -> Result<(), RuntimeError> {
        let fit = arguments.len() == self.params.len()
            && arguments.iter().zip(&self.params).all(|(value, ty)| value.ty() == *ty);
        if !fit {
            return Err(RuntimeError::new("the arguments do not fit the function"));
        }
        for (argument, value) in arguments.iter().zip(values) {
            *value = argument.as_raw(store);
        }
        Ok(())
    }

    /// Reads results.
    fn lift(&self, values: &[RawValue]) -> Values {
        let lift = |(ty, value): (&Type, &RawValue)| {
            // SAFETY: every bit pattern is a number, and the function wrote the results of its own types.
            unsafe {
                match ty {
                    Type::I64 => Value::I64(value.i64),
                    Type::F32 => Value::F32(value.f32),
                    Type::F64 => Value::F64(value.f64),
                    Type::V128 => Value::V128(value.u128),
                    _ => Value::I32(value.i32),
                }
            }
        };
        self.results.iter().zip(values).map(lift).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(store: &mut Store, text: &str) -> wasmer::Instance {
        let wasm = wat::parse_str(text).unwrap();
        let module = wasmer::Module::new(store, wasm).unwrap();
        wasmer::Instance::new(store, &module, &wasmer::Imports::new()).unwrap()
    }

    #[test]
    fn values_of_every_number_type_go_through_the_gate() {
        let mut store = Store::default();
        let instance = instance(
            &mut store,
            r#"(module (func (export "turn") (param i32 i64 f32 f64) (result f64 f32 i64 i32)
                local.get 3 local.get 2 local.get 1 local.get 0))"#,
        );
        let gate = Gate::new(&mut store);
        let function = instance.exports.get_function("turn").unwrap().clone();
        let target = Target::new(&mut store, function);
        let arguments = [Value::I32(-1), Value::I64(i64::MIN), Value::F32(0.5), Value::F64(-0.25)];
        let results = gate.call(&mut store, &target, &arguments).unwrap();
        assert_eq!(results.as_slice(), arguments.iter().rev().cloned().collect::<Vec<_>>());
        assert!(gate.call(&mut store, &target, &arguments[1..]).is_err());
        assert!(gate.call(&mut store, &target, &results).is_err());
    }

    #[test]
    fn a_trap_in_a_row_of_calls_ends_it_and_keeps_the_results_before() {
        let mut store = Store::default();
        let instance = instance(
            &mut store,
            r#"(module (func (export "divide") (param i32 i32) (result i32)
                local.get 0 local.get 1 i32.div_s))"#,
        );
        let gate = Gate::new(&mut store);
        let function = instance.exports.get_function("divide").unwrap().clone();
        let target = Target::new(&mut store, function);
        let by = |divisor| [Value::I32(12), Value::I32(divisor)];
        let sets = [by(1), by(2), by(0), by(3)];
        let sets: Vec<&[Value]> = sets.iter().map(|set| &set[..]).collect();
        let (results, outcome) = gate.call_each(&mut store, &target, &sets);
        assert_eq!(results.concat(), [Value::I32(12), Value::I32(6)]);
        assert!(outcome.unwrap_err().message().contains("integer divide by zero"));
        let (results, outcome) = gate.call_each(&mut store, &target, &sets[3..]);
        assert_eq!((results.concat(), outcome.is_ok()), (vec![Value::I32(4)], true));
    }

    #[test]
    fn references_take_the_long_way() {
        let mut store = Store::default();
        let instance = instance(
            &mut store,
            r#"(module (func (export "nothing") (result externref) ref.null extern))"#,
        );
        let gate = Gate::new(&mut store);
        let function = instance.exports.get_function("nothing").unwrap().clone();
        let target = Target::new(&mut store, function);
        let results = gate.call(&mut store, &target, &[]).unwrap();
        assert!(matches!(results.as_slice(), [Value::ExternRef(None)]));
    }
}
