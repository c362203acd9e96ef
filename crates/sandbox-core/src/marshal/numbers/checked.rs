//! Numbers as values of the types that a function takes, each looked at.

use wasmer::Type;
use wasmer_types::RawValue;

use super::Mismatch;
use super::serializer::{Given, Sink};

/// Writes numbers as the values of a function's parameters.
pub(super) struct Checked<'a> {
    types: &'a [Type],
    values: &'a mut [RawValue],
    written: usize,
}

impl<'a> Checked<'a> {
    /// Writes to `values`, which are at least as many as `types`.
    pub(super) fn new(types: &'a [Type], values: &'a mut [RawValue]) -> Self {
        Self { types, values, written: 0 }
    }

    /// Whether there was a number for each parameter.
    pub(super) fn finish(self) -> Result<(), Mismatch> {
        if self.written == self.types.len() {
            Ok(())
        } else {
            Err(Mismatch::because(format_args!("{} arguments", self.written)))
        }
    }
}

impl Sink for Checked<'_> {
    fn put(&mut self, number: Given) -> Result<(), Mismatch> {
        let (Some(ty), Some(value)) =
            (self.types.get(self.written), self.values.get_mut(self.written))
        else {
            let most = self.types.len();
            return Err(Mismatch::because(format_args!("more than {most} arguments")));
        };
        *value = match number {
            Given::I32(number) => signed(number.into(), *ty),
            Given::I64(number) => signed(number, *ty),
            Given::U32(number) => unsigned(number.into(), *ty),
            Given::U64(number) => unsigned(number, *ty),
            Given::F32(number) => match ty {
                Type::F32 => Ok(number.into()),
                Type::F64 => Ok(f64::from(number).into()),
                other => Err(for_parameter("an f32", *other)),
            },
            Given::F64(number) => match ty {
                Type::F64 => Ok(number.into()),
                other => Err(for_parameter("an f64", *other)),
            },
        }?;
        self.written += 1;
        Ok(())
    }
}

/// A number of a signed type, which fits what a signed integer of the parameter's size can hold.
fn signed(number: i64, ty: Type) -> Result<RawValue, Mismatch> {
    match ty {
        Type::I64 => Ok(number.into()),
        Type::I32 => i32::try_from(number).map(RawValue::from).map_err(|_| too_large(&number)),
        other => Err(for_parameter("an integer", other)),
    }
}

/// A number of an unsigned type, which fits what an unsigned integer of the parameter's size can hold.
fn unsigned(number: u64, ty: Type) -> Result<RawValue, Mismatch> {
    match ty {
        Type::I64 => Ok(number.cast_signed().into()),
        Type::I32 => u32::try_from(number)
            .map(|number| RawValue::from(number.cast_signed()))
            .map_err(|_| too_large(&number)),
        other => Err(for_parameter("an integer", other)),
    }
}

fn too_large(number: &dyn std::fmt::Display) -> Mismatch {
    Mismatch::because(format_args!("{number}, which no i32 can hold"))
}

fn for_parameter(what: &str, ty: Type) -> Mismatch {
    Mismatch::because(format_args!("{what} for a parameter of type {ty}"))
}
