//! From values to the bytes or the text that they are.

use serde::ser::{self, Impossible, Serialize};

use super::Unfit;

/// Kind of value that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Bytes,
    Text,
    /// One element of a sequence of bytes.
    Byte,
}

/// Returns the bytes that a value is.
///
/// # Errors
/// [`Unfit`] if it is something else.
pub(in crate::marshal) fn bytes_of<T: Serialize>(value: &T) -> Result<Vec<u8>, Unfit> {
    collected(value, Wanted::Bytes)
}

/// Returns the text that a value is.
///
/// # Errors
/// [`Unfit`] if it is something else.
pub(in crate::marshal) fn text_of<T: Serialize>(value: &T) -> Result<Vec<u8>, Unfit> {
    collected(value, Wanted::Text)
}

fn collected<T: Serialize>(value: &T, wanted: Wanted) -> Result<Vec<u8>, Unfit> {
    let mut bytes = Vec::new();
    value.serialize(Collector { bytes: &mut bytes, wanted })?;
    Ok(bytes)
}

/// Collects what is wanted, and refuses everything else.
struct Collector<'a> {
    bytes: &'a mut Vec<u8>,
    wanted: Wanted,
}

impl Collector<'_> {
    fn put(self, wanted: Wanted, bytes: &[u8]) -> Result<(), Unfit> {
        if self.wanted != wanted {
            return Err(Unfit::OtherKind);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// The bytes follow one by one.
    fn one_by_one(self, len: Option<usize>) -> Result<Self, Unfit> {
        if self.wanted != Wanted::Bytes {
            return Err(Unfit::OtherKind);
        }
        self.bytes.reserve(len.unwrap_or(0));
        Ok(Self { wanted: Wanted::Byte, ..self })
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        value.serialize(Collector { bytes: self.bytes, wanted: Wanted::Byte })
    }
}

macro_rules! refused {
    ($($method:ident($($ty:ty),*) -> $ok:ty),+ $(,)?) => {
        $(fn $method(self, $(_: $ty),*) -> Result<$ok, Unfit> {
            Err(Unfit::OtherKind)
        })+
    };
}

impl<'a> ser::Serializer for Collector<'a> {
    type Ok = ();
    type Error = Unfit;
    type SerializeSeq = Collector<'a>;
    type SerializeTuple = Collector<'a>;
    type SerializeTupleStruct = Impossible<(), Unfit>;
    type SerializeTupleVariant = Impossible<(), Unfit>;
    type SerializeMap = Impossible<(), Unfit>;
    type SerializeStruct = Impossible<(), Unfit>;
    type SerializeStructVariant = Impossible<(), Unfit>;

    fn serialize_u8(self, byte: u8) -> Result<(), Unfit> {
        self.put(Wanted::Byte, &[byte])
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Unfit> {
        self.put(Wanted::Bytes, bytes)
    }

    fn serialize_str(self, text: &str) -> Result<(), Unfit> {
        self.put(Wanted::Text, text.as_bytes())
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self, Unfit> {
        self.one_by_one(len)
    }

    fn serialize_tuple(self, len: usize) -> Result<Self, Unfit> {
        self.one_by_one(Some(len))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Unfit> {
        value.serialize(self)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _value: &T) -> Result<(), Unfit> {
        Err(Unfit::OtherKind)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<(), Unfit> {
        Err(Unfit::OtherKind)
    }

    refused! {
        serialize_bool(bool) -> (),
        serialize_i8(i8) -> (),
        serialize_i16(i16) -> (),
        serialize_i32(i32) -> (),
        serialize_i64(i64) -> (),
        serialize_u16(u16) -> (),
        serialize_u32(u32) -> (),
        serialize_u64(u64) -> (),
        serialize_f32(f32) -> (),
        serialize_f64(f64) -> (),
        serialize_char(char) -> (),
        serialize_none() -> (),
        serialize_unit() -> (),
        serialize_unit_struct(&'static str) -> (),
        serialize_unit_variant(&'static str, u32, &'static str) -> (),
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct,
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant,
        serialize_map(Option<usize>) -> Self::SerializeMap,
        serialize_struct(&'static str, usize) -> Self::SerializeStruct,
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant,
    }
}

impl ser::SerializeSeq for Collector<'_> {
    type Ok = ();
    type Error = Unfit;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        self.element(value)
    }

    fn end(self) -> Result<(), Unfit> {
        Ok(())
    }
}

impl ser::SerializeTuple for Collector<'_> {
    type Ok = ();
    type Error = Unfit;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        self.element(value)
    }

    fn end(self) -> Result<(), Unfit> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use serde::Serialize;

    use super::*;

    #[derive(Serialize)]
    struct Wrapped<T>(T);

    #[test]
    fn sequences_of_bytes_of_any_type_are_bytes() {
        assert_eq!(bytes_of(b"abc"), Ok(b"abc".to_vec()));
        assert_eq!(bytes_of(&b"abc"), Ok(b"abc".to_vec()));
        assert_eq!(bytes_of(&[0u8; 0]), Ok(Vec::new()));
        assert_eq!(bytes_of(&VecDeque::from([1u8, 2])), Ok(vec![1, 2]));
        assert_eq!(bytes_of(&Wrapped(vec![1u8, 2])), Ok(vec![1, 2]));
        assert_eq!(bytes_of(&bytes::Bytes::from_static(b"ab")), Ok(b"ab".to_vec()));
    }

    #[test]
    fn what_serialises_as_text_is_text() {
        assert_eq!(text_of(&Wrapped("abc")), Ok(b"abc".to_vec()));
        assert_eq!(text_of(&std::net::Ipv4Addr::LOCALHOST), Ok(b"127.0.0.1".to_vec()));
    }

    #[test]
    fn nothing_else_is_taken_for_bytes_or_text() {
        assert_eq!(bytes_of(&[1u64, 2]), Err(Unfit::OtherKind));
        assert_eq!(bytes_of(&(1u8, 2i32)), Err(Unfit::OtherKind));
        assert_eq!(bytes_of(&7u8), Err(Unfit::OtherKind));
        assert_eq!(bytes_of(&"text"), Err(Unfit::OtherKind));
        assert_eq!(bytes_of(&vec![vec![1u8]]), Err(Unfit::OtherKind));
        assert_eq!(bytes_of(&Some(vec![1u8])), Err(Unfit::OtherKind));
        assert_eq!(text_of(&vec![1u8]), Err(Unfit::OtherKind));
        assert_eq!(text_of(&'c'), Err(Unfit::OtherKind));
        assert_eq!(text_of(&vec!["a"]), Err(Unfit::OtherKind));
    }
}
