//! The numbers that host functions take and return.

use std::error::Error;

use wasmer::{Type, WasmTypeList};

/// Error that a host function returns.
pub(crate) type BoxedError = Box<dyn Error + Send + Sync>;

/// A number that a guest passes to a host function, or gets from one: `i32`, `u32`, `i64`, `u64`, `f32`, `f64`.
///
/// WebAssembly has integers without signs. A signed and an unsigned type of one size fit the same import.
pub trait HostNumber: sealed::Number {}

/// Result of a host function that goes to the guest: nothing, a number, or a tuple of two to four numbers.
pub trait HostNumbers: sealed::Numbers {}

/// Result of a host function's closure: numbers, or a `Result` of them.
///
/// An `Err` never reaches the guest. It ends the guest's call, and whoever made that gets it as the source of
/// [`SandboxError::HostFunctionFailed`](crate::SandboxError::HostFunctionFailed).
pub trait HostOutcome: sealed::Outcome {
    /// Numbers that the guest gets.
    type Numbers: HostNumbers;

    /// Separates what goes to the guest from what ends its call.
    #[doc(hidden)]
    fn into_numbers(self) -> Result<Self::Numbers, BoxedError>;
}

mod sealed {
    use wasmer::{FromToNativeWasmType, Type, WasmTypeList};

    pub trait Number: FromToNativeWasmType + 'static {
        const TYPE: Type;
    }

    pub trait Outcome {}

    pub trait Numbers: WasmTypeList + 'static {
        const TYPES: &'static [Type];
    }
}

pub(crate) use sealed::Number;

macro_rules! numbers {
    ($($number:ty => $ty:ident),*) => {$(
        impl sealed::Number for $number {
            const TYPE: Type = Type::$ty;
        }
        impl HostNumber for $number {}
        impl sealed::Numbers for $number {
            const TYPES: &'static [Type] = &[Type::$ty];
        }
        impl HostNumbers for $number {}
    )*};
}

macro_rules! tuples {
    ($(($($number:ident),*)),*) => {$(
        impl<$($number: HostNumber),*> sealed::Numbers for ($($number,)*)
        where
            ($($number,)*): WasmTypeList,
        {
            const TYPES: &'static [Type] = &[$(<$number as sealed::Number>::TYPE),*];
        }
        impl<$($number: HostNumber),*> HostNumbers for ($($number,)*) where ($($number,)*): WasmTypeList {}
    )*};
}

numbers!(i32 => I32, u32 => I32, i64 => I64, u64 => I64, f32 => F32, f64 => F64);
tuples!((), (A, B), (A, B, C), (A, B, C, D));

impl<T: HostNumbers> sealed::Outcome for T {}
impl<T: HostNumbers, E: Into<BoxedError>> sealed::Outcome for Result<T, E> {}

impl<T: HostNumbers> HostOutcome for T {
    type Numbers = T;

    fn into_numbers(self) -> Result<T, BoxedError> {
        Ok(self)
    }
}

impl<T: HostNumbers, E: Into<BoxedError>> HostOutcome for Result<T, E> {
    type Numbers = T;

    fn into_numbers(self) -> Result<T, BoxedError> {
        self.map_err(Into::into)
    }
}
