//! Encoding and decoding without a sandbox: the floor of every exchange of values.

use sandbox_core::SerializationFormat;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serialization::{Batch, Priced};

/// Does the exchange of a batch with the host on both sides: the batch is encoded and decoded, priced, and the result
/// encoded and decoded, as the sandbox and its guest do it.
///
/// # Panics
/// When a value does not survive, in which case there is nothing to measure.
pub fn round_trip(format: SerializationFormat, batch: &Batch) -> Priced {
    let batch: Batch = decode(format, &encode(format, batch));
    decode(format, &encode(format, &serialization::serialize_deserialize(batch)))
}

fn encode<T: Serialize>(format: SerializationFormat, value: &T) -> Vec<u8> {
    match format {
        SerializationFormat::Json => {
            serde_json::to_vec(value).expect("the data set has no odd keys")
        }
        SerializationFormat::MessagePack => {
            rmp_serde::to_vec_named(value).expect("MessagePack has every shape of the data set")
        }
        SerializationFormat::Bincode => {
            bincode::serde::encode_to_vec(value, bincode::config::standard())
                .expect("bincode has every shape of the data set")
        }
        other => panic!("nothing here encodes {other}"),
    }
}

fn decode<T: DeserializeOwned>(format: SerializationFormat, bytes: &[u8]) -> T {
    const WHAT: &str = "what was just encoded can be decoded";
    match format {
        SerializationFormat::Json => serde_json::from_slice(bytes).expect(WHAT),
        SerializationFormat::MessagePack => rmp_serde::from_slice(bytes).expect(WHAT),
        SerializationFormat::Bincode => {
            bincode::serde::decode_from_slice(bytes, bincode::config::standard()).expect(WHAT).0
        }
        other => panic!("nothing here decodes {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs;

    #[test]
    fn every_format_brings_the_same_result() {
        let batch = inputs::orders(20);
        let expected = serialization::serialize_deserialize(batch.clone());
        for &format in SerializationFormat::ALL {
            assert_eq!(round_trip(format, &batch), expected, "{}", format.name());
        }
    }
}
