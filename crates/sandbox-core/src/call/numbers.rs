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
use wasmer::{FunctionType, Type};
use wasmer_types::RawValue;

use crate::sys::number::ZERO;

/// The places for the values of one call: arguments before it, results after it. More than four are rare enough for
/// the heap.
pub(crate) type Values = SmallVec<[RawValue; 4]>;

/// How many places the values of one call take: the results come where the arguments were.
pub(crate) fn places(ty: &FunctionType) -> usize {
    ty.params().len().max(ty.results().len())
}

/// Places for the values of one call.
#[inline]
pub(crate) fn room(ty: &FunctionType) -> Values {
    let mut values = Values::new();
    values.resize(places(ty), ZERO);
    values
}

/// Writes arguments as values of exactly these types to places that are at least as many.
#[inline]
pub(crate) fn write_values<T: Serialize>(
    arguments: &T,
    types: &[Type],
    values: &mut [RawValue],
) -> Result<(), Mismatch> {
    let mut serializer = serializer::NumberSerializer::new(types, values);
    arguments.serialize(&mut serializer)?;
    serializer.finish()
}

/// The result from values of these types, or why it does not fit.
#[inline]
pub(crate) fn from_values<T: DeserializeOwned>(
    types: &[Type],
    values: &[RawValue],
) -> Result<T, Mismatch> {
    let mut deserializer = deserializer::NumberDeserializer::new(types, values);
    let result = T::deserialize(&mut deserializer)?;
    deserializer.finish()?;
    Ok(result)
}

/// What does not fit, in words. One pointer, so that results with it travel in registers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.0)]
pub(crate) struct Mismatch(Box<Words>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Words(String);

impl Mismatch {
    /// Off the way of values that fit.
    #[cold]
    #[inline(never)]
    fn because(words: std::fmt::Arguments<'_>) -> Self {
        Self(Box::new(Words(words.to_string())))
    }

    pub(crate) fn into_words(self) -> String {
        self.0.0
    }
}

impl serde::ser::Error for Mismatch {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::because(format_args!("{message}"))
    }
}

impl serde::de::Error for Mismatch {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::because(format_args!("{message}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::number::Number;

    use Number::{F32, F64, I32, I64};

    fn to_numbers<T: Serialize>(arguments: &T, types: &[Type]) -> Result<Vec<Number>, Mismatch> {
        let mut values = room(&FunctionType::new(types, []));
        write_values(arguments, types, &mut values)?;
        Ok(types.iter().zip(&values).map(|(ty, value)| Number::read(*ty, value)).collect())
    }

    fn from_numbers<T: DeserializeOwned>(numbers: &[Number]) -> Result<T, Mismatch> {
        let types: Vec<Type> = numbers.iter().map(|number| number.ty()).collect();
        let raw = |number: &Number| match *number {
            I32(value) => value.into(),
            I64(value) => value.into(),
            F32(value) => value.into(),
            F64(value) => value.into(),
            Number::Other(_) => ZERO,
        };
        from_values(&types, &numbers.iter().map(raw).collect::<Vec<RawValue>>())
    }

    #[test]
    fn tuples_become_one_value_for_each_parameter() {
        let types = [Type::I32, Type::I64, Type::F32, Type::F64];
        assert_eq!(
            to_numbers(&(1i32, 2i64, 0.5f32, 0.25f64), &types),
            Ok(vec![I32(1), I64(2), F32(0.5), F64(0.25)])
        );
        assert_eq!(to_numbers(&(), &[]), Ok(vec![]));
        assert_eq!(to_numbers(&7u8, &[Type::I32]), Ok(vec![I32(7)]));
        assert_eq!(to_numbers(&true, &[Type::I32]), Ok(vec![I32(1)]));
    }

    #[test]
    fn integers_fit_by_their_value() {
        assert_eq!(to_numbers(&u32::MAX, &[Type::I32]), Ok(vec![I32(-1)]));
        assert_eq!(to_numbers(&5u64, &[Type::I32]), Ok(vec![I32(5)]));
        assert_eq!(to_numbers(&u64::MAX, &[Type::I64]), Ok(vec![I64(-1)]));
        assert_eq!(to_numbers(&-5i8, &[Type::I64]), Ok(vec![I64(-5)]));
        assert!(to_numbers(&(u64::from(u32::MAX) + 1), &[Type::I32]).is_err());
        assert!(to_numbers(&(i64::from(i32::MIN) - 1), &[Type::I32]).is_err());
        assert!(to_numbers(&1.5f64, &[Type::F32]).is_err());
        assert!(to_numbers(&1i32, &[Type::F64]).is_err());
    }

    #[test]
    fn too_many_too_few_and_other_things_do_not_fit() {
        assert!(to_numbers(&(1i32, 2i32), &[Type::I32]).is_err());
        assert!(to_numbers(&1i32, &[Type::I32, Type::I32]).is_err());
        assert!(to_numbers(&"text", &[Type::I32]).is_err());
        assert!(to_numbers(&vec![1u8], &[Type::I32]).is_err());
    }

    #[test]
    fn results_come_back_in_the_type_asked_for() {
        assert_eq!(from_numbers::<i32>(&[I32(-1)]), Ok(-1));
        assert_eq!(from_numbers::<u32>(&[I32(-1)]), Ok(u32::MAX));
        assert_eq!(from_numbers::<i64>(&[I32(-1)]), Ok(-1));
        assert_eq!(from_numbers::<u64>(&[I64(-1)]), Ok(u64::MAX));
        assert_eq!(from_numbers::<u64>(&[I32(-1)]), Ok(u64::from(u32::MAX)));
        assert_eq!(from_numbers::<bool>(&[I32(1)]), Ok(true));
        assert_eq!(from_numbers::<f64>(&[F32(0.5)]), Ok(0.5));
        assert_eq!(from_numbers::<(i32, f64)>(&[I32(1), F64(2.0)]), Ok((1, 2.0)));
        assert_eq!(from_numbers::<()>(&[]), Ok(()));
    }

    #[test]
    fn results_that_do_not_fit_are_refused() {
        assert!(from_numbers::<u8>(&[I32(256)]).is_err());
        assert!(from_numbers::<i32>(&[I64(1 << 40)]).is_err());
        assert!(from_numbers::<i32>(&[F64(1.0)]).is_err());
        assert!(from_numbers::<bool>(&[I32(2)]).is_err());
        assert!(from_numbers::<()>(&[I32(1)]).is_err());
        assert!(from_numbers::<i32>(&[]).is_err());
        assert!(from_numbers::<i32>(&[I32(1), I32(2)]).is_err());
        assert!(from_numbers::<String>(&[I32(1)]).is_err());
    }
}
