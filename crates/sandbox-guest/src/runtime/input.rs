//! Input of a call, as the host passed it.

use serde::Deserialize;

use super::{Output, Refusal, fill};
use crate::format::Format;

/// Number in the place of a format when a stream has ended.
const END_OF_STREAM: usize = 8;

/// The input of one call.
pub struct Input {
    /// The whole buffer, of which the host has filled the start.
    buffer: Vec<u8>,
    len: usize,
    format: usize,
}

impl Input {
    pub(super) fn new(buffer: Vec<u8>, len: usize, format: usize) -> Self {
        Self { buffer, len, format }
    }

    /// Refuses a length that the host made up.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        if self.len <= self.buffer.len() {
            return Ok(());
        }
        let (len, capacity) = (self.len, self.buffer.len());
        Err(Refusal::undecodable(format!("{len} bytes of input, but room for {capacity}")))
    }

    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// The input as bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }

    /// The next chunk of a stream; nothing at its end.
    #[must_use]
    pub fn chunk(&self) -> Option<&[u8]> {
        (self.format != END_OF_STREAM).then(|| self.bytes())
    }

    /// Hands the buffer over to the function, so that the bytes need not be copied. The last
    /// output, which the host has read, becomes the next input: a function that gives its input
    /// back, changed or not, then lives on two buffers for ever.
    #[must_use]
    pub fn take_bytes(&mut self, output: &mut Output) -> Vec<u8> {
        let mut bytes = std::mem::replace(&mut self.buffer, fill(output.take_buffer()));
        bytes.truncate(self.len);
        bytes
    }

    /// The input as text.
    ///
    /// # Errors
    ///
    /// When it is not UTF-8.
    pub fn text(&self) -> Result<&str, Refusal> {
        std::str::from_utf8(self.bytes()).map_err(Refusal::undecodable)
    }

    /// The input as text that the function owns, as [`Self::take_bytes`].
    ///
    /// # Errors
    ///
    /// When it is not UTF-8.
    pub fn take_text(&mut self, output: &mut Output) -> Result<String, Refusal> {
        String::from_utf8(self.take_bytes(output)).map_err(Refusal::undecodable)
    }

    /// The input as a value in the call's format.
    ///
    /// # Errors
    ///
    /// When it cannot be decoded.
    pub fn value<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Refusal> {
        let format = Format::chosen(self.format).map_err(Refusal::undecodable)?;
        format.decode(self.bytes()).map_err(Refusal::undecodable)
    }
}
