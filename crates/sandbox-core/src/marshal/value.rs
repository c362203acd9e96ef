//! Values whose types are known only at run time.

use std::fmt;

use serde::de::{Deserialize, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeTuple, Serializer};

use crate::format::SELF_DESCRIBING;

/// A value of a type that is known only at run time.
///
/// It can be an argument or a result of any call, and is what [`Callable`](crate::Callable) and
/// [`HostFunctions::dynamic_function`](crate::HostFunctions::dynamic_function) deal in. What comes back of a function of
/// numbers has the function's own types; of several results, and of none, it is a list, and [`Value::Null`]. In a value
/// that was encoded, numbers have whatever type the format gives them.
///
/// bincode says nothing about the types that it encodes, so a value in that format cannot be had as a [`Value`].
///
/// ```
/// use sandbox_core::{Value, Values, WasmSandbox};
///
/// # fn main() -> sandbox_core::Result<()> {
/// # let wasm = wat::parse_str(r#"(module (func (export "add") (param i32 i32) (result i32)
/// #     local.get 0 local.get 1 i32.add))"#).expect("valid text");
/// let sandbox = WasmSandbox::builder().source_bytes(&wasm).build_blocking()?;
/// let arguments = [Value::from(42), Value::from(24)];
/// let sum: Value = sandbox.call_blocking("add", Values(&arguments))?;
/// assert_eq!(sum, Value::I32(66));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// A truth value; 0 or 1 where a number is asked for.
    Bool(bool),
    /// A signed number of 32 bits.
    I32(i32),
    /// A signed number.
    I64(i64),
    /// An unsigned number.
    U64(u64),
    /// A float of 32 bits.
    F32(f32),
    /// A float.
    F64(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Several values in order.
    List(Vec<Value>),
    /// Entries in order: what a structure or a map is.
    Map(Vec<(Value, Value)>),
}

/// The arguments of one call, as many as the function has parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Values<'a>(pub &'a [Value]);

impl Value {
    /// The value of that key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let Self::Map(entries) = self else { return None };
        entries
            .iter()
            .find(|(name, _)| matches!(name, Self::Text(name) if name == key))
            .map(|(_, value)| value)
    }

    /// The text, if this is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if this is an integer that an `i64` holds.
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::I32(number) => Some(number.into()),
            Self::I64(number) => Some(number),
            Self::U64(number) => number.try_into().ok(),
            _ => None,
        }
    }
}

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let [only] = self.0 {
            return only.serialize(serializer);
        }
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        for value in self.0 {
            tuple.serialize_element(value)?;
        }
        tuple.end()
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::I32(value) => serializer.serialize_i32(*value),
            Self::I64(value) => serializer.serialize_i64(*value),
            Self::U64(value) => serializer.serialize_u64(*value),
            Self::F32(value) => serializer.serialize_f32(*value),
            Self::F64(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::List(values) => serializer.collect_seq(values),
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(SELF_DESCRIBING, WhateverComes)
    }
}

struct WhateverComes;

macro_rules! visits {
    ($($method:ident($ty:ty) => $variant:ident),+ $(,)?) => {$(
        fn $method<E: Error>(self, value: $ty) -> Result<Value, E> {
            Ok(Value::$variant(value.into()))
        }
    )+};
}

impl<'de> Visitor<'de> for WhateverComes {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    visits! {
        visit_bool(bool) => Bool,
        visit_i8(i8) => I32,
        visit_i16(i16) => I32,
        visit_i32(i32) => I32,
        visit_i64(i64) => I64,
        visit_u8(u8) => U64,
        visit_u16(u16) => U64,
        visit_u32(u32) => U64,
        visit_u64(u64) => U64,
        visit_f32(f32) => F32,
        visit_f64(f64) => F64,
        visit_str(&str) => Text,
        visit_string(String) => Text,
        visit_bytes(&[u8]) => Bytes,
        visit_byte_buf(Vec<u8>) => Bytes,
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = elements.next_element()? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Value::Map(map))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _variant: A) -> Result<Value, A::Error> {
        Err(A::Error::custom("an enum's variant is of no type that is known at run time"))
    }
}

macro_rules! from {
    ($($ty:ty => $variant:ident),+ $(,)?) => {$(
        impl From<$ty> for Value {
            fn from(value: $ty) -> Self {
                Self::$variant(value.into())
            }
        }
    )+};
}

from! {
    bool => Bool, i32 => I32, i64 => I64, u32 => U64, u64 => U64, f32 => F32, f64 => F64,
    &str => Text, String => Text, &[u8] => Bytes, Vec<u8> => Bytes, Vec<Value> => List,
}

impl From<()> for Value {
    fn from((): ()) -> Self {
        Self::Null
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::SerializationFormat;

    fn everything() -> Value {
        Value::Map(vec![
            ("nothing".into(), Value::Null),
            ("yes".into(), true.into()),
            ("half".into(), 0.5.into()),
            ("list".into(), vec![Value::U64(1), Value::I64(-5_000_000_000), "three".into()].into()),
        ])
    }

    #[test]
    fn what_is_encoded_comes_back() {
        for format in [SerializationFormat::Json, SerializationFormat::MessagePack] {
            let encoded = format.encode(&everything()).unwrap();
            assert_eq!(format.decode::<Value>(&encoded), Ok(everything()), "{format}");
        }
        assert_eq!(
            everything().get("list").and_then(|list| match list {
                Value::List(list) => list[1].as_i64(),
                _ => None,
            }),
            Some(-5_000_000_000)
        );
    }

    #[test]
    fn bytes_stay_bytes_where_the_format_has_them() {
        let value = Value::List(vec![Value::Bytes(vec![1, 2, 200]), "text".into()]);
        let encoded = SerializationFormat::MessagePack.encode(&value).unwrap();
        assert_eq!(SerializationFormat::MessagePack.decode(&encoded), Ok(value));
    }

    #[test]
    fn bincode_cannot_be_read_without_a_type() {
        let encoded = SerializationFormat::Bincode.encode(&7u32).unwrap();
        assert!(SerializationFormat::Bincode.decode::<Value>(&encoded).is_err());
    }

    #[test]
    fn nesting_is_bounded_as_for_any_value() {
        let bomb = vec![0x91u8; 1_000_000];
        assert!(SerializationFormat::MessagePack.decode::<Value>(&bomb).is_err());
        let bomb = vec![b'['; 1_000_000];
        assert!(SerializationFormat::Json.decode::<Value>(&bomb).is_err());
    }

    #[test]
    fn several_arguments_are_a_tuple_and_one_is_itself() {
        let encode = |values: &[Value]| serde_json::to_string(&Values(values)).unwrap();
        assert_eq!(encode(&["a".into()]), r#""a""#);
        assert_eq!(encode(&["a".into(), 1.into()]), r#"["a",1]"#);
        assert_eq!(encode(&[]), "[]");
    }
}
