//! Rust numbers to Wasm numbers and back, by the types of the function's signature.
//!
//! Arguments are serialised straight into Wasm values and results deserialised straight from them, so a
//! tuple of numbers never takes a detour through memory. An integer fits a parameter if its value does:
//! an `i32` parameter takes -2^31 to 2^32-1 (WebAssembly's integers have no sign), an `i64` parameter
//! -2^63 to 2^64-1. A float never loses precision: `f32` fits `f64`, and not the other way round.

mod deserializer;
mod serializer;

use serde::Serialize;
use serde::de::DeserializeOwned;
use smallvec::SmallVec;
use wasmer::{Type, Value};

/// The values of one call. More than four are rare enough for the heap, and room for more would cost all other
/// calls: the values are moved several times on their way.
pub(crate) type Values = SmallVec<[Value; 4]>;

/// The arguments as Wasm values of exactly these types, or what they are instead.
pub(crate) fn to_values<T: Serialize>(arguments: &T, types: &[Type]) -> Result<Values, Mismatch> {
    let mut serializer = serializer::NumberSerializer::new(types);
    arguments.serialize(&mut serializer)?;
    serializer.finish()
}

/// The result from Wasm values, or why it does not fit.
pub(crate) fn from_values<T: DeserializeOwned>(values: &[Value]) -> Result<T, Mismatch> {
    let mut deserializer = deserializer::NumberDeserializer::new(values);
    let result = T::deserialize(&mut deserializer)?;
    deserializer.finish()?;
    Ok(result)
}

/// What does not fit, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Mismatch(pub(crate) String);

impl serde::ser::Error for Mismatch {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl serde::de::Error for Mismatch {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(list: &[Value]) -> Values {
        list.iter().cloned().collect()
    }

    #[test]
    fn tuples_become_one_value_for_each_parameter() {
        let types = [Type::I32, Type::I64, Type::F32, Type::F64];
        assert_eq!(
            to_values(&(1i32, 2i64, 0.5f32, 0.25f64), &types),
            Ok(values(&[Value::I32(1), Value::I64(2), Value::F32(0.5), Value::F64(0.25)]))
        );
        assert_eq!(to_values(&(), &[]), Ok(values(&[])));
        assert_eq!(to_values(&7u8, &[Type::I32]), Ok(values(&[Value::I32(7)])));
        assert_eq!(to_values(&true, &[Type::I32]), Ok(values(&[Value::I32(1)])));
    }

    #[test]
    fn integers_fit_by_their_value() {
        assert_eq!(to_values(&u32::MAX, &[Type::I32]), Ok(values(&[Value::I32(-1)])));
        assert_eq!(to_values(&5u64, &[Type::I32]), Ok(values(&[Value::I32(5)])));
        assert_eq!(to_values(&u64::MAX, &[Type::I64]), Ok(values(&[Value::I64(-1)])));
        assert_eq!(to_values(&-5i8, &[Type::I64]), Ok(values(&[Value::I64(-5)])));
        assert!(to_values(&(u64::from(u32::MAX) + 1), &[Type::I32]).is_err());
        assert!(to_values(&(i64::from(i32::MIN) - 1), &[Type::I32]).is_err());
        assert!(to_values(&1.5f64, &[Type::F32]).is_err());
        assert!(to_values(&1i32, &[Type::F64]).is_err());
    }

    #[test]
    fn too_many_too_few_and_other_things_do_not_fit() {
        assert!(to_values(&(1i32, 2i32), &[Type::I32]).is_err());
        assert!(to_values(&1i32, &[Type::I32, Type::I32]).is_err());
        assert!(to_values(&"text", &[Type::I32]).is_err());
        assert!(to_values(&vec![1u8], &[Type::I32]).is_err());
    }

    #[test]
    fn results_come_back_in_the_type_asked_for() {
        assert_eq!(from_values::<i32>(&[Value::I32(-1)]), Ok(-1));
        assert_eq!(from_values::<u32>(&[Value::I32(-1)]), Ok(u32::MAX));
        assert_eq!(from_values::<i64>(&[Value::I32(-1)]), Ok(-1));
        assert_eq!(from_values::<u64>(&[Value::I64(-1)]), Ok(u64::MAX));
        assert_eq!(from_values::<u64>(&[Value::I32(-1)]), Ok(u64::from(u32::MAX)));
        assert_eq!(from_values::<bool>(&[Value::I32(1)]), Ok(true));
        assert_eq!(from_values::<f64>(&[Value::F32(0.5)]), Ok(0.5));
        assert_eq!(from_values::<(i32, f64)>(&[Value::I32(1), Value::F64(2.0)]), Ok((1, 2.0)));
        assert_eq!(from_values::<()>(&[]), Ok(()));
    }

    #[test]
    fn results_that_do_not_fit_are_refused() {
        assert!(from_values::<u8>(&[Value::I32(256)]).is_err());
        assert!(from_values::<i32>(&[Value::I64(1 << 40)]).is_err());
        assert!(from_values::<i32>(&[Value::F64(1.0)]).is_err());
        assert!(from_values::<bool>(&[Value::I32(2)]).is_err());
        assert!(from_values::<()>(&[Value::I32(1)]).is_err());
        assert!(from_values::<i32>(&[]).is_err());
        assert!(from_values::<i32>(&[Value::I32(1), Value::I32(2)]).is_err());
        assert!(from_values::<String>(&[Value::I32(1)]).is_err());
    }
}
