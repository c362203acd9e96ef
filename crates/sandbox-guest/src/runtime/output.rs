//! Output of a call, which the host will read.

use serde::Serialize;

use super::Refusal;
use crate::format::Format;

/// The output of one call.
pub struct Output {
    buffer: Vec<u8>,
    format: usize,
}

impl Output {
    /// Starts with the buffer of the last output, for those who can use it again.
    pub(super) fn new(mut buffer: Vec<u8>, format: usize) -> Self {
        buffer.clear();
        Self { buffer, format }
    }

    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    pub(super) fn take_buffer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// Frees the last output. Called before a function that brings a buffer of its own, which then
    /// may get the same memory.
    pub fn release(&mut self) {
        self.buffer = Vec::new();
    }

    /// Leaves bytes: owned ones are not copied, borrowed ones go into the buffer that is there.
    pub fn bytes<'a>(&mut self, bytes: impl Into<Bytes<'a>>) {
        match bytes.into() {
            Bytes::Owned(bytes) => self.buffer = bytes,
            Bytes::Borrowed(bytes) => self.buffer.extend_from_slice(bytes),
        }
    }

    /// Leaves text.
    pub fn text<'a>(&mut self, text: impl Into<Bytes<'a>>) {
        self.buffer.clear();
        self.bytes(text);
    }

    /// Leaves a value, encoded in the call's format.
    ///
    /// # Errors
    ///
    /// When it cannot be encoded.
    pub fn value<T: Serialize>(&mut self, value: T) -> Result<(), Refusal> {
        let format = Format::chosen(self.format).map_err(Refusal::unencodable)?;
        format.encode(&value, &mut self.buffer).map_err(Refusal::unencodable)
    }
}

/// Bytes or text of either kind.
pub enum Bytes<'a> {
    /// With a buffer of their own.
    Owned(Vec<u8>),
    /// Somewhere in the guest.
    Borrowed(&'a [u8]),
}

impl From<Vec<u8>> for Bytes<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Owned(bytes)
    }
}

impl From<String> for Bytes<'_> {
    fn from(text: String) -> Self {
        Self::Owned(text.into_bytes())
    }
}

impl<'a> From<&'a [u8]> for Bytes<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Borrowed(bytes)
    }
}

impl<'a> From<&'a str> for Bytes<'a> {
    fn from(text: &'a str) -> Self {
        Self::Borrowed(text.as_bytes())
    }
}
