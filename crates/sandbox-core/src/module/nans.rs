//! Completes the canonical NaNs of Singlepass.
//!
//! Singlepass makes the NaNs of arithmetic canonical, and passes on those that it converts between the two
//! widths of floats. A multiplication by one changes nothing about any other number, not even the sign of a
//! zero, and is arithmetic.

use wasmer::sys::wasmparser::Operator;
use wasmer::sys::{FunctionMiddleware, MiddlewareError, MiddlewareReaderState, ModuleMiddleware};
use wasmer_types::LocalFunctionIndex;

/// Multiplies what was converted by one.
#[derive(Debug, Default)]
pub(super) struct CanonicalConversions;

impl ModuleMiddleware for CanonicalConversions {
    fn generate_function_middleware<'a>(
        &self,
        _function: LocalFunctionIndex,
    ) -> Box<dyn FunctionMiddleware<'a> + 'a> {
        Box::new(Self)
    }
}

impl<'a> FunctionMiddleware<'a> for CanonicalConversions {
    fn feed(
        &mut self,
        operator: Operator<'a>,
        state: &mut MiddlewareReaderState<'a>,
    ) -> Result<(), MiddlewareError> {
        let multiplication = match operator {
            Operator::F64PromoteF32 => {
                Some([Operator::F64Const { value: 1f64.into() }, Operator::F64Mul])
            }
            Operator::F32DemoteF64 => {
                Some([Operator::F32Const { value: 1f32.into() }, Operator::F32Mul])
            }
            _ => None,
        };
        state.push_operator(operator);
        state.extend(multiplication.into_iter().flatten());
        Ok(())
    }
}
