//! Host functions whose types are known only at run time.

use std::sync::Arc;

use wasmer::{Function, FunctionEnv, FunctionEnvMut, FunctionType, RuntimeError, Store};

use super::caller::Caller;
use super::define::{Blueprint, Waits};
use super::numbers::BoxedError;
use super::site::Site;
use crate::marshal::types::NumberType;
use crate::marshal::value::Value;

/// A dynamic host function returned values that its own types do not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WrongResults {
    /// It returned more or fewer than it says.
    #[error("it returned {given} values, and its types say {expected}")]
    Count {
        /// Number of results that its types say.
        expected: usize,
        /// Number of values that it returned.
        given: usize,
    },
    /// One of them is something else, or no number of that type.
    #[error("its result {at} is {given}, and its type is {expected}")]
    Type {
        /// Which one, from zero.
        at: usize,
        /// Its type.
        expected: NumberType,
        /// The value, in words.
        given: String,
    },
}

/// Makes a host function of a closure that takes whatever comes.
pub(super) fn blueprint<E: Into<BoxedError>>(
    parameters: &[NumberType],
    results: &[NumberType],
    function: impl Fn(&mut Caller<'_>, &[Value]) -> Result<Vec<Value>, E> + Send + Sync + 'static,
) -> Blueprint {
    let wasmer = |types: &[NumberType]| -> Vec<wasmer::Type> {
        types.iter().map(|ty| ty.of_wasmer()).collect()
    };
    let signature = FunctionType::new(wasmer(parameters), wasmer(results));
    let (function, results) = (Arc::new(function), Arc::<[NumberType]>::from(results));
    let ty = signature.clone();
    let make = move |store: &mut Store, env: &FunctionEnv<()>, site: Site| {
        let (function, results) = (Arc::clone(&function), Arc::clone(&results));
        let serve = move |mut context: FunctionEnvMut<'_, ()>, arguments: &[wasmer::Value]| {
            let served = site.serve(&mut context, |caller| {
                let arguments: Vec<Value> = arguments.iter().map(from_wasmer).collect();
                let returned = function(caller, &arguments).map_err(Into::into)?;
                Ok(to_wasmer(&returned, &results)?)
            });
            served.map_err(|unwound| RuntimeError::user(Box::new(unwound)))
        };
        Function::new_with_env(store, env, ty.clone(), serve)
    };
    Blueprint::of(signature, Waits::No, make)
}

fn from_wasmer(value: &wasmer::Value) -> Value {
    match *value {
        wasmer::Value::I32(number) => Value::I32(number),
        wasmer::Value::I64(number) => Value::I64(number),
        wasmer::Value::F32(number) => Value::F32(number),
        wasmer::Value::F64(number) => Value::F64(number),
        // The function's type has numbers only.
        _ => Value::Null,
    }
}

fn to_wasmer(returned: &[Value], types: &[NumberType]) -> Result<Vec<wasmer::Value>, WrongResults> {
    if returned.len() != types.len() {
        return Err(WrongResults::Count { expected: types.len(), given: returned.len() });
    }
    let each = returned.iter().zip(types).enumerate().map(|(at, (value, ty))| {
        number(value, *ty).ok_or_else(|| WrongResults::Type {
            at,
            expected: *ty,
            given: format!("{value:?}").chars().take(64).collect(),
        })
    });
    each.collect()
}

/// The value as a number of that type, if it is one: by the rules for arguments of guests.
fn number(value: &Value, ty: NumberType) -> Option<wasmer::Value> {
    Some(match (ty, value) {
        (NumberType::I32, Value::I32(number)) => wasmer::Value::I32(*number),
        (NumberType::I32, Value::I64(number)) => wasmer::Value::I32((*number).try_into().ok()?),
        (NumberType::I32, Value::U64(number)) => {
            wasmer::Value::I32(u32::try_from(*number).ok()?.cast_signed())
        }
        (NumberType::I32, Value::Bool(value)) => wasmer::Value::I32((*value).into()),
        (NumberType::I64, Value::I32(number)) => wasmer::Value::I64((*number).into()),
        (NumberType::I64, Value::I64(number)) => wasmer::Value::I64(*number),
        (NumberType::I64, Value::U64(number)) => wasmer::Value::I64(number.cast_signed()),
        (NumberType::I64, Value::Bool(value)) => wasmer::Value::I64((*value).into()),
        (NumberType::F32, Value::F32(number)) => wasmer::Value::F32(*number),
        (NumberType::F64, Value::F32(number)) => wasmer::Value::F64((*number).into()),
        (NumberType::F64, Value::F64(number)) => wasmer::Value::F64(*number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_fit_by_their_value() {
        let fits = |value: Value, ty| number(&value, ty).is_some();
        assert!(fits(Value::I64(-5), NumberType::I32));
        assert!(fits(Value::U64(u64::from(u32::MAX)), NumberType::I32));
        assert!(!fits(Value::U64(1 << 32), NumberType::I32));
        assert!(!fits(Value::I64(i64::from(u32::MAX)), NumberType::I32));
        assert!(!fits(Value::F64(1.0), NumberType::F32));
        assert!(!fits(Value::from("1"), NumberType::I64));
    }

    #[test]
    fn there_are_as_many_results_as_the_types_say() {
        let wrong = to_wasmer(&[Value::I32(1)], &[]).unwrap_err();
        assert_eq!(wrong, WrongResults::Count { expected: 0, given: 1 });
        let wrong = to_wasmer(&[Value::Null], &[NumberType::F64]).unwrap_err();
        assert!(matches!(wrong, WrongResults::Type { at: 0, .. }), "{wrong}");
    }
}
