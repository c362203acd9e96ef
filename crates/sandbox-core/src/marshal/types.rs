//! Types of WebAssembly, as this library names them.

use std::fmt;

use wasmer::Type;

/// Type of a number that guests take and return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NumberType {
    /// An integer of 32 bits, with or without a sign.
    I32,
    /// An integer of 64 bits, with or without a sign.
    I64,
    /// A float of 32 bits.
    F32,
    /// A float of 64 bits.
    F64,
}

/// Type of a value in a module: of a parameter, a result or a global.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ValueType {
    /// A number that the host can pass and get.
    Number(NumberType),
    /// A vector of 128 bits.
    Vector,
    /// A reference to a function, an exception or something of the host.
    Reference,
}

impl NumberType {
    /// The type in Wasmer's terms.
    pub(crate) const fn of_wasmer(self) -> Type {
        match self {
            Self::I32 => Type::I32,
            Self::I64 => Type::I64,
            Self::F32 => Type::F32,
            Self::F64 => Type::F64,
        }
    }
}

impl ValueType {
    pub(crate) const fn from_wasmer(ty: Type) -> Self {
        match ty {
            Type::I32 => Self::Number(NumberType::I32),
            Type::I64 => Self::Number(NumberType::I64),
            Type::F32 => Self::Number(NumberType::F32),
            Type::F64 => Self::Number(NumberType::F64),
            Type::V128 => Self::Vector,
            Type::ExternRef | Type::FuncRef | Type::ExceptionRef => Self::Reference,
        }
    }
}

impl fmt::Display for NumberType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
        })
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Vector => f.pad("v128"),
            Self::Reference => f.pad("reference"),
        }
    }
}
