//! The deserialiser that reads Wasm values.

use serde::de::{self, DeserializeSeed, SeqAccess, Visitor};
use wasmer::Type;
use wasmer_types::RawValue;

use super::Mismatch;
use crate::sys::number::Number;

/// Where results come from, in order.
pub(super) trait Source {
    /// The next one, if there is one.
    fn next(&mut self) -> Option<Number>;

    /// Number of values that are left.
    fn left(&self) -> usize;
}

/// Results of these types.
pub(super) struct Several<'a> {
    pub(super) types: &'a [Type],
    /// At least as many.
    pub(super) values: &'a [RawValue],
}

impl Source for Several<'_> {
    #[inline]
    fn next(&mut self) -> Option<Number> {
        let ((ty, types), (value, values)) =
            self.types.split_first().zip(self.values.split_first())?;
        (self.types, self.values) = (types, values);
        Some(Number::read(*ty, value))
    }

    #[inline]
    fn left(&self) -> usize {
        self.types.len()
    }
}

/// One result. Where its type is known beforehand, nothing is left to look at as it is read.
impl Source for Option<Number> {
    #[inline]
    fn next(&mut self) -> Option<Number> {
        self.take()
    }

    #[inline]
    fn left(&self) -> usize {
        usize::from(self.is_some())
    }
}

/// Reads a function's results.
pub(super) struct NumberDeserializer<S>(pub(super) S);

impl<S: Source> NumberDeserializer<S> {
    /// All results have to be asked for.
    #[inline]
    pub(super) fn finish(self) -> Result<(), Mismatch> {
        match self.0.left() {
            0 => Ok(()),
            left => Err(Mismatch::because(format_args!("a type that leaves {left} results over"))),
        }
    }

    #[inline]
    fn next(&mut self) -> Result<Number, Mismatch> {
        self.0.next().ok_or_else(|| Mismatch::because(format_args!("a type with more results")))
    }

    /// Gives the next number to a visitor that takes whatever comes.
    fn any_number<'de, V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.next()? {
            Number::I32(value) => visitor.visit_i32(value),
            Number::I64(value) => visitor.visit_i64(value),
            Number::F32(value) => visitor.visit_f32(value),
            Number::F64(value) => visitor.visit_f64(value),
            other => Err(instead_of("a number", other)),
        }
    }

    #[inline]
    fn signed(&mut self) -> Result<i64, Mismatch> {
        match self.next()? {
            Number::I32(value) => Ok(i64::from(value)),
            Number::I64(value) => Ok(value),
            other => Err(instead_of("an integer", other)),
        }
    }

    #[inline]
    fn unsigned(&mut self) -> Result<u64, Mismatch> {
        match self.next()? {
            Number::I32(value) => Ok(u64::from(value.cast_unsigned())),
            Number::I64(value) => Ok(value.cast_unsigned()),
            other => Err(instead_of("an integer", other)),
        }
    }
}

/// Says that a number of another type comes back than the one that is asked for.
fn instead_of(asked: &str, found: Number) -> Mismatch {
    Mismatch::because(format_args!("{asked} where {} comes back", found.ty()))
}

macro_rules! integers {
    ($($method:ident => $visit:ident from $source:ident),+ $(,)?) => {
        $(#[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
            visitor.$visit(self.$source()?)
        })+
    };
}

macro_rules! refused {
    ($($method:ident),+ $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Mismatch> {
            Err(Mismatch::because(format_args!("something that is not a number")))
        })+
    };
}

impl<'de, S: Source> de::Deserializer<'de> for &mut NumberDeserializer<S> {
    type Error = Mismatch;

    integers! {
        deserialize_i8 => visit_i64 from signed,
        deserialize_i16 => visit_i64 from signed,
        deserialize_i32 => visit_i64 from signed,
        deserialize_i64 => visit_i64 from signed,
        deserialize_u8 => visit_u64 from unsigned,
        deserialize_u16 => visit_u64 from unsigned,
        deserialize_u32 => visit_u64 from unsigned,
        deserialize_u64 => visit_u64 from unsigned,
    }

    refused! {
        deserialize_i128, deserialize_u128, deserialize_char, deserialize_str, deserialize_string,
        deserialize_bytes, deserialize_byte_buf, deserialize_option, deserialize_seq,
        deserialize_map, deserialize_identifier,
    }

    /// Gives all results that are left: nothing, a number, or a sequence.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0.left() {
            0 => visitor.visit_unit(),
            1 => self.any_number(visitor),
            _ => visitor.visit_seq(self),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        while self.0.next().is_some() {}
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.unsigned()? {
            0 => visitor.visit_bool(false),
            1 => visitor.visit_bool(true),
            other => Err(Mismatch::because(format_args!("a bool where {other} comes back"))),
        }
    }

    #[inline]
    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.next()? {
            Number::F32(value) => visitor.visit_f32(value),
            other => Err(instead_of("an f32", other)),
        }
    }

    #[inline]
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.next()? {
            Number::F32(value) => visitor.visit_f64(f64::from(value)),
            Number::F64(value) => visitor.visit_f64(value),
            other => Err(instead_of("an f64", other)),
        }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_seq(self)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_seq(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Mismatch> {
        Err(Mismatch::because(format_args!("{name}, which is not a number")))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _variants: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Mismatch> {
        Err(Mismatch::because(format_args!("{name}, which is not a number")))
    }
}

impl<'de, S: Source> SeqAccess<'de> for &mut NumberDeserializer<S> {
    type Error = Mismatch;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Mismatch> {
        if self.0.left() == 0 {
            return Ok(None);
        }
        seed.deserialize(Element(self)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.left())
    }
}

/// Reads one element of several results.
///
/// It is a type of its own because of what takes whatever comes: that is one number here. All that are left would be the
/// sequence again whose first element is being read.
struct Element<'a, S>(&'a mut NumberDeserializer<S>);

/// Passes methods without further arguments on to the deserialiser of all results.
macro_rules! passed_on {
    ($($method:ident),+ $(,)?) => {
        $(#[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
            self.0.$method(visitor)
        })+
    };
}

impl<'de, S: Source> de::Deserializer<'de> for Element<'_, S> {
    type Error = Mismatch;

    passed_on! {
        deserialize_bool, deserialize_i8, deserialize_i16, deserialize_i32, deserialize_i64, deserialize_i128,
        deserialize_u8, deserialize_u16, deserialize_u32, deserialize_u64, deserialize_u128, deserialize_f32,
        deserialize_f64, deserialize_char, deserialize_str, deserialize_string, deserialize_bytes,
        deserialize_byte_buf, deserialize_option, deserialize_unit, deserialize_seq, deserialize_map,
        deserialize_identifier,
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.0.any_number(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.0.next()?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.0.deserialize_unit_struct(name, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.0.deserialize_tuple(len, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.0.deserialize_tuple_struct(name, len, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.0.deserialize_struct(name, fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.0.deserialize_enum(name, variants, visitor)
    }
}
