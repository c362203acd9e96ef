//! Calls of the host's functions.

use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::AREA;
use crate::format::Format;

/// Room for an output that needs no second call of the host: small values, and text of a line or two.
const ROOM: usize = 512;

thread_local! {
    /// Kept from call to call. It grows no larger than [`ROOM`]: larger outputs have buffers of their own.
    static ROOM_FOR_OUTPUT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The output of one call.
pub struct HostCall {
    output: Vec<u8>,
    format: Option<Format>,
}

impl HostCall {
    /// Calls a function of the host, which is given the input, room for the output, and a format.
    #[must_use]
    pub fn with_bytes(
        input: &[u8],
        function: impl FnOnce(&[u8], &mut [u8], usize) -> usize,
    ) -> Self {
        let format = Format::preferred(AREA.with(|area| area.exchange.format.load(Relaxed))).ok();
        let mut room = ROOM_FOR_OUTPUT.take();
        room.resize(ROOM, 0);
        let len = function(input, &mut room, format.map_or(0, Format::number));
        let output = match room.get(..len) {
            Some(output) => output.to_vec(),
            None => {
                let mut output = vec![0; len];
                take_output(&mut output);
                output
            }
        };
        ROOM_FOR_OUTPUT.set(room);
        Self { output, format }
    }

    /// Calls a function of the host with an encoded value as the input.
    ///
    /// # Panics
    ///
    /// When it cannot be encoded.
    #[must_use]
    pub fn with_value<T: Serialize>(
        input: &T,
        function: impl FnOnce(&[u8], &mut [u8], usize) -> usize,
    ) -> Self {
        let encoded = Format::preferred(AREA.with(|area| area.exchange.format.load(Relaxed)))
            .and_then(|format| {
                let mut encoded = Vec::new();
                format.encode(input, &mut encoded).map(|()| encoded)
            });
        match encoded {
            Ok(encoded) => Self::with_bytes(&encoded, function),
            Err(reason) => panic!("failed to encode the arguments for the host: {reason}"),
        }
    }

    /// The output as bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.output
    }

    /// The output as text.
    ///
    /// # Panics
    ///
    /// When it is not UTF-8, which the host has made sure of.
    #[must_use]
    pub fn into_text(self) -> String {
        match String::from_utf8(self.output) {
            Ok(text) => text,
            Err(error) => panic!("the host returned no text: {error}"),
        }
    }

    /// The output as a value.
    ///
    /// # Panics
    ///
    /// When it cannot be decoded: guest and host do not agree about the type.
    #[must_use]
    pub fn value<T: DeserializeOwned>(&self) -> T {
        let format = self.format.ok_or_else(|| "there are no formats".to_owned());
        match format.and_then(|format| format.decode(&self.output)) {
            Ok(value) => value,
            Err(reason) => panic!("failed to decode what the host returned: {reason}"),
        }
    }
}

#[cfg(target_family = "wasm")]
use crate::imports::take_output;

#[cfg(not(target_family = "wasm"))]
fn take_output(_: &mut [u8]) {
    unreachable!("natively there is no host");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_brings_back_what_the_host_wrote() {
        let call = HostCall::with_bytes(b"abc", |input, output, format| {
            assert_eq!((input, format), (&b"abc"[..], Format::MessagePack.number()));
            output[..2].copy_from_slice(b"xy");
            2
        });
        assert_eq!(call.into_bytes(), b"xy");
        let nothing = HostCall::with_bytes(&[], |_, output, _| {
            assert!(output.len() >= ROOM);
            0
        });
        assert_eq!(nothing.into_text(), "");
    }

    #[test]
    fn values_go_out_and_come_back_in_one_format() {
        let call = HostCall::with_value(&("bolt", 7u32), |input, output, _| {
            let (name, count): (String, u32) = Format::MessagePack.decode(input).unwrap();
            let mut encoded = Vec::new();
            Format::MessagePack.encode(&Some(format!("{count} {name}s")), &mut encoded).unwrap();
            output[..encoded.len()].copy_from_slice(&encoded);
            encoded.len()
        });
        assert_eq!(call.value::<Option<String>>(), Some("7 bolts".to_owned()));
    }

    #[test]
    #[should_panic(expected = "failed to decode what the host returned")]
    fn what_is_no_such_value_is_a_panic() {
        let _: String = HostCall::with_bytes(&[], |_, _, _| 0).value();
    }
}
