//! The serialiser that writes Wasm values.

use serde::ser::{self, Impossible, Serialize};
use wasmer::Type;
use wasmer_types::RawValue;

use super::Mismatch;

/// Writes numbers as the values of a function's parameters, in order.
pub(super) struct NumberSerializer<'a> {
    types: &'a [Type],
    values: &'a mut [RawValue],
    written: usize,
}

impl<'a> NumberSerializer<'a> {
    /// Writes to `values`, which are at least as many as `types`.
    #[inline]
    pub(super) fn new(types: &'a [Type], values: &'a mut [RawValue]) -> Self {
        Self { types, values, written: 0 }
    }

    /// Whether there was a number for each parameter.
    #[inline]
    pub(super) fn finish(self) -> Result<(), Mismatch> {
        if self.written == self.types.len() {
            Ok(())
        } else {
            Err(Mismatch::because(format_args!("{} arguments", self.written)))
        }
    }

    #[inline]
    fn next_type(&self) -> Result<Type, Mismatch> {
        self.types.get(self.written).copied().ok_or_else(|| {
            Mismatch::because(format_args!("more than {} arguments", self.types.len()))
        })
    }

    #[inline]
    fn write(&mut self, value: RawValue) {
        self.values[self.written] = value;
        self.written += 1;
    }

    #[inline]
    fn signed(&mut self, value: i64) -> Result<(), Mismatch> {
        let value = match self.next_type()? {
            Type::I64 => RawValue::from(value),
            Type::I32 => match i32::try_from(value) {
                Ok(value) => RawValue::from(value),
                Err(_) => match u32::try_from(value) {
                    Ok(value) => RawValue::from(value.cast_signed()),
                    Err(_) => {
                        return Err(Mismatch::because(format_args!(
                            "{value}, which no i32 can hold"
                        )));
                    }
                },
            },
            other => {
                return Err(Mismatch::because(format_args!(
                    "an integer for a parameter of type {other}"
                )));
            }
        };
        self.write(value);
        Ok(())
    }

    #[inline]
    fn unsigned(&mut self, value: u64) -> Result<(), Mismatch> {
        let value = match self.next_type()? {
            Type::I64 => RawValue::from(value.cast_signed()),
            Type::I32 => match u32::try_from(value) {
                Ok(value) => RawValue::from(value.cast_signed()),
                Err(_) => {
                    return Err(Mismatch::because(format_args!("{value}, which no i32 can hold")));
                }
            },
            other => {
                return Err(Mismatch::because(format_args!(
                    "an integer for a parameter of type {other}"
                )));
            }
        };
        self.write(value);
        Ok(())
    }
}

fn not_a_number<T>(what: &str) -> Result<T, Mismatch> {
    Err(Mismatch::because(format_args!("{what}, which is not a number")))
}

impl ser::Serializer for &mut NumberSerializer<'_> {
    type Ok = ();
    type Error = Mismatch;
    type SerializeSeq = Impossible<(), Mismatch>;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Impossible<(), Mismatch>;
    type SerializeMap = Impossible<(), Mismatch>;
    type SerializeStruct = Impossible<(), Mismatch>;
    type SerializeStructVariant = Impossible<(), Mismatch>;

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), Mismatch> {
        self.unsigned(value.into())
    }

    #[inline]
    fn serialize_i8(self, value: i8) -> Result<(), Mismatch> {
        self.signed(value.into())
    }

    #[inline]
    fn serialize_i16(self, value: i16) -> Result<(), Mismatch> {
        self.signed(value.into())
    }

    #[inline]
    fn serialize_i32(self, value: i32) -> Result<(), Mismatch> {
        self.signed(value.into())
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result<(), Mismatch> {
        self.signed(value)
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Result<(), Mismatch> {
        self.unsigned(value.into())
    }

    #[inline]
    fn serialize_u16(self, value: u16) -> Result<(), Mismatch> {
        self.unsigned(value.into())
    }

    #[inline]
    fn serialize_u32(self, value: u32) -> Result<(), Mismatch> {
        self.unsigned(value.into())
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Result<(), Mismatch> {
        self.unsigned(value)
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<(), Mismatch> {
        let value = match self.next_type()? {
            Type::F32 => RawValue::from(value),
            Type::F64 => RawValue::from(f64::from(value)),
            other => {
                return Err(Mismatch::because(format_args!(
                    "an f32 for a parameter of type {other}"
                )));
            }
        };
        self.write(value);
        Ok(())
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<(), Mismatch> {
        match self.next_type()? {
            Type::F64 => self.write(RawValue::from(value)),
            other => {
                return Err(Mismatch::because(format_args!(
                    "an f64 for a parameter of type {other}"
                )));
            }
        }
        Ok(())
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), Mismatch> {
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Mismatch> {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Mismatch> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_tuple(self, _len: usize) -> Result<Self, Mismatch> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Result<Self, Mismatch> {
        Ok(self)
    }

    fn serialize_char(self, _value: char) -> Result<(), Mismatch> {
        not_a_number("a character")
    }

    fn serialize_str(self, _value: &str) -> Result<(), Mismatch> {
        not_a_number("text")
    }

    fn serialize_bytes(self, _value: &[u8]) -> Result<(), Mismatch> {
        not_a_number("bytes")
    }

    fn serialize_none(self) -> Result<(), Mismatch> {
        not_a_number("an option")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _value: &T) -> Result<(), Mismatch> {
        not_a_number("an option")
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        _index: u32,
        _variant: &'static str,
    ) -> Result<(), Mismatch> {
        not_a_number(name)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<(), Mismatch> {
        not_a_number(name)
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Self::SerializeSeq, Mismatch> {
        not_a_number("a sequence")
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _index: u32,
        _variant: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeTupleVariant, Mismatch> {
        not_a_number(name)
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Self::SerializeMap, Mismatch> {
        not_a_number("a map")
    }

    fn serialize_struct(
        self,
        name: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeStruct, Mismatch> {
        not_a_number(name)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _index: u32,
        _variant: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeStructVariant, Mismatch> {
        not_a_number(name)
    }
}

impl ser::SerializeTuple for &mut NumberSerializer<'_> {
    type Ok = ();
    type Error = Mismatch;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Mismatch> {
        value.serialize(&mut **self)
    }

    #[inline]
    fn end(self) -> Result<(), Mismatch> {
        Ok(())
    }
}

impl ser::SerializeTupleStruct for &mut NumberSerializer<'_> {
    type Ok = ();
    type Error = Mismatch;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Mismatch> {
        value.serialize(&mut **self)
    }

    #[inline]
    fn end(self) -> Result<(), Mismatch> {
        Ok(())
    }
}
