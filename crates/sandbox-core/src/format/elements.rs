//! Bytes among several arguments, encoded as bytes.
//!
//! serde takes a `Vec<u8>` for a sequence of numbers, like any other `Vec`. In MessagePack each of them is written as a
//! number of one byte or two, and each is looked at alone. The arguments of a function are a tuple, and those of its
//! elements that are bytes are recognised by their type: decoders take them for bytes and for sequences alike, and bincode
//! and JSON write the same for both.
//!
//! What lies deeper is left to its own type: a structure may be decoded by way of a buffer, in which bytes and sequences
//! are told apart.

use serde::ser::{Serialize, SerializeTuple, Serializer};

use crate::sys::identity;

/// A value, of whose elements those are encoded as bytes that are bytes.
pub(super) struct InElements<'a, T>(pub(super) &'a T);

impl<T: Serialize> Serialize for InElements<'_, T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Elements(serializer))
    }
}

/// Serialises a value, and the elements of the tuple that it may be.
struct Elements<T>(T);

struct AsBytes<'a>(&'a [u8]);

impl Serialize for AsBytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<T: SerializeTuple> SerializeTuple for Elements<T> {
    type Ok = T::Ok;
    type Error = T::Error;

    #[inline]
    fn serialize_element<E: Serialize + ?Sized>(&mut self, element: &E) -> Result<(), T::Error> {
        match identity::as_bytes(element) {
            Some(bytes) => self.0.serialize_element(&AsBytes(bytes)),
            None => self.0.serialize_element(element),
        }
    }

    fn end(self) -> Result<T::Ok, T::Error> {
        self.0.end()
    }
}

macro_rules! forwarded {
    ($($method:ident($($argument:ident: $ty:ty),*) -> $ok:ty),+ $(,)?) => {
        $(#[inline]
        fn $method(self, $($argument: $ty),*) -> Result<$ok, S::Error> {
            self.0.$method($($argument),*)
        })+
    };
}

impl<S: Serializer> Serializer for Elements<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = S::SerializeSeq;
    type SerializeTuple = Elements<S::SerializeTuple>;
    type SerializeTupleStruct = S::SerializeTupleStruct;
    type SerializeTupleVariant = S::SerializeTupleVariant;
    type SerializeMap = S::SerializeMap;
    type SerializeStruct = S::SerializeStruct;
    type SerializeStructVariant = S::SerializeStructVariant;

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.0.serialize_tuple(len).map(Elements)
    }

    forwarded! {
        serialize_bool(value: bool) -> S::Ok,
        serialize_i8(value: i8) -> S::Ok,
        serialize_i16(value: i16) -> S::Ok,
        serialize_i32(value: i32) -> S::Ok,
        serialize_i64(value: i64) -> S::Ok,
        serialize_i128(value: i128) -> S::Ok,
        serialize_u8(value: u8) -> S::Ok,
        serialize_u16(value: u16) -> S::Ok,
        serialize_u32(value: u32) -> S::Ok,
        serialize_u64(value: u64) -> S::Ok,
        serialize_u128(value: u128) -> S::Ok,
        serialize_f32(value: f32) -> S::Ok,
        serialize_f64(value: f64) -> S::Ok,
        serialize_char(value: char) -> S::Ok,
        serialize_str(value: &str) -> S::Ok,
        serialize_bytes(value: &[u8]) -> S::Ok,
        serialize_none() -> S::Ok,
        serialize_unit() -> S::Ok,
        serialize_unit_struct(name: &'static str) -> S::Ok,
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str) -> S::Ok,
        serialize_seq(len: Option<usize>) -> S::SerializeSeq,
        serialize_tuple_struct(name: &'static str, len: usize) -> S::SerializeTupleStruct,
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> S::SerializeTupleVariant,
        serialize_map(len: Option<usize>) -> S::SerializeMap,
        serialize_struct(name: &'static str, len: usize) -> S::SerializeStruct,
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> S::SerializeStructVariant,
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_some(value)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_struct(name, value)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_variant(name, index, variant, value)
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}
