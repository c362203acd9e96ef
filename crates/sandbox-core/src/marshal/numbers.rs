//! Rust numbers to Wasm numbers and back, by the types of the function's signature.
//!
//! Arguments are serialised straight into Wasm values and results deserialised straight from them, so a
//! tuple of numbers never takes a detour through memory.
//!
//! WebAssembly's integers have no sign; Rust's types do. A number of a signed type fits an `i32` if an `i32` of Rust can
//! hold it, one of an unsigned type if a `u32` can; the same goes for `i64` and `u64`. Results are read the same way: into
//! a signed type as a signed number, into an unsigned type as an unsigned one. So a value that goes in and comes out by
//! types of one signedness is the same value, and only `u32` to `i32` and `u64` to `i64` (and back) keep the bits instead.
//! A float never loses precision: `f32` fits `f64`, and not the other way round.

mod checked;
mod deserializer;
mod serializer;
mod shape;

use serde::Serialize;
use serde::de::DeserializeOwned;
use smallvec::SmallVec;
use wasmer::{FunctionType, Type};
use wasmer_types::RawValue;

use super::convert::{FromGuest, IntoGuest};
use crate::sys::entry::width;
use crate::sys::number::{Number, ZERO};
use checked::Checked;
use deserializer::{NumberDeserializer, Several, Source};
use serializer::NumberSerializer;
use shape::{FEW, Shape, Shaped};

/// The places for the values of one call: arguments before it, results after it. More than four are rare enough for
/// the heap.
pub(crate) type Values = SmallVec<[RawValue; FEW]>;

/// Types of the numbers that a function takes and returns.
#[derive(Debug)]
pub(crate) struct Signature {
    ty: FunctionType,
    /// Of its parameters, if the values of a call are few.
    shape: Option<Shape>,
    /// The only result.
    result: Option<Type>,
    width: usize,
}

impl Signature {
    pub(crate) fn new(ty: FunctionType) -> Self {
        let result = match ty.results() {
            [one] => Some(*one),
            _ => None,
        };
        let width = width(&ty);
        let shape = if width <= FEW { Shape::of(ty.params()) } else { None };
        Self { shape, result, width, ty }
    }

    /// Of a function that takes and returns nothing.
    pub(crate) fn nothing() -> Self {
        Self::new(FunctionType::new([], []))
    }

    pub(crate) fn ty(&self) -> &FunctionType {
        &self.ty
    }

    /// Number of values of one call: of its arguments, or of its results if they are more.
    #[inline]
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Does something with the arguments as values in as many places as a call takes.
    ///
    /// # Errors
    /// What `then` returns, or what `mismatch` makes of arguments that do not fit.
    #[inline]
    pub(crate) fn with_values<A: Serialize, T, E>(
        &self,
        arguments: &A,
        then: impl FnOnce(&mut [RawValue]) -> Result<T, E>,
        mismatch: impl FnOnce(Mismatch) -> E,
    ) -> Result<T, E> {
        if let Some(mut values) = self.shaped(arguments) {
            return then(&mut values[..self.width]);
        }
        let mut values = self.room();
        self.write_checked(arguments, &mut values).map_err(mismatch)?;
        then(&mut values)
    }

    /// Several sets of arguments as values, one set after the other with as many places as a call takes for each, and
    /// how many sets there are.
    pub(crate) fn collect_values<A: IntoGuest>(
        &self,
        all: impl Iterator<Item = A>,
    ) -> Result<(Vec<RawValue>, usize), Mismatch> {
        let mut values = Vec::with_capacity(self.width * all.size_hint().0);
        let mut sets = 0;
        for arguments in all {
            if let Some([a, b, c, d]) = self.shaped(arguments.passed()) {
                // Of lengths that the compiler knows: copying others costs more than the rest of this.
                match self.width {
                    0 => {}
                    1 => values.extend_from_slice(&[a]),
                    2 => values.extend_from_slice(&[a, b]),
                    3 => values.extend_from_slice(&[a, b, c]),
                    _ => values.extend_from_slice(&[a, b, c, d]),
                }
            } else {
                let mut room = self.room();
                self.write_checked(arguments.passed(), &mut room)?;
                values.extend_from_slice(&room);
            }
            sets += 1;
        }
        Ok((values, sets))
    }

    /// Arguments as values in places of their own.
    pub(crate) fn to_values<A: Serialize>(&self, arguments: &A) -> Result<Values, Mismatch> {
        self.with_values(arguments, |values| Ok(Values::from_slice(values)), |mismatch| mismatch)
    }

    /// The arguments as values, if their types are the parameters' own; zeros behind them.
    #[inline]
    fn shaped<A: Serialize>(&self, arguments: &A) -> Option<[RawValue; FEW]> {
        let wanted = self.shape?;
        let given = Shaped::from(arguments)?;
        (given.shape == wanted).then_some(given.values)
    }

    /// Values of one call that are all zero.
    pub(crate) fn zeros(&self) -> Values {
        self.room()
    }

    /// Places for the values of one call.
    fn room(&self) -> Values {
        let mut values = Values::new();
        values.resize(self.width, ZERO);
        values
    }

    /// Writes whatever fits.
    #[cold]
    fn write_checked<A: Serialize>(
        &self,
        arguments: &A,
        values: &mut [RawValue],
    ) -> Result<(), Mismatch> {
        let mut checked = Checked::new(self.ty.params(), values);
        arguments.serialize(NumberSerializer(&mut checked))?;
        checked.finish()
    }

    /// The result from the values that a call left in its places, or why it does not fit.
    #[inline]
    pub(crate) fn read_result<R: DeserializeOwned>(
        &self,
        values: &[RawValue],
    ) -> Result<R, Mismatch> {
        match self.result {
            Some(Type::I32) => read_one(Type::I32, values),
            Some(Type::I64) => read_one(Type::I64, values),
            Some(Type::F32) => read_one(Type::F32, values),
            Some(Type::F64) => read_one(Type::F64, values),
            _ => read(Several { types: self.ty.results(), values }),
        }
    }

    /// Appends the results of several calls, whose places lie one after the other, until one does not fit.
    pub(crate) fn read_results<R: FromGuest>(
        &self,
        values: &[RawValue],
        calls: usize,
        to: &mut Vec<R>,
    ) -> Result<(), Mismatch> {
        // One loop for each type, so that nothing is left in it but the numbers themselves.
        match self.result {
            Some(Type::I32) => self.read_each(values, calls, to, |one| read_one(Type::I32, one)),
            Some(Type::I64) => self.read_each(values, calls, to, |one| read_one(Type::I64, one)),
            Some(Type::F32) => self.read_each(values, calls, to, |one| read_one(Type::F32, one)),
            Some(Type::F64) => self.read_each(values, calls, to, |one| read_one(Type::F64, one)),
            _ => self.read_each(values, calls, to, |values| {
                read(Several { types: self.ty.results(), values })
            }),
        }
    }

    #[inline]
    fn read_each<R: FromGuest>(
        &self,
        values: &[RawValue],
        calls: usize,
        to: &mut Vec<R>,
        read: impl Fn(&[RawValue]) -> Result<R::Returned, Mismatch>,
    ) -> Result<(), Mismatch> {
        to.reserve(calls);
        for call in 0..calls {
            to.push(R::from_returned(read(&values[call * self.width..])?));
        }
        Ok(())
    }
}

/// The only result, which is of that type. Where the type is a constant, little more than the number is left.
#[inline]
fn read_one<R: DeserializeOwned>(ty: Type, values: &[RawValue]) -> Result<R, Mismatch> {
    read(values.first().map(|value| Number::read(ty, value)))
}

#[inline]
fn read<R: DeserializeOwned>(source: impl Source) -> Result<R, Mismatch> {
    let mut deserializer = NumberDeserializer(source);
    let result = R::deserialize(&mut deserializer)?;
    deserializer.finish()?;
    Ok(result)
}

/// Mismatch of arguments and parameters, in words. One pointer, so that results with it travel in registers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.words)]
pub(crate) struct Mismatch(Box<Words>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Words {
    words: String,
    cause: Cause,
}

/// Part of arguments or of a result that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The types.
    Types,
    /// The type of the result says so, and may say it of this number alone.
    TheirOwn,
}

impl Mismatch {
    /// Off the way of values that fit.
    #[cold]
    #[inline(never)]
    fn because(words: std::fmt::Arguments<'_>) -> Self {
        Self(Box::new(Words { words: words.to_string(), cause: Cause::Types }))
    }

    #[cold]
    #[inline(never)]
    fn said_by_type(words: std::fmt::Arguments<'_>) -> Self {
        Self(Box::new(Words { words: words.to_string(), cause: Cause::TheirOwn }))
    }

    pub(crate) fn into_words(self) -> String {
        self.0.words
    }

    /// Whether no number of these types would fit.
    pub(crate) fn is_of_types(&self) -> bool {
        self.0.cause == Cause::Types
    }
}

impl serde::ser::Error for Mismatch {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::because(format_args!("{message}"))
    }
}

impl serde::de::Error for Mismatch {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::said_by_type(format_args!("{message}"))
    }

    fn invalid_length(len: usize, expected: &dyn serde::de::Expected) -> Self {
        Self::because(format_args!("invalid length {len}, expected {expected}"))
    }

    fn invalid_type(found: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::because(format_args!("invalid type: {found}, expected {expected}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use Number::{F32, F64, I32, I64};

    fn to_numbers<T: Serialize>(arguments: &T, types: &[Type]) -> Result<Vec<Number>, Mismatch> {
        let signature = Signature::new(FunctionType::new(types, []));
        let read = |values: &[RawValue]| -> Vec<Number> {
            types.iter().zip(values).map(|(ty, value)| Number::read(*ty, value)).collect()
        };
        let written = signature.to_values(arguments).map(|values| read(&values));
        let twice = signature.collect_values([arguments, arguments].into_iter());
        let second = twice.map(|(values, sets)| read(&values[values.len() / sets..]));
        assert_eq!(written, second);
        written
    }

    fn from_numbers<T>(numbers: &[Number]) -> Result<T, Mismatch>
    where
        T: DeserializeOwned + Clone + PartialEq + std::fmt::Debug + 'static,
    {
        let types: Vec<Type> = numbers.iter().map(|number| number.ty()).collect();
        let raw = |number: &Number| match *number {
            I32(value) => value.into(),
            I64(value) => value.into(),
            F32(value) => value.into(),
            F64(value) => value.into(),
            Number::Other(_) => ZERO,
        };
        let values: Vec<RawValue> = numbers.iter().map(raw).collect();
        let signature = Signature::new(FunctionType::new([], types));
        let result: Result<T, Mismatch> = signature.read_result(&values);
        let mut results = Vec::new();
        let twice = signature.read_results(&[&values[..], &values].concat(), 2, &mut results);
        match &result {
            Ok(result) => {
                assert_eq!((results, twice), (vec![result.clone(), result.clone()], Ok(())));
            }
            Err(mismatch) => assert_eq!((results.len(), twice), (0, Err(mismatch.clone()))),
        }
        result
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
        assert_eq!(to_numbers(&u64::from(u32::MAX), &[Type::I32]), Ok(vec![I32(-1)]));
        assert_eq!(to_numbers(&i64::from(i32::MAX), &[Type::I32]), Ok(vec![I32(i32::MAX)]));
        assert!(to_numbers(&(u64::from(u32::MAX) + 1), &[Type::I32]).is_err());
        assert!(to_numbers(&(i64::from(i32::MIN) - 1), &[Type::I32]).is_err());
        // Read as the signed number that it was given as, it would come back as another one.
        assert!(to_numbers(&4_000_000_000i64, &[Type::I32]).is_err());
        assert!(to_numbers(&(i64::from(i32::MAX) + 1), &[Type::I32]).is_err());
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
    fn types_that_take_whatever_comes_get_each_result_once() {
        use serde::Deserialize;
        use serde::de::IgnoredAny;
        use serde_json::{Value, json};

        #[derive(Debug, Clone, PartialEq, Deserialize)]
        #[serde(untagged)]
        enum Either {
            Pair(i64, f64),
            One(i64),
        }

        #[derive(Debug, Clone, PartialEq, Deserialize)]
        struct Wrapped(Value);

        assert_eq!(from_numbers::<Value>(&[]), Ok(Value::Null));
        assert_eq!(from_numbers::<Value>(&[I32(7)]), Ok(json!(7)));
        assert_eq!(from_numbers::<Value>(&[I32(1), I64(-2), F64(0.5)]), Ok(json!([1, -2, 0.5])));
        assert_eq!(from_numbers::<Wrapped>(&[I32(1), I32(2)]), Ok(Wrapped(json!([1, 2]))));
        assert_eq!(from_numbers::<(Value, Value)>(&[I32(1), I32(2)]), Ok((json!(1), json!(2))));
        assert_eq!(from_numbers::<Either>(&[I32(1), F64(2.0)]), Ok(Either::Pair(1, 2.0)));
        assert_eq!(from_numbers::<Either>(&[I64(9)]), Ok(Either::One(9)));
        assert!(from_numbers::<Either>(&[I64(9), I64(9), I64(9)]).is_err());
        for results in [&[][..], &[I32(1)], &[I32(1), I32(2), F32(3.0)]] {
            let signature = Signature::new(FunctionType::new(
                [],
                results.iter().map(|number| number.ty()).collect::<Vec<_>>(),
            ));
            let values = vec![ZERO; results.len()];
            assert!(signature.read_result::<IgnoredAny>(&values).is_ok());
            assert!(signature.read_result::<Vec<IgnoredAny>>(&values).is_err());
        }
        assert!(from_numbers::<Value>(&[I32(1), Number::Other(Type::V128)]).is_err());
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
