//! From the caller's arguments to what the function takes.

use std::borrow::Cow;

use serde::Serialize;
use wasmer_types::RawValue;

use super::numbers::{Signature, Values};
use crate::error::{Result, SandboxError, ValueDirection};
use crate::format::SerializationFormat;
use crate::marshal::export::{Export, ExportKind, Formats, Payload};
use crate::sys::identity;

/// Arguments, ready to go into the guest.
pub(crate) enum Arguments<'a> {
    /// One value for each parameter, and places for the results.
    Numbers(Values),
    /// Bytes for the exchange area, and the format that values in this call are in.
    Exchange { input: Cow<'a, [u8]>, format: SerializationFormat },
    /// A chunk of a stream, or nothing at its end.
    Chunk(Option<bytes::Bytes>),
}

/// Arguments on their way into the guest, wherever they are kept. Numbers come back the same way.
pub(crate) enum CallBuffer<'a> {
    Numbers(&'a mut [RawValue]),
    Exchange { input: &'a [u8], format: SerializationFormat },
    Chunk(Option<&'a [u8]>),
}

impl CallBuffer<'_> {
    /// Number of bytes that go through the exchange area.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Numbers(_) | Self::Chunk(None) => 0,
            Self::Exchange { input, .. } => input.len() as u64,
            Self::Chunk(Some(chunk)) => chunk.len() as u64,
        }
    }
}

impl<'a> Arguments<'a> {
    /// Prepares the arguments by the function's own signature.
    ///
    /// Bytes and text are borrowed from `arguments`; nothing is copied yet.
    pub(crate) fn prepare<T: Serialize>(
        export: &Export,
        arguments: &'a T,
        format: SerializationFormat,
        formats: Formats,
    ) -> Result<Self> {
        let declared = match &export.kind {
            ExportKind::Numbers(signature) => {
                return signature
                    .to_values(arguments)
                    .map(Self::Numbers)
                    .map_err(|mismatch| signature_mismatch(export, mismatch.into_words()));
            }
            ExportKind::Declared(declared) => declared,
        };
        if [declared.input, declared.output].contains(&Payload::Value) && !formats.contains(format)
        {
            return Err(signature_mismatch(
                export,
                format!("values in {format}, which the guest was not built with"),
            ));
        }
        let input = match declared.input {
            Payload::Unit => {
                Signature::nothing()
                    .to_values(arguments)
                    .map_err(|mismatch| signature_mismatch(export, mismatch.into_words()))?;
                Cow::Borrowed(&[][..])
            }
            Payload::Bytes => identity::as_bytes(arguments)
                .map(Cow::Borrowed)
                .ok_or_else(|| not_of_type::<T>(export))?,
            Payload::Text => identity::as_text(arguments)
                .map(|text| Cow::Borrowed(text.as_bytes()))
                .ok_or_else(|| not_of_type::<T>(export))?,
            Payload::Stream => {
                let given = "called without a stream; use a `StreamingSandbox`".to_owned();
                return Err(signature_mismatch(export, given));
            }
            Payload::Value => format.encode(arguments).map(Cow::Owned).map_err(|message| {
                SandboxError::Undecodable {
                    function: export.name.clone(),
                    direction: ValueDirection::EncodeArguments,
                    message,
                }
            })?,
        };
        Ok(Self::Exchange { input, format })
    }

    /// Lets go of what has been given to the guest. Numbers stay, since results come in their places.
    pub(crate) fn drop_input(&mut self) {
        match self {
            Self::Numbers(_) => {}
            Self::Exchange { input, .. } => *input = Cow::Borrowed(&[]),
            Self::Chunk(chunk) => *chunk = None,
        }
    }

    /// The way into the guest for one call.
    pub(crate) fn call_buffer(&mut self) -> CallBuffer<'_> {
        match self {
            Self::Numbers(values) => CallBuffer::Numbers(values),
            Self::Exchange { input, format } => CallBuffer::Exchange { input, format: *format },
            Self::Chunk(chunk) => CallBuffer::Chunk(chunk.as_deref()),
        }
    }

    /// Copies what is borrowed.
    pub(crate) fn into_owned(self) -> Arguments<'static> {
        match self {
            Self::Numbers(values) => Arguments::Numbers(values),
            Self::Chunk(chunk) => Arguments::Chunk(chunk),
            Self::Exchange { input, format } => {
                Arguments::Exchange { input: Cow::Owned(input.into_owned()), format }
            }
        }
    }
}

/// The error for arguments or a result that do not fit the function.
pub(crate) fn signature_mismatch(export: &Export, given: String) -> SandboxError {
    SandboxError::SignatureMismatch {
        function: export.name.clone(),
        expected: export.signature(),
        given,
    }
}

fn not_of_type<T>(export: &Export) -> SandboxError {
    signature_mismatch(export, std::any::type_name::<T>().to_owned())
}
