//! Bytes among several arguments, encoded as bytes.
//!
//! serde takes a `Vec<u8>` for a sequence of numbers, like any other `Vec`. In MessagePack each of them is written as a
//! number of one byte or two, and each is looked at alone. The arguments of a function are a tuple, and those of its
//! elements that are bytes are recognised by their type: decoders take them for bytes and for sequences alike, and bincode
//! and JSON write the same for both.
//!
//! Deeper values are left to their own types: a structure may be decoded by way of a buffer, in which bytes and sequences
//! are told apart.

use serde::ser::{Serialize, SerializeTuple, Serializer};

use crate::sys::identity;

/// A value, of whose elements those are encoded as bytes that are bytes.
pub(crate) struct InElements<'a, T>(pub(crate) &'a T);

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

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use bytes::Bytes;

    use super::*;
    use crate::format::SerializationFormat;

    type Decoded = (String, Vec<u8>);

    fn encode<T: Serialize>(format: SerializationFormat, value: &T) -> Vec<u8> {
        format.encode(&InElements(value)).unwrap()
    }

    #[test]
    fn bytes_among_arguments_travel_as_bytes() {
        let bytes = vec![200u8; 1000];
        let encoded = encode(SerializationFormat::MessagePack, &("a", &bytes[..]));
        assert!(encoded.len() < 1010, "{} bytes", encoded.len());
        for &format in SerializationFormat::ALL {
            for encoded in [
                encode(format, &("a", &bytes)),
                encode(format, &("a", bytes.clone())),
                encode(format, &(String::from("a"), bytes.clone().into_boxed_slice())),
                encode(format, &("a", Cow::Borrowed(&bytes[..]))),
                encode(format, &&("a", Bytes::from(bytes.clone()))),
            ] {
                let decoded = format.decode::<Decoded>(&encoded);
                assert_eq!(decoded, Ok(("a".to_owned(), bytes.clone())), "{format}");
            }
        }
    }

    #[test]
    fn guests_decode_them_with_the_libraries_of_the_formats() {
        let pair = ("a".to_owned(), vec![200u8; 1000]);
        let [json, messagepack, bincode] = [
            SerializationFormat::Json,
            SerializationFormat::MessagePack,
            SerializationFormat::Bincode,
        ]
        .map(|format| encode(format, &pair));
        let json: Decoded = serde_json::from_slice(&json).unwrap();
        let messagepack: Decoded = rmp_serde::from_slice(&messagepack).unwrap();
        let (bincode, _): (Decoded, usize) =
            bincode::serde::decode_from_slice(&bincode, bincode::config::standard()).unwrap();
        assert_eq!([&json, &messagepack, &bincode], [&pair; 3]);
    }

    #[test]
    fn other_values_are_encoded_as_they_were() {
        let value = (1u8, Some("text".to_owned()), vec![(-3i64, 0.5f64)], [1u8, 2, 3], ());
        for &format in SerializationFormat::ALL {
            assert_eq!(encode(format, &value), format.encode(&value).unwrap(), "{format}");
            assert_eq!(encode(format, &vec![1u8]), format.encode(&vec![1u8]).unwrap(), "{format}");
        }
    }
}
