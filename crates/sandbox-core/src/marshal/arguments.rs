//! From the caller's arguments to what the function takes.

use std::borrow::Cow;

use wasmer_types::RawValue;

use super::convert::IntoGuest;
use super::elements::InElements;
use super::numbers::{Mismatch, Signature, Values};
use super::unencoded::{Unfit, writing};
use crate::error::{Result, SandboxError, Side};
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

    /// The format that values of the call are in; nothing where there are none.
    pub(crate) fn format(&self) -> Option<SerializationFormat> {
        match self {
            Self::Exchange { format, .. } => Some(*format),
            Self::Numbers(_) | Self::Chunk(_) => None,
        }
    }
}

impl<'a> Arguments<'a> {
    /// Prepares the arguments by the function's own signature.
    ///
    /// Bytes and text are borrowed from `arguments`; nothing is copied yet, where they are of a usual type.
    pub(crate) fn prepare<T: IntoGuest>(
        export: &Export,
        arguments: &'a T,
        format: SerializationFormat,
        formats: Formats,
    ) -> Result<Self> {
        let mismatch = |mismatch: Mismatch| signature_mismatch(export, mismatch.into_words());
        let declared = match &export.kind {
            ExportKind::Numbers(signature) => {
                no_format(export, T::FORMAT)?;
                return signature
                    .to_values(arguments.passed())
                    .map(Self::Numbers)
                    .map_err(mismatch);
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
        let arguments = arguments.passed();
        let unencodable = |message: String| SandboxError::Unencodable {
            function: export.name.clone(),
            side: Side::Host,
            message,
            call: Box::default(),
        };
        let unfit = |unfit: Unfit| match unfit {
            Unfit::OtherKind => not_of_type::<T>(export),
            Unfit::Refused(message) => unencodable(message),
        };
        let input = match declared.input {
            Payload::Unit => {
                Signature::nothing().to_values(arguments).map_err(mismatch)?;
                Cow::Borrowed(&[][..])
            }
            Payload::Stream => {
                let given = "called without a stream; use a `StreamingSandbox`".to_owned();
                return Err(signature_mismatch(export, given));
            }
            payload if is_encoded(payload, T::FORMAT) => {
                format.encode(&InElements(arguments)).map(Cow::Owned).map_err(unencodable)?
            }
            Payload::Text if T::FORMAT.is_some() => return Err(not_of_type::<T>(export)),
            Payload::Text => match identity::as_text(arguments) {
                Some(text) => Cow::Borrowed(text.as_bytes()),
                None => Cow::Owned(writing::text_of(arguments).map_err(unfit)?),
            },
            Payload::Bytes | Payload::Value => match identity::as_bytes(arguments) {
                Some(bytes) => Cow::Borrowed(bytes),
                None => Cow::Owned(writing::bytes_of(arguments).map_err(unfit)?),
            },
        };
        Ok(Self::Exchange { input, format })
    }

    /// The format that values of the call are in; nothing where there are none.
    pub(crate) fn format(&self) -> Option<SerializationFormat> {
        match self {
            Self::Exchange { format, .. } => Some(*format),
            Self::Numbers(_) | Self::Chunk(_) => None,
        }
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

/// Refuses a type that asks for a format where there is none.
///
/// # Errors
/// [`SandboxError::SignatureMismatch`]
#[inline]
pub(crate) fn no_format(export: &Export, asked: Option<SerializationFormat>) -> Result<()> {
    match asked {
        None => Ok(()),
        Some(format) => Err(signature_mismatch(export, format!("a value in {format}"))),
    }
}

/// Whether a value of a type that asks for that format, or none, travels encoded.
pub(super) fn is_encoded(payload: Payload, asked: Option<SerializationFormat>) -> bool {
    match payload {
        Payload::Value => true,
        Payload::Bytes => asked.is_some(),
        Payload::Text => asked == Some(SerializationFormat::Json),
        Payload::Unit | Payload::Stream => false,
    }
}

fn not_of_type<T>(export: &Export) -> SandboxError {
    signature_mismatch(export, std::any::type_name::<T>().to_owned())
}
