//! From what the function returned to what the caller asked for.

use std::any::Any;

use bytes::Bytes;
use wasmer_types::RawValue;

use super::arguments::{is_encoded, no_format, signature_mismatch};
use super::convert::FromGuest;
use super::numbers::Signature;
use super::unencoded::{Unfit, reading};
use crate::error::{CallResult, SandboxError, Side};
use crate::format::SerializationFormat;
use crate::marshal::export::{Export, Payload};

/// The result of a function that returns numbers.
#[inline]
pub(crate) fn from_numbers<R: FromGuest>(
    export: &Export,
    signature: &Signature,
    values: &[RawValue],
) -> CallResult<R> {
    no_format(export, R::FORMAT)?;
    signature
        .read_result(values)
        .map(R::from_returned)
        .map_err(|mismatch| signature_mismatch(export, mismatch.into_words()).into())
}

/// The result of a function that returns nothing.
pub(crate) fn from_nothing<R: FromGuest>(export: &Export) -> CallResult<R> {
    from_numbers(export, &Signature::nothing(), &[])
}

/// The result that a function left in the exchange area.
pub(crate) fn from_output<R: FromGuest>(
    export: &Export,
    payload: Payload,
    output: &[u8],
    format: SerializationFormat,
    value_limit_bytes: u64,
) -> CallResult<R> {
    let undecodable = |message: String| {
        Box::new(SandboxError::Undecodable {
            function: export.name.clone(),
            side: Side::Host,
            message,
            call: Box::default(),
        })
    };
    let unfit = |unfit: Unfit| match unfit {
        Unfit::OtherKind => not_of_type::<R>(export).into(),
        Unfit::Refused(message) => undecodable(message),
    };
    if payload == Payload::Unit {
        return from_nothing(export);
    }
    let returned = if is_encoded(payload, R::FORMAT) {
        if output.len() as u64 > value_limit_bytes {
            return Err(Box::new(SandboxError::ValueTooLarge {
                function: export.name.clone(),
                size_bytes: output.len() as u64,
                limit_bytes: value_limit_bytes,
                call: Box::default(),
            }));
        }
        format.decode(output).map_err(undecodable)
    } else if payload == Payload::Text {
        no_format(export, R::FORMAT)?;
        let text = std::str::from_utf8(output).map_err(|error| undecodable(error.to_string()))?;
        match same_type(|| text.to_owned()) {
            Some(text) => Ok(text),
            None => reading::from_text(text).map_err(unfit),
        }
    } else {
        match same_type(|| output.to_vec()).or_else(|| same_type(|| Bytes::copy_from_slice(output)))
        {
            Some(bytes) => Ok(bytes),
            None => reading::from_bytes(output).map_err(unfit),
        }
    };
    returned.map(R::from_returned)
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
