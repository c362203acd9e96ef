//! From bytes or text to values of types that are one or the other.

use serde::de::{self, DeserializeOwned, DeserializeSeed, SeqAccess, Visitor};

use super::Unfit;

/// Makes a value of bytes.
///
/// # Errors
/// [`Unfit`] if the type is not one of bytes, or does not take these.
pub(in crate::marshal) fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unfit> {
    T::deserialize(Bytes(bytes))
}

/// Makes a value of text.
///
/// # Errors
/// [`Unfit`] if the type is not one of text, or does not take this.
pub(in crate::marshal) fn from_text<T: DeserializeOwned>(text: &str) -> Result<T, Unfit> {
    T::deserialize(Text(text))
}

macro_rules! refused {
    ($($method:ident($($ty:ty),*)),+ $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, $(_: $ty,)* _visitor: V) -> Result<V::Value, Unfit> {
            Err(Unfit::OtherKind)
        })+
    };
}

/// Requests that no type of bytes or text makes.
macro_rules! refused_by_all {
    () => {
        refused! {
            deserialize_bool(), deserialize_i8(), deserialize_i16(), deserialize_i32(), deserialize_i64(),
            deserialize_u16(), deserialize_u32(), deserialize_u64(), deserialize_f32(), deserialize_f64(),
            deserialize_char(), deserialize_option(), deserialize_unit(), deserialize_unit_struct(&'static str),
            deserialize_tuple_struct(&'static str, usize), deserialize_map(),
            deserialize_struct(&'static str, &'static [&'static str]),
            deserialize_enum(&'static str, &'static [&'static str]),
        }
    };
}

/// Bytes, whole or one by one.
struct Bytes<'a>(&'a [u8]);

impl<'de> de::Deserializer<'de> for Bytes<'_> {
    type Error = Unfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_bytes(self.0)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_bytes(self.0)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_byte_buf(self.0.to_vec())
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        let mut bytes = self.0;
        let value = visitor.visit_seq(OneByOne(&mut bytes))?;
        match bytes.len() {
            0 => Ok(value),
            left => Err(Unfit::Refused(format!("{left} bytes are left over"))),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_unit()
    }

    refused! { deserialize_u8(), deserialize_str(), deserialize_string(), deserialize_identifier() }
    refused_by_all!();
}

struct OneByOne<'a, 'b>(&'a mut &'b [u8]);

impl<'de> SeqAccess<'de> for OneByOne<'_, '_> {
    type Error = Unfit;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Unfit> {
        let Some((first, rest)) = self.0.split_first() else { return Ok(None) };
        *self.0 = rest;
        seed.deserialize(Byte(*first)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// One of several bytes: nothing but a `u8`, so that no other number is made of it.
struct Byte(u8);

impl<'de> de::Deserializer<'de> for Byte {
    type Error = Unfit;

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_u8(self.0)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        visitor.visit_newtype_struct(self)
    }

    refused! {
        deserialize_any(), deserialize_ignored_any(), deserialize_bytes(), deserialize_byte_buf(), deserialize_seq(),
        deserialize_tuple(usize), deserialize_str(), deserialize_string(), deserialize_identifier(),
    }
    refused_by_all!();
}

struct Text<'a>(&'a str);

impl<'de> de::Deserializer<'de> for Text<'_> {
    type Error = Unfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_str(self.0)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_str(self.0)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_string(self.0.to_owned())
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_unit()
    }

    refused! {
        deserialize_u8(), deserialize_bytes(), deserialize_byte_buf(), deserialize_seq(), deserialize_tuple(usize),
        deserialize_identifier(),
    }
    refused_by_all!();
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Wrapped<T>(T);

    #[test]
    fn bytes_become_what_holds_bytes() {
        assert_eq!(from_bytes::<Box<[u8]>>(b"abc").as_deref(), Ok(&b"abc"[..]));
        assert_eq!(from_bytes::<[u8; 3]>(b"abc"), Ok(*b"abc"));
        assert_eq!(from_bytes::<VecDeque<u8>>(b"ab"), Ok(VecDeque::from([b'a', b'b'])));
        assert_eq!(from_bytes::<Wrapped<Vec<u8>>>(b"ab"), Ok(Wrapped(b"ab".to_vec())));
    }

    #[test]
    fn a_length_that_the_type_does_not_have_is_refused() {
        for bytes in [&b"ab"[..], b"abcd"] {
            let refused = from_bytes::<[u8; 3]>(bytes);
            assert!(matches!(refused, Err(Unfit::Refused(_))), "{refused:?}");
        }
    }

    #[test]
    fn bytes_become_nothing_else() {
        assert_eq!(from_bytes::<Vec<u64>>(b"abc"), Err(Unfit::OtherKind));
        assert_eq!(from_bytes::<String>(b"abc"), Err(Unfit::OtherKind));
        assert_eq!(from_bytes::<u8>(b"a"), Err(Unfit::OtherKind));
        assert_eq!(from_bytes::<Vec<bool>>(b"\0"), Err(Unfit::OtherKind));
        assert!(from_bytes::<serde_json::Value>(b"abc").is_err());
    }

    #[test]
    fn text_becomes_what_is_read_from_text() {
        assert_eq!(from_text::<Box<str>>("abc").as_deref(), Ok("abc"));
        assert_eq!(from_text::<Wrapped<String>>("abc"), Ok(Wrapped("abc".to_owned())));
        assert_eq!(from_text::<std::net::Ipv4Addr>("127.0.0.1"), Ok(std::net::Ipv4Addr::LOCALHOST));
        assert!(matches!(from_text::<std::net::Ipv4Addr>("x"), Err(Unfit::Refused(_))));
        assert_eq!(from_text::<Vec<u8>>("abc"), Err(Unfit::OtherKind));
        assert_eq!(from_text::<bool>("true"), Err(Unfit::OtherKind));
    }
}
