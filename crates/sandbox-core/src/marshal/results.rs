//! From what the function returned to what the caller asked for.

use std::any::Any;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use wasmer_types::RawValue;

use super::arguments::signature_mismatch;
use super::numbers::Signature;
use crate::error::{CallResult, SandboxError, ValueDirection};
use crate::format::SerializationFormat;
use crate::marshal::export::{Export, Payload};

/// The result of a function that returns numbers.
#[inline]
pub(crate) fn from_numbers<R: DeserializeOwned>(
    export: &Export,
    signature: &Signature,
    values: &[RawValue],
) -> CallResult<R> {
    signature
        .read_result(values)
        .map_err(|mismatch| signature_mismatch(export, mismatch.into_words()).into())
}

/// The result of a function that returns nothing.
pub(crate) fn from_nothing<R: DeserializeOwned>(export: &Export) -> CallResult<R> {
    from_numbers(export, &Signature::nothing(), &[])
}

/// The result that a function left in the exchange area.
pub(crate) fn from_output<R: DeserializeOwned + 'static>(
    export: &Export,
    payload: Payload,
    output: &[u8],
    format: SerializationFormat,
    value_limit_bytes: u64,
) -> CallResult<R> {
    let undecodable = |message: String| {
        Box::new(SandboxError::Undecodable {
            function: export.name.clone(),
            direction: ValueDirection::DecodeResult,
            message,
        })
    };
    match payload {
        Payload::Value if output.len() as u64 > value_limit_bytes => {
            Err(Box::new(SandboxError::ValueTooLarge {
                function: export.name.clone(),
                size_bytes: output.len() as u64,
                limit_bytes: value_limit_bytes,
            }))
        }
        Payload::Value => format.decode(output).map_err(undecodable),
        Payload::Unit => from_nothing(export),
        Payload::Bytes | Payload::Stream => same_type::<R, _>(|| output.to_vec())
            .or_else(|| same_type::<R, _>(|| Bytes::copy_from_slice(output)))
            .ok_or_else(|| not_of_type::<R>(export).into()),
        Payload::Text => {
            let text =
                std::str::from_utf8(output).map_err(|error| undecodable(error.to_string()))?;
            same_type::<R, _>(|| text.to_owned()).ok_or_else(|| not_of_type::<R>(export).into())
        }
    }
}

/// Calls `make` and returns its result, if `R` and `T` are the same type; else it is not called.
pub(crate) fn same_type<R: 'static, T: 'static>(make: impl FnOnce() -> T) -> Option<R> {
    let mut slot: Option<R> = None;
    if let Some(slot) = (&mut slot as &mut dyn Any).downcast_mut::<Option<T>>() {
        *slot = Some(make());
    }
    slot
}

fn not_of_type<R>(export: &Export) -> SandboxError {
    signature_mismatch(export, format!("{} asked for as the result", std::any::type_name::<R>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_made_only_for_its_own_type() {
        assert_eq!(same_type::<Vec<u8>, _>(|| vec![1u8]), Some(vec![1u8]));
        assert_eq!(same_type::<String, _>(|| -> Vec<u8> { panic!("made for nobody") }), None);
    }
}
