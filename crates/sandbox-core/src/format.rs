//! The formats in which values travel between host and guest.

use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The most that decoding may allocate on behalf of a length that a guest wrote, in bytes.
const BINCODE_LIMIT_BYTES: usize = 1 << 30;

/// A format for values. Numbers, bytes and text never need one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum SerializationFormat {
    /// JSON text: readable, and slow for numbers.
    Json,
    /// MessagePack with named fields: compact, and either side may add fields. The default.
    #[default]
    MessagePack,
    /// bincode 2 in its standard configuration: the smallest and fastest, but both sides must be built
    /// from the same types.
    Bincode,
}

impl SerializationFormat {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Json, Self::MessagePack, Self::Bincode];

    /// The format's name: `json`, `messagepack` or `bincode`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::MessagePack => "messagepack",
            Self::Bincode => "bincode",
        }
    }

    /// The number that stands for the format in the exchange area.
    pub(crate) const fn code(self) -> u32 {
        match self {
            Self::Json => 1,
            Self::MessagePack => 2,
            Self::Bincode => 3,
        }
    }

    pub(crate) fn encode<T: Serialize>(self, value: &T) -> Result<Vec<u8>, String> {
        match self {
            Self::Json => serde_json::to_vec(value).map_err(|error| error.to_string()),
            Self::MessagePack => rmp_serde::to_vec_named(value).map_err(|error| error.to_string()),
            Self::Bincode => bincode::serde::encode_to_vec(value, bincode::config::standard())
                .map_err(|error| error.to_string()),
        }
    }

    pub(crate) fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, String> {
        match self {
            Self::Json => serde_json::from_slice(bytes).map_err(|error| error.to_string()),
            Self::MessagePack => rmp_serde::from_slice(bytes).map_err(|error| error.to_string()),
            Self::Bincode => {
                let config = bincode::config::standard().with_limit::<BINCODE_LIMIT_BYTES>();
                let (value, used) = bincode::serde::decode_from_slice(bytes, config)
                    .map_err(|error| error.to_string())?;
                if used == bytes.len() {
                    Ok(value)
                } else {
                    Err(format!("{} bytes are left over", bytes.len() - used))
                }
            }
        }
    }
}

impl std::fmt::Display for SerializationFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no serialization format; there are json, messagepack and bincode")]
pub struct UnknownFormat(String);

impl FromStr for SerializationFormat {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

impl TryFrom<&str> for SerializationFormat {
    type Error = UnknownFormat;

    fn try_from(name: &str) -> Result<Self, UnknownFormat> {
        name.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_returns_what_it_was_given() {
        let value = (1u8, Some("text".to_owned()), vec![(-3i64, 0.5f64)]);
        for format in SerializationFormat::ALL {
            let bytes = format.encode(&value).unwrap();
            assert_eq!(
                format.decode::<(u8, Option<String>, Vec<(i64, f64)>)>(&bytes),
                Ok(value.clone())
            );
        }
    }

    #[test]
    fn names_parse_to_their_formats() {
        for format in SerializationFormat::ALL {
            assert_eq!(format.name().parse(), Ok(format));
        }
        assert!("yaml".parse::<SerializationFormat>().is_err());
    }

    #[test]
    fn left_over_bytes_are_no_value() {
        for format in [SerializationFormat::Json, SerializationFormat::Bincode] {
            let mut bytes = format.encode(&7u32).unwrap();
            bytes.push(b'7');
            bytes.push(b'x');
            assert!(format.decode::<u32>(&bytes).is_err(), "{format}");
        }
    }
}
