//! Numbers: what of Rust fits into a Wasm register, and how.

/// A type that travels in a Wasm register.
///
/// Wasm has integers of 32 and 64 bits, without signs. Unsigned types travel as the signed one of
/// the same size, smaller ones as `i32`; from there, a value that does not fit is refused by a panic
/// rather than cut off.
pub trait Number {
    /// The type of the register.
    type Register;

    /// Reads the value from a register.
    fn from_register(register: Self::Register) -> Self;

    /// Writes the value to a register.
    fn into_register(self) -> Self::Register;
}

macro_rules! as_it_is {
    ($($number:ty),*) => {$(
        impl Number for $number {
            type Register = $number;

            fn from_register(register: $number) -> $number {
                register
            }

            fn into_register(self) -> $number {
                self
            }
        }
    )*};
}

macro_rules! same_size {
    ($($number:ty => $register:ty),*) => {$(
        impl Number for $number {
            type Register = $register;

            fn from_register(register: $register) -> $number {
                register.cast_unsigned()
            }

            fn into_register(self) -> $register {
                self.cast_signed()
            }
        }
    )*};
}

macro_rules! smaller {
    ($($number:ty),*) => {$(
        impl Number for $number {
            type Register = i32;

            fn from_register(register: i32) -> $number {
                match <$number>::try_from(register) {
                    Ok(number) => number,
                    Err(_) => panic!("the argument {register} does not fit into {}", stringify!($number)),
                }
            }

            fn into_register(self) -> i32 {
                self.into()
            }
        }
    )*};
}

as_it_is!(i32, i64, f32, f64);
same_size!(u32 => i32, u64 => i64);
smaller!(i8, i16, u8, u16);

impl Number for bool {
    type Register = i32;

    fn from_register(register: i32) -> bool {
        match register {
            0 => false,
            1 => true,
            _ => panic!("the argument {register} is neither 0 nor 1"),
        }
    }

    fn into_register(self) -> i32 {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsigned_numbers_keep_their_bits() {
        assert_eq!(u32::MAX.into_register(), -1);
        assert_eq!(u32::from_register(-1), u32::MAX);
        assert_eq!(u64::from_register(i64::MIN), 1 << 63);
    }

    #[test]
    fn small_numbers_keep_their_value() {
        assert_eq!(i8::from_register((-128i8).into_register()), -128);
        assert_eq!(u16::from_register(65_535), 65_535);
        assert!(bool::from_register(true.into_register()));
    }

    #[test]
    #[should_panic(expected = "256 does not fit into u8")]
    fn a_number_that_does_not_fit_is_refused() {
        u8::from_register(256);
    }

    #[test]
    #[should_panic(expected = "2 is neither 0 nor 1")]
    fn a_bool_is_zero_or_one() {
        bool::from_register(2);
    }
}
