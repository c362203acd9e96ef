//! Numbers of any signature, as arguments and as results. The fuzz targets have them too.

use std::fmt;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeTuple as _, Serializer};

/// A number with its type. Floats are bits, so that they are compared as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::I32(number) => serializer.serialize_i32(number),
            Self::I64(number) => serializer.serialize_i64(number),
            Self::F32(bits) => serializer.serialize_f32(f32::from_bits(bits)),
            Self::F64(bits) => serializer.serialize_f64(f64::from_bits(bits)),
        }
    }
}

/// Arguments of a call, or its results.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Numbers(pub(crate) Vec<Number>);

impl Serialize for Numbers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        for number in &self.0 {
            tuple.serialize_element(number)?;
        }
        tuple.end()
    }
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Whatever)
    }
}

struct Whatever;

impl<'de> Visitor<'de> for Whatever {
    type Value = Numbers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("numbers")
    }

    fn visit_unit<E>(self) -> Result<Numbers, E> {
        Ok(Numbers::default())
    }

    fn visit_i32<E>(self, number: i32) -> Result<Numbers, E> {
        Ok(Numbers(vec![Number::I32(number)]))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Numbers, E> {
        Ok(Numbers(vec![Number::I64(number)]))
    }

    fn visit_f32<E>(self, number: f32) -> Result<Numbers, E> {
        Ok(Numbers(vec![Number::F32(number.to_bits())]))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Numbers, E> {
        Ok(Numbers(vec![Number::F64(number.to_bits())]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Numbers, A::Error> {
        let mut all = Vec::new();
        while let Some(Numbers(one)) = numbers.next_element()? {
            all.extend(one);
        }
        Ok(Numbers(all))
    }
}
