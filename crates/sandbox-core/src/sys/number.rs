//! Wasm values as Wasmer passes them in memory, where their type is known from elsewhere.
#![expect(unsafe_code, reason = "reads a union")]

use wasmer::Type;
use wasmer_types::RawValue;

/// Value of a call, by its type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    I32(i32),
    I64(i64),
    F32(f32),
    F64(f64),
    /// Something that is not a number, or of 128 bits.
    Other(Type),
}

impl Number {
    /// Reads a value of that type.
    #[inline]
    pub(crate) fn read(ty: Type, value: &RawValue) -> Self {
        // SAFETY: every bit pattern is a number of each of these types. All bytes of the value are initialised: places
        // begin as `ZERO`, arguments are made with the bytes around them zeroed, and what guests write they write whole.
        unsafe {
            match ty {
                Type::I32 => Self::I32(value.i32),
                Type::I64 => Self::I64(value.i64),
                Type::F32 => Self::F32(value.f32),
                Type::F64 => Self::F64(value.f64),
                other => Self::Other(other),
            }
        }
    }

    pub(crate) fn ty(self) -> Type {
        match self {
            Self::I32(_) => Type::I32,
            Self::I64(_) => Type::I64,
            Self::F32(_) => Type::F32,
            Self::F64(_) => Type::F64,
            Self::Other(ty) => ty,
        }
    }
}

/// A place for a value, before there is one.
pub(crate) const ZERO: RawValue = RawValue { u128: 0 };
