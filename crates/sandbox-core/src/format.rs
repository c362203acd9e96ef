//! The formats in which values travel between host and guest.

mod bounded;

use std::str::FromStr;

use bincode::serde::BorrowedSerdeDecoder;
use serde::Serialize;
use serde::de::DeserializeOwned;

use bounded::Bounds;
pub(crate) use bounded::SELF_DESCRIBING;

use crate::text::cut;

/// Length of a serialiser's message that is kept, in bytes: it may quote the guest.
const MESSAGE_LIMIT_BYTES: usize = 512;

/// A format for values. Numbers, bytes and text never need one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SerializationFormat {
    /// JSON text: readable, and slow for numbers.
    Json,
    /// MessagePack with named fields: compact, and either side may add fields. The default for guests that know it.
    #[default]
    MessagePack,
    /// bincode 2 in its standard configuration: the smallest and fastest, but both sides must be built
    /// from the same types.
    Bincode,
}

impl SerializationFormat {
    /// Every format.
    pub const ALL: &'static [Self] = &[Self::Json, Self::MessagePack, Self::Bincode];

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

    /// Encodes a value.
    ///
    /// # Errors
    /// Objection of the value's type or of the format, in words.
    pub(crate) fn encode<T: Serialize>(self, value: &T) -> Result<Vec<u8>, String> {
        match self {
            Self::Json => serde_json::to_vec(value).map_err(|error| error.to_string()),
            Self::MessagePack => rmp_serde::to_vec_named(value).map_err(|error| error.to_string()),
            Self::Bincode => bincode::serde::encode_to_vec(value, bincode::config::standard())
                .map_err(|error| error.to_string()),
        }
    }

    /// Decodes a value that a guest encoded.
    ///
    /// Takes time and memory in proportion to the bytes, and a bounded part of the stack: nested deeper than 128 levels,
    /// or with more elements than the bytes can hold, it is refused.
    ///
    /// # Errors
    /// What is wrong with the bytes, in words.
    pub(crate) fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, String> {
        let bounds = Bounds::for_bytes(bytes.len());
        let decoded = match self {
            Self::Json => {
                let mut json = serde_json::Deserializer::from_slice(bytes);
                bounds
                    .decode(&mut json)
                    .and_then(|value| json.end().map(|()| value))
                    .map_err(|error| error.to_string())
            }
            Self::MessagePack => {
                let mut messagepack = rmp_serde::Deserializer::from_read_ref(bytes);
                bounds.decode(&mut messagepack).map_err(|error| error.to_string())
            }
            Self::Bincode => decode_bincode(bytes, &bounds),
        };
        decoded.map_err(|message| cut(message, MESSAGE_LIMIT_BYTES))
    }
}

fn decode_bincode<T: DeserializeOwned>(bytes: &[u8], bounds: &Bounds) -> Result<T, String> {
    // Text and bytes are borrowed first, so no length is believed before so many bytes are there.
    let mut bincode = BorrowedSerdeDecoder::from_slice(bytes, bincode::config::standard(), ());
    let value = bounds.decode(bincode.as_deserializer()).map_err(|error| error.to_string())?;
    // It does not say how much it has read, but one more byte is there or not.
    match serde::Deserialize::deserialize(bincode.as_deserializer()) {
        Ok(0u8..) => Err("bytes are left over".to_owned()),
        Err(_) => Ok(value),
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
            .iter()
            .copied()
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
        for &format in SerializationFormat::ALL {
            let bytes = format.encode(&value).unwrap();
            assert_eq!(
                format.decode::<(u8, Option<String>, Vec<(i64, f64)>)>(&bytes),
                Ok(value.clone())
            );
        }
    }

    #[test]
    fn bytes_are_a_sequence_to_types_that_take_whatever_comes() {
        #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(tag = "type")]
        enum Message {
            Blob { data: Vec<u8> },
        }

        // As guests encode it.
        let mut encoded = Vec::new();
        let mut messagepack = rmp_serde::Serializer::new(&mut encoded)
            .with_struct_map()
            .with_bytes(rmp_serde::config::BytesMode::ForceIterables);
        let message = Message::Blob { data: vec![200; 100] };
        message.serialize(&mut messagepack).unwrap();
        assert!(encoded.len() < 130, "{} bytes", encoded.len());
        assert_eq!(SerializationFormat::MessagePack.decode(&encoded), Ok(message));
    }

    #[test]
    fn names_parse_to_their_formats() {
        for &format in SerializationFormat::ALL {
            assert_eq!(format.name().parse(), Ok(format));
        }
        assert!("yaml".parse::<SerializationFormat>().is_err());
    }

    /// A list that takes a level for each element.
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    enum Chain {
        End,
        Link(Box<Chain>),
    }

    fn chain(links: usize) -> Chain {
        (0..links).fold(Chain::End, |chain, _| Chain::Link(Box::new(chain)))
    }

    #[test]
    fn what_is_nested_too_deep_is_refused_in_every_format() {
        for &format in SerializationFormat::ALL {
            let fits = format.encode(&chain(100)).unwrap();
            assert_eq!(format.decode::<Chain>(&fits), Ok(chain(100)), "{format}");
            let deep = format.encode(&chain(1_000)).unwrap();
            assert!(format.decode::<Chain>(&deep).is_err(), "{format}");
        }
        // Each of these bytes is a level.
        let bomb = vec![1u8; 10_000_000];
        let error = SerializationFormat::Bincode.decode::<Chain>(&bomb).unwrap_err();
        assert!(error.contains("nested"), "{error}");
        let bomb = vec![0x91u8; 10_000_000];
        let error =
            SerializationFormat::MessagePack.decode::<serde_json::Value>(&bomb).unwrap_err();
        assert!(error.contains("nested"), "{error}");
        let bomb = vec![b'['; 10_000_000];
        assert!(SerializationFormat::Json.decode::<serde_json::Value>(&bomb).is_err());
    }

    #[test]
    fn elements_that_take_no_bytes_are_counted() {
        type Nothings = Vec<Vec<()>>;
        for &format in SerializationFormat::ALL {
            let some: Nothings = vec![vec![(); 10]; 10];
            assert_eq!(format.decode(&format.encode(&some).unwrap()), Ok(some), "{format}");
        }
        for length in [u64::from(u32::MAX), u64::MAX] {
            let bomb = SerializationFormat::Bincode.encode(&length).unwrap();
            let error = SerializationFormat::Bincode.decode::<Vec<()>>(&bomb).unwrap_err();
            assert!(error.contains("elements"), "{error}");
            let error = SerializationFormat::Bincode.decode::<Vec<[u64; 0]>>(&bomb).unwrap_err();
            assert!(error.contains("elements"), "{error}");
            let map = SerializationFormat::Bincode
                .decode::<std::collections::BTreeMap<(), ()>>(&bomb)
                .unwrap_err();
            assert!(map.contains("elements"), "{map}");
        }
    }

    #[test]
    fn a_length_is_not_believed_before_its_bytes_are_there() {
        // Four billion bytes and elements, of which none follow.
        let bincode = SerializationFormat::Bincode.encode(&u64::from(u32::MAX)).unwrap();
        for format in [SerializationFormat::Bincode, SerializationFormat::MessagePack] {
            let array: &[u8] = match format {
                SerializationFormat::Bincode => &bincode,
                _ => &[0xdd, 0xff, 0xff, 0xff, 0xff],
            };
            assert!(format.decode::<Vec<u64>>(array).is_err(), "{format}");
            assert!(format.decode::<Vec<u8>>(array).is_err(), "{format}");
            let text: &[u8] = match format {
                SerializationFormat::Bincode => &bincode,
                _ => &[0xdb, 0xff, 0xff, 0xff, 0xff],
            };
            assert!(format.decode::<String>(text).is_err(), "{format}");
        }
    }

    #[test]
    fn what_a_serialiser_quotes_is_cut() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Nothing {}

        let json = format!(r#"{{"{}": 1}}"#, "x".repeat(1_000_000));
        let error = SerializationFormat::Json.decode::<Nothing>(json.as_bytes()).unwrap_err();
        assert!(error.len() < 1024, "{} bytes", error.len());
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
