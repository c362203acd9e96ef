//! Whether types fit a function, as far as types alone can tell: before it is called.
//!
//! Of a result's type that is found out by reading one from zeros, or from empty text: whatever it refuses because of what there is, and not
//! because of which number it is, does not fit. Arguments cannot be had out of nothing. So of their types those are known
//! that are numbers, up to three of them, bytes and text; the others are looked at when a function is called.

use std::any::{TypeId, type_name};

use bytes::Bytes;
use wasmer::Type;

use super::arguments::{is_encoded, no_format, signature_mismatch};
use super::convert::{FromGuest, IntoGuest};
use super::export::{Export, ExportKind, Payload, Payloads};
use super::numbers::Signature;
use super::unencoded::{Unfit, reading};
use crate::error::Result;

/// Knowledge of the type of arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    Numbers(&'static [Kind]),
    Bytes,
    Text,
}

/// Kind of a number. An integer fits a parameter by its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer,
    Float,
    Double,
}

impl Kind {
    fn fits(self, parameter: Type) -> bool {
        match parameter {
            Type::I32 | Type::I64 => self == Self::Integer,
            Type::F32 => self == Self::Float,
            Type::F64 => self != Self::Integer,
            _ => false,
        }
    }
}

trait Number {
    const KIND: Kind;
}

macro_rules! kinds {
    ($($ty:ty => $kind:ident),+) => {
        $(impl Number for $ty { const KIND: Kind = Kind::$kind; })+
    };
}

kinds!(
    i8 => Integer, i16 => Integer, i32 => Integer, i64 => Integer, u8 => Integer, u16 => Integer, u32 => Integer,
    u64 => Integer, bool => Integer, f32 => Float, f64 => Double
);

/// Refuses types that cannot be the arguments and the result of a function, whatever their values are.
///
/// # Errors
/// [`SandboxError::SignatureMismatch`](crate::SandboxError::SignatureMismatch)
pub(crate) fn check<A: IntoGuest, R: FromGuest>(export: &Export) -> Result<()> {
    let arguments =
        || signature_mismatch(export, format!("arguments of type {}", type_name::<A>()));
    let result =
        || signature_mismatch(export, format!("{} asked for as the result", type_name::<R>()));
    let given = given(typeid::of::<A::Passed>());
    match &export.kind {
        ExportKind::Numbers(signature) => {
            no_format(export, A::FORMAT.or(R::FORMAT))?;
            if !may_be_passed(given, signature) {
                return Err(arguments());
            }
            if !may_be_read::<R>(signature) {
                return Err(result());
            }
        }
        ExportKind::Declared(Payloads { input, output }) => {
            let is_value_as_text =
                |asked: Option<_>, payload| asked.is_some() && payload == Payload::Text;
            if !is_encoded(*input, A::FORMAT)
                && (is_value_as_text(A::FORMAT, *input) || !may_be_sent(given, *input))
            {
                return Err(arguments());
            }
            if !is_encoded(*output, R::FORMAT)
                && (is_value_as_text(R::FORMAT, *output) || !may_be_received::<R>(*output))
            {
                return Err(result());
            }
        }
    }
    Ok(())
}

fn may_be_passed(given: Option<Given>, signature: &Signature) -> bool {
    let parameters = signature.ty().params();
    match given {
        None => true,
        Some(Given::Bytes | Given::Text) => false,
        Some(Given::Numbers(kinds)) => {
            kinds.len() == parameters.len()
                && kinds.iter().zip(parameters).all(|(kind, parameter)| kind.fits(*parameter))
        }
    }
}

fn may_be_read<R: FromGuest>(signature: &Signature) -> bool {
    let zeros = signature.zeros();
    !signature.read_result::<R::Returned>(&zeros).is_err_and(|mismatch| mismatch.is_of_types())
}

fn may_be_sent(given: Option<Given>, input: Payload) -> bool {
    match (input, given) {
        (_, None) | (Payload::Value, _) => true,
        (Payload::Bytes, Some(given)) => given == Given::Bytes,
        (Payload::Text, Some(given)) => given == Given::Text,
        (Payload::Unit, Some(given)) => given == Given::Numbers(&[]),
        (Payload::Stream, Some(_)) => false,
    }
}

fn may_be_received<R: FromGuest>(output: Payload) -> bool {
    let read: Result<(), Unfit> = match output {
        Payload::Value => return true,
        Payload::Unit => return may_be_read::<R>(&Signature::nothing()),
        Payload::Text => reading::from_text::<R::Returned>("").map(drop),
        Payload::Bytes | Payload::Stream => reading::from_bytes::<R::Returned>(b"\0").map(drop),
    };
    read != Err(Unfit::OtherKind)
}

/// Returns what is known of the type with that identity.
fn given(id: TypeId) -> Option<Given> {
    macro_rules! tuple {
        ($($ty:ident)*) => {
            if id == TypeId::of::<($($ty,)*)>() {
                return Some(Given::Numbers(&[$(<$ty as Number>::KIND),*]));
            }
        };
    }
    macro_rules! with_one_more {
        ($then:ident $($ty:ident)*) => {
            $then!($($ty)* i32);
            $then!($($ty)* i64);
            $then!($($ty)* u32);
            $then!($($ty)* u64);
            $then!($($ty)* f32);
            $then!($($ty)* f64);
        };
    }
    macro_rules! of_two {
        ($($ty:ident)*) => { with_one_more!(tuple $($ty)*); };
    }
    macro_rules! of_three {
        ($($ty:ident)*) => { with_one_more!(of_two $($ty)*); };
    }
    macro_rules! single {
        ($($ty:ty),+) => {
            $(if id == TypeId::of::<$ty>() {
                return Some(Given::Numbers(&[<$ty as Number>::KIND]));
            })+
        };
    }

    let is = |types: &[TypeId]| types.contains(&id);
    if is(&[
        typeid::of::<&str>(),
        typeid::of::<String>(),
        typeid::of::<&String>(),
        typeid::of::<Box<str>>(),
        typeid::of::<std::borrow::Cow<'_, str>>(),
        typeid::of::<std::sync::Arc<str>>(),
    ]) {
        return Some(Given::Text);
    }
    if is(&[
        typeid::of::<&[u8]>(),
        typeid::of::<Vec<u8>>(),
        typeid::of::<&Vec<u8>>(),
        typeid::of::<Box<[u8]>>(),
        typeid::of::<Bytes>(),
        typeid::of::<&Bytes>(),
        typeid::of::<std::borrow::Cow<'_, [u8]>>(),
        typeid::of::<std::sync::Arc<[u8]>>(),
    ]) {
        return Some(Given::Bytes);
    }
    if id == TypeId::of::<()>() {
        return Some(Given::Numbers(&[]));
    }
    single!(i8, i16, i32, i64, u8, u16, u32, u64, bool, f32, f64);
    with_one_more!(tuple);
    with_one_more!(of_two);
    with_one_more!(of_three);
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmer::FunctionType;

    #[test]
    fn numbers_alone_and_in_tuples_are_known() {
        use Kind::{Double, Float, Integer};
        assert_eq!(given(TypeId::of::<()>()), Some(Given::Numbers(&[])));
        assert_eq!(given(TypeId::of::<u16>()), Some(Given::Numbers(&[Integer])));
        assert_eq!(given(TypeId::of::<(f32,)>()), Some(Given::Numbers(&[Float])));
        assert_eq!(given(TypeId::of::<(i32, f64)>()), Some(Given::Numbers(&[Integer, Double])));
        assert_eq!(
            given(TypeId::of::<(u64, f32, f64)>()),
            Some(Given::Numbers(&[Integer, Float, Double]))
        );
        assert_eq!(given(TypeId::of::<(i32, i32, i32, i32)>()), None);
        assert_eq!(given(TypeId::of::<Vec<i32>>()), None);
    }

    #[test]
    fn results_fit_by_their_type_and_not_by_their_value() {
        let returning = |results: &[Type]| Signature::new(FunctionType::new([], results));
        assert!(may_be_read::<i32>(&returning(&[Type::I32])));
        assert!(may_be_read::<u8>(&returning(&[Type::I64])));
        // Zero is none of them, and another number may be.
        assert!(may_be_read::<std::num::NonZeroU32>(&returning(&[Type::I32])));
        assert!(may_be_read::<(i32, f64)>(&returning(&[Type::I32, Type::F64])));
        assert!(may_be_read::<serde_json::Value>(&returning(&[Type::I32, Type::F64])));
        assert!(may_be_read::<()>(&returning(&[])));
        assert!(!may_be_read::<()>(&returning(&[Type::I32])));
        assert!(!may_be_read::<i32>(&returning(&[])));
        assert!(!may_be_read::<i32>(&returning(&[Type::F32])));
        assert!(!may_be_read::<(i32, i32)>(&returning(&[Type::I32])));
        assert!(!may_be_read::<String>(&returning(&[Type::I32])));
    }
}
