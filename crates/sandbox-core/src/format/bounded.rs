//! Decoding what a guest wrote, within bounds.
//!
//! A few bytes can claim to be a sequence of 2^64 elements that take no bytes each, or a list in a list in a list that
//! needs more of the host's stack than there is. So whatever is decoded goes through a deserialiser that counts: how deep
//! values are nested, and how many elements there are whose number the guest chose. Honest ones take a byte at least, so
//! their number is held against the number of bytes. Single numbers, text and bytes cost what they did without.

use std::cell::Cell;
use std::fmt;

use serde::de::value::SeqDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// Deepest nesting of values. Each level takes some hundred bytes of the stack, which may be a small thread's.
pub(super) const MOST_LEVELS: u32 = 128;

/// So many elements may take no bytes, such as those of a `Vec<()>`.
pub(super) const MOST_EMPTY: usize = 1024;

/// Name of the newtype that a value asks for which takes whatever comes, and tells bytes from sequences.
///
/// Other types that take whatever comes do it to look at it twice (tagged enums, flattened structures), and read their
/// bytes from a sequence.
pub(crate) const SELF_DESCRIBING: &str = "$sandbox_core::Value";

/// Bounds of what decoding one value may still take.
#[derive(Debug)]
pub(super) struct Bounds {
    levels: Cell<u32>,
    elements: Cell<usize>,
}

impl Bounds {
    /// For a value that was encoded in so many bytes.
    pub(super) fn for_bytes(encoded_bytes: usize) -> Self {
        Self {
            levels: Cell::new(MOST_LEVELS),
            elements: Cell::new(encoded_bytes.saturating_add(MOST_EMPTY)),
        }
    }

    /// Decodes a value within these bounds.
    pub(super) fn decode<'de, T, D>(&self, deserializer: D) -> Result<T, D::Error>
    where
        T: serde::Deserialize<'de>,
        D: Deserializer<'de>,
    {
        T::deserialize(Bounded::around(self, deserializer))
    }

    fn deeper<T, E: Error>(&self, then: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let Some(left) = self.levels.get().checked_sub(1) else {
            return Err(E::custom(format_args!(
                "values are nested deeper than {MOST_LEVELS} levels"
            )));
        };
        self.levels.set(left);
        let outcome = then();
        self.levels.set(left + 1);
        outcome
    }

    #[inline]
    fn count_element<E: Error>(&self) -> Result<(), E> {
        let Some(left) = self.elements.get().checked_sub(1) else {
            return Err(E::custom("it has more elements than its bytes can hold"));
        };
        self.elements.set(left);
        Ok(())
    }

    /// Returns how many elements there can be still, whatever their number is said to be.
    fn at_most(&self, said: Option<usize>) -> Option<usize> {
        said.map(|said| said.min(self.elements.get()))
    }
}

/// Who decides how many elements there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    /// The type that is decoded.
    OfType,
    /// Whoever encoded it.
    OfGuest,
}

/// Form in which bytes are given out where no bytes were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BytesAs {
    Sequence,
    Bytes,
}

/// Something of serde that decodes, within bounds.
struct Bounded<'b, T> {
    inner: T,
    bounds: &'b Bounds,
    /// Of the elements that it is about to give out, if it does.
    length: Length,
    bytes: BytesAs,
}

impl<'b, T> Bounded<'b, T> {
    #[inline]
    fn around(bounds: &'b Bounds, inner: T) -> Self {
        Self::with_length(bounds, inner, Length::OfType)
    }

    #[inline]
    fn with_length(bounds: &'b Bounds, inner: T, length: Length) -> Self {
        Self { inner, bounds, length, bytes: BytesAs::Sequence }
    }

    #[inline]
    fn count<E: Error>(&self) -> Result<(), E> {
        if self.length == Length::OfGuest { self.bounds.count_element() } else { Ok(()) }
    }
}

/// Methods whose values hold no others.
macro_rules! flat {
    ($($method:ident),+ $(,)?) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(visitor)
        }
    )+};
}

/// Methods whose values may hold others.
macro_rules! nested {
    ($($method:ident($($argument:ident: $ty:ty),*) => $length:ident),+ $(,)?) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($argument: $ty,)* visitor: V) -> Result<V::Value, D::Error> {
            let visitor = Bounded::with_length(self.bounds, visitor, Length::$length);
            self.inner.$method($($argument,)* visitor)
        }
    )+};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Bounded<'_, D> {
    type Error = D::Error;

    flat! {
        deserialize_bool, deserialize_i8, deserialize_i16, deserialize_i32, deserialize_i64, deserialize_i128,
        deserialize_u8, deserialize_u16, deserialize_u32, deserialize_u64, deserialize_u128, deserialize_f32,
        deserialize_f64, deserialize_char, deserialize_str, deserialize_bytes, deserialize_unit,
        deserialize_identifier,
    }

    nested! {
        deserialize_any() => OfGuest,
        deserialize_ignored_any() => OfGuest,
        deserialize_seq() => OfGuest,
        deserialize_map() => OfGuest,
        deserialize_option() => OfType,
        deserialize_unit_struct(name: &'static str) => OfType,
        deserialize_tuple(len: usize) => OfType,
        deserialize_tuple_struct(name: &'static str, len: usize) => OfType,
        deserialize_struct(name: &'static str, fields: &'static [&'static str]) => OfType,
        deserialize_enum(name: &'static str, variants: &'static [&'static str]) => OfType,
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        if name == SELF_DESCRIBING {
            let visitor = Bounded::with_length(self.bounds, visitor, Length::OfGuest);
            return self.inner.deserialize_any(Bounded { bytes: BytesAs::Bytes, ..visitor });
        }
        self.inner.deserialize_newtype_struct(name, Bounded::around(self.bounds, visitor))
    }

    /// Borrowed and then copied: bincode would make room for as much as the guest says that there is.
    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_str(visitor)
    }

    /// Borrowed and then copied, as text is.
    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_bytes(visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// Methods of a visitor that is given values which hold no other values.
macro_rules! visits {
    ($($method:ident: $ty:ty),+ $(,)?) => {$(
        #[inline]
        fn $method<E: Error>(self, value: $ty) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )+};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Bounded<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    visits! {
        visit_bool: bool, visit_i8: i8, visit_i16: i16, visit_i32: i32, visit_i64: i64, visit_i128: i128,
        visit_u8: u8, visit_u16: u16, visit_u32: u32, visit_u64: u64, visit_u128: u128, visit_f32: f32,
        visit_f64: f64, visit_char: char, visit_str: &str, visit_borrowed_str: &'de str, visit_string: String,
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<V::Value, E> {
        match self.bytes {
            BytesAs::Bytes => self.inner.visit_bytes(bytes),
            BytesAs::Sequence => self.visit_seq(SeqDeserializer::new(bytes.iter().copied())),
        }
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<V::Value, E> {
        self.visit_bytes(bytes)
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<V::Value, E> {
        self.visit_bytes(&bytes)
    }

    #[inline]
    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    #[inline]
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let Self { inner, bounds, .. } = self;
        bounds.deeper(|| inner.visit_some(Bounded::around(bounds, deserializer)))
    }

    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<V::Value, D::Error> {
        let Self { inner, bounds, .. } = self;
        bounds.deeper(|| inner.visit_newtype_struct(Bounded::around(bounds, deserializer)))
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<V::Value, A::Error> {
        let Self { inner, bounds, length, .. } = self;
        bounds.deeper(|| inner.visit_seq(Bounded::with_length(bounds, elements, length)))
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        let Self { inner, bounds, length, .. } = self;
        bounds.deeper(|| inner.visit_map(Bounded::with_length(bounds, entries, length)))
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        let Self { inner, bounds, .. } = self;
        bounds.deeper(|| inner.visit_enum(Bounded::around(bounds, variant)))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Bounded<'_, S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let Self { inner, bounds, .. } = self;
        inner.deserialize(Bounded::around(bounds, deserializer))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let element = self.inner.next_element_seed(Bounded::around(self.bounds, seed))?;
        if element.is_some() {
            self.count()?;
        }
        Ok(element)
    }

    fn size_hint(&self) -> Option<usize> {
        self.bounds.at_most(self.inner.size_hint())
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let key = self.inner.next_key_seed(Bounded::around(self.bounds, seed))?;
        if key.is_some() {
            self.count()?;
        }
        Ok(key)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(Bounded::around(self.bounds, seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.bounds.at_most(self.inner.size_hint())
    }
}

impl<'b, 'de, A: EnumAccess<'de>> EnumAccess<'de> for Bounded<'b, A> {
    type Error = A::Error;
    type Variant = Bounded<'b, A::Variant>;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let Self { inner, bounds, .. } = self;
        let (value, variant) = inner.variant_seed(Bounded::around(bounds, seed))?;
        Ok((value, Bounded::around(bounds, variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    #[inline]
    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        let Self { inner, bounds, .. } = self;
        inner.newtype_variant_seed(Bounded::around(bounds, seed))
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        let Self { inner, bounds, .. } = self;
        inner.tuple_variant(len, Bounded::around(bounds, visitor))
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let Self { inner, bounds, .. } = self;
        inner.struct_variant(fields, Bounded::around(bounds, visitor))
    }
}
