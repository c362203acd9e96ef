//! A small record in three formats: a short call of a guest that allocates, encodes, and leaves its memory dirty.
//!
//! All arguments and results are numbers, so that engines without this project's conventions can call it as well.

use sandbox_guest::export;
use serde::Serialize;

/// Length of a record's text, in bytes.
pub const TEXT_BYTES: usize = 100;

/// Record that is encoded.
#[derive(Serialize)]
struct Record {
    number: u32,
    text: String,
}

/// Adds two numbers, wrapping around like Wasm's own instruction.
#[export]
pub fn add(a: i32, b: i32) -> i32 {
    a.wrapping_add(b)
}

/// Encodes the record of a number as JSON, MessagePack and bincode, and returns a checksum of the bytes.
///
/// # Panics
///
/// Never: each format has numbers and text.
#[export]
#[must_use]
pub fn serialise_record(number: u32) -> u32 {
    let record = Record::of(number);
    let json = serde_json::to_vec(&record).expect("JSON has numbers and text");
    let messagepack = rmp_serde::to_vec_named(&record).expect("MessagePack has both too");
    let bincode = bincode::serde::encode_to_vec(&record, bincode::config::standard())
        .expect("and so has bincode");
    [json, messagepack, bincode]
        .iter()
        .flatten()
        .fold(FNV_BASIS, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(FNV_PRIME))
}

/// FNV-1a with 32 bits.
const FNV_BASIS: u32 = 0x811c_9dc5;
const FNV_PRIME: u32 = 0x0100_0193;

impl Record {
    /// The record of a number: its text depends on the number, so that no compiler knows it.
    fn of(number: u32) -> Self {
        let letter = |at: usize| char::from(b"abcdefghijklmnop"[(number as usize + at) % 16]);
        Self { number, text: (0..TEXT_BYTES).map(letter).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_every_format_counts() {
        let record = Record::of(7);
        assert_eq!(record.text.len(), TEXT_BYTES);
        let json = serde_json::to_string(&record).unwrap();
        assert!(json.starts_with(r#"{"number":7,"text":"hijk"#), "{json}");
        let checksums = [0, 1, 16, u32::MAX].map(serialise_record);
        for (at, one) in checksums.iter().enumerate() {
            assert!(!checksums[at + 1..].contains(one), "{checksums:?}");
        }
    }

    #[test]
    fn addition_wraps_around() {
        assert_eq!(add(i32::MAX, 1), i32::MIN);
    }
}
