//! The formats that values travel in.

use serde::{Deserialize, Serialize};

/// A format, as the exchange area numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    MessagePack,
    Bincode,
}

/// The record that tells the host which formats this guest was built with.
pub const FORMATS_RECORD: &str =
    match (cfg!(feature = "json"), cfg!(feature = "messagepack"), cfg!(feature = "bincode")) {
        (true, true, true) => "{\"abi\":1,\"formats\":[\"json\",\"messagepack\",\"bincode\"]}\n",
        (true, true, false) => "{\"abi\":1,\"formats\":[\"json\",\"messagepack\"]}\n",
        (true, false, true) => "{\"abi\":1,\"formats\":[\"json\",\"bincode\"]}\n",
        (true, false, false) => "{\"abi\":1,\"formats\":[\"json\"]}\n",
        (false, true, true) => "{\"abi\":1,\"formats\":[\"messagepack\",\"bincode\"]}\n",
        (false, true, false) => "{\"abi\":1,\"formats\":[\"messagepack\"]}\n",
        (false, false, true) => "{\"abi\":1,\"formats\":[\"bincode\"]}\n",
        (false, false, false) => "{\"abi\":1,\"formats\":[]}\n",
    };

/// Turns a record into what a custom section is made of: an array, not a reference to one.
///
/// # Panics
///
/// When `N` is not the record's length. It runs while the guest is compiled.
pub const fn record<const N: usize>(text: &str) -> [u8; N] {
    match text.as_bytes().as_array() {
        Some(bytes) => *bytes,
        None => panic!("the length of a record is the length of its text"),
    }
}

impl Format {
    /// Reads the number that the host wrote.
    pub(crate) fn chosen(number: usize) -> Result<Self, String> {
        match number {
            0 => Err("the host chose no format for values".to_owned()),
            1 => Ok(Self::Json),
            2 => Ok(Self::MessagePack),
            3 => Ok(Self::Bincode),
            unknown => {
                Err(format!("the host chose format {unknown}, which this guest does not know"))
            }
        }
    }

    /// The format for calls of the host: that of the call in progress, if it has one that this guest knows.
    pub(crate) fn preferred(number: usize) -> Result<Self, String> {
        Self::chosen(number)
            .ok()
            .into_iter()
            .chain([Self::MessagePack, Self::Json, Self::Bincode])
            .find(|format| format.is_built_in())
            .ok_or_else(|| "this guest was built without formats for values".to_owned())
    }

    /// The number that the host knows it by.
    pub(crate) const fn number(self) -> usize {
        match self {
            Self::Json => 1,
            Self::MessagePack => 2,
            Self::Bincode => 3,
        }
    }

    const fn is_built_in(self) -> bool {
        match self {
            Self::Json => cfg!(feature = "json"),
            Self::MessagePack => cfg!(feature = "messagepack"),
            Self::Bincode => cfg!(feature = "bincode"),
        }
    }

    /// Decodes a value, which may borrow from the bytes.
    pub(crate) fn decode<'a, T: Deserialize<'a>>(self, bytes: &'a [u8]) -> Result<T, String> {
        match self {
            #[cfg(feature = "json")]
            Self::Json => serde_json::from_slice(bytes).map_err(|error| error.to_string()),
            #[cfg(feature = "messagepack")]
            Self::MessagePack => rmp_serde::from_slice(bytes).map_err(|error| error.to_string()),
            #[cfg(feature = "bincode")]
            Self::Bincode => bincode_format::decode(bytes),
            #[allow(unreachable_patterns, reason = "reachable with fewer features")]
            _ => {
                let _ = bytes;
                Err(self.missing())
            }
        }
    }

    /// Encodes a value behind what `output` holds.
    pub(crate) fn encode<T: Serialize>(
        self,
        value: &T,
        output: &mut Vec<u8>,
    ) -> Result<(), String> {
        match self {
            #[cfg(feature = "json")]
            Self::Json => serde_json::to_writer(output, value).map_err(|error| error.to_string()),
            #[cfg(feature = "messagepack")]
            // With the names of fields, so that either side may add some, and bytes as bytes.
            Self::MessagePack => {
                let mut serializer = rmp_serde::Serializer::new(output)
                    .with_struct_map()
                    .with_bytes(rmp_serde::config::BytesMode::ForceIterables);
                value.serialize(&mut serializer).map_err(|error| error.to_string())
            }
            #[cfg(feature = "bincode")]
            Self::Bincode => bincode_format::encode(value, output),
            #[allow(unreachable_patterns, reason = "reachable with fewer features")]
            _ => {
                let _ = (value, output);
                Err(self.missing())
            }
        }
    }

    fn missing(self) -> String {
        format!("this guest was built without the format {self:?}")
    }
}

#[cfg(feature = "bincode")]
mod bincode_format {
    use bincode::config;
    use bincode::enc::write::Writer;
    use bincode::error::EncodeError;
    use bincode::serde::{borrow_decode_from_slice, encode_into_writer};

    use super::{Deserialize, Serialize};

    struct Appended<'a>(&'a mut Vec<u8>);

    impl Writer for Appended<'_> {
        fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
            self.0.extend_from_slice(bytes);
            Ok(())
        }
    }

    pub(super) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
        let (value, used) = borrow_decode_from_slice(bytes, config::standard())
            .map_err(|error| error.to_string())?;
        if used == bytes.len() { Ok(value) } else { Err("bytes follow the value".to_owned()) }
    }

    pub(super) fn encode<T: Serialize>(value: &T, output: &mut Vec<u8>) -> Result<(), String> {
        encode_into_writer(value, Appended(output), config::standard())
            .map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Format; 3] = [Format::Json, Format::MessagePack, Format::Bincode];

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Line {
        article: String,
        count: u32,
        price: Option<f64>,
    }

    fn line() -> Line {
        Line { article: "bolt \"M4\"".to_owned(), count: 12, price: Some(0.25) }
    }

    #[test]
    fn every_format_gives_the_value_back() {
        for format in ALL {
            let mut bytes = Vec::new();
            format.encode(&line(), &mut bytes).unwrap();
            assert_eq!(format.decode::<Line>(&bytes), Ok(line()), "{format:?}");
        }
    }

    #[test]
    fn bytes_take_a_byte_each() {
        let value = ("a".to_owned(), vec![200u8; 1000]);
        for format in [Format::MessagePack, Format::Bincode] {
            let mut bytes = Vec::new();
            format.encode(&value, &mut bytes).unwrap();
            assert!(bytes.len() < 1010, "{format:?}: {} bytes", bytes.len());
            assert_eq!(format.decode(&bytes), Ok(value.clone()), "{format:?}");
        }
    }

    #[test]
    fn bytes_behind_the_value_are_refused() {
        // MessagePack's decoder does not say where it stopped.
        for format in [Format::Json, Format::Bincode] {
            let mut bytes = Vec::new();
            format.encode(&line(), &mut bytes).unwrap();
            bytes.push(1);
            assert!(format.decode::<Line>(&bytes).is_err(), "{format:?}");
        }
    }

    #[test]
    fn half_a_value_is_refused() {
        for format in ALL {
            let mut bytes = Vec::new();
            format.encode(&line(), &mut bytes).unwrap();
            bytes.pop();
            assert!(format.decode::<Line>(&bytes).is_err(), "{format:?}");
        }
    }

    #[test]
    fn messagepack_structs_may_be_arrays() {
        let bytes = rmp_serde::to_vec(&line()).unwrap();
        assert_eq!(Format::MessagePack.decode::<Line>(&bytes), Ok(line()));
    }

    #[test]
    fn the_host_is_called_in_the_format_of_the_call_if_it_has_one() {
        for format in ALL {
            assert_eq!(Format::preferred(format.number()), Ok(format));
            assert_eq!(Format::chosen(format.number()), Ok(format));
        }
        for none in [0, 8, 99] {
            assert_eq!(Format::preferred(none), Ok(Format::MessagePack));
        }
    }

    #[test]
    fn the_host_must_choose_a_format_that_exists() {
        assert_eq!(Format::chosen(2), Ok(Format::MessagePack));
        assert!(Format::chosen(0).unwrap_err().contains("no format"));
        assert!(Format::chosen(9).unwrap_err().contains('9'));
    }
}
