//! Numbers whose Rust types are the types that a function takes, at the price of moving them.
//!
//! Which numbers a Rust type holds is known when the host is compiled, and which ones a function takes only when its
//! module is loaded. Looking at them one by one costs more than the call of a small function. So the types that come
//! are noted in one word, which the compiler makes a constant of, and compared with those of the function once.

use serde::Serialize;
use wasmer::Type;
use wasmer_types::RawValue;

use super::Mismatch;
use super::serializer::{Given, NumberSerializer, Sink};
use crate::sys::number::ZERO;

/// So many numbers have a shape.
pub(crate) const FEW: usize = 4;

/// The types of a few numbers in order: two bits for each, behind a bit that tells how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape(u16);

impl Shape {
    const EMPTY: Self = Self(1);

    /// The shape of values of these types, if it has one.
    pub(super) fn of(types: &[Type]) -> Option<Self> {
        if types.len() > FEW {
            return None;
        }
        types.iter().try_fold(Self::EMPTY, |shape, ty| {
            Some(match ty {
                Type::I32 => shape.and(0),
                Type::I64 => shape.and(1),
                Type::F32 => shape.and(2),
                Type::F64 => shape.and(3),
                _ => return None,
            })
        })
    }

    const fn and(self, ty: u16) -> Self {
        Self(self.0 << 2 | ty)
    }
}

/// Numbers as they were given, and their shape.
pub(super) struct Shaped {
    /// Zeros behind them.
    pub(super) values: [RawValue; FEW],
    pub(super) shape: Shape,
    count: usize,
}

impl Shaped {
    /// The numbers of the arguments, if they are nothing else, and few.
    #[inline]
    pub(super) fn from<T: Serialize>(arguments: &T) -> Option<Self> {
        let mut shaped = Self { values: [ZERO; FEW], shape: Shape::EMPTY, count: 0 };
        arguments.serialize(NumberSerializer(&mut shaped)).ok()?;
        Some(shaped)
    }
}

impl Sink for Shaped {
    #[inline]
    fn put(&mut self, number: Given) -> Result<(), Mismatch> {
        let Some(place) = self.values.get_mut(self.count) else {
            return Err(Mismatch::because(format_args!("many arguments")));
        };
        (*place, self.shape) = match number {
            Given::I32(number) => (number.into(), self.shape.and(0)),
            Given::U32(number) => (number.cast_signed().into(), self.shape.and(0)),
            Given::I64(number) => (number.into(), self.shape.and(1)),
            Given::U64(number) => (number.cast_signed().into(), self.shape.and(1)),
            Given::F32(number) => (number.into(), self.shape.and(2)),
            Given::F64(number) => (number.into(), self.shape.and(3)),
        };
        self.count += 1;
        Ok(())
    }
}
