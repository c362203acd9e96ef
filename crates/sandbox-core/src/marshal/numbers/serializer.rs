//! The serialiser that takes numbers out of arguments.

use serde::ser::{self, Impossible, Serialize};

use super::Mismatch;

/// A number as it is given.
#[derive(Debug, Clone, Copy)]
pub(super) enum Given {
    I32(i32),
    U32(u32),
    I64(i64),
    U64(u64),
    F32(f32),
    F64(f64),
}

/// Receiver of the numbers.
pub(super) trait Sink {
    /// Takes the next number.
    fn put(&mut self, number: Given) -> Result<(), Mismatch>;
}

/// Gives each number of the arguments to a sink, in order.
pub(super) struct NumberSerializer<'a, S>(pub(super) &'a mut S);

fn not_a_number<T>(what: &str) -> Result<T, Mismatch> {
    Err(Mismatch::because(format_args!("{what}, which is not a number")))
}

impl<S: Sink> ser::Serializer for NumberSerializer<'_, S> {
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
        self.0.put(Given::U32(value.into()))
    }

    #[inline]
    fn serialize_i8(self, value: i8) -> Result<(), Mismatch> {
        self.0.put(Given::I32(value.into()))
    }

    #[inline]
    fn serialize_i16(self, value: i16) -> Result<(), Mismatch> {
        self.0.put(Given::I32(value.into()))
    }

    #[inline]
    fn serialize_i32(self, value: i32) -> Result<(), Mismatch> {
        self.0.put(Given::I32(value))
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result<(), Mismatch> {
        self.0.put(Given::I64(value))
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Result<(), Mismatch> {
        self.0.put(Given::U32(value.into()))
    }

    #[inline]
    fn serialize_u16(self, value: u16) -> Result<(), Mismatch> {
        self.0.put(Given::U32(value.into()))
    }

    #[inline]
    fn serialize_u32(self, value: u32) -> Result<(), Mismatch> {
        self.0.put(Given::U32(value))
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Result<(), Mismatch> {
        self.0.put(Given::U64(value))
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<(), Mismatch> {
        self.0.put(Given::F32(value))
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<(), Mismatch> {
        self.0.put(Given::F64(value))
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

impl<S: Sink> ser::SerializeTuple for NumberSerializer<'_, S> {
    type Ok = ();
    type Error = Mismatch;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Mismatch> {
        value.serialize(NumberSerializer(&mut *self.0))
    }

    #[inline]
    fn end(self) -> Result<(), Mismatch> {
        Ok(())
    }
}

impl<S: Sink> ser::SerializeTupleStruct for NumberSerializer<'_, S> {
    type Ok = ();
    type Error = Mismatch;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Mismatch> {
        value.serialize(NumberSerializer(&mut *self.0))
    }

    #[inline]
    fn end(self) -> Result<(), Mismatch> {
        Ok(())
    }
}
