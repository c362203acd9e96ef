//! Values of scripts: numbers that are passed, and patterns that results have to fit.

use sandbox_core::TrapCode;
use wast::core::{NanPattern, V128Const, V128Pattern, WastArgCore, WastRetCore};
use wast::{WastArg, WastRet};

use crate::numbers::{Number, Numbers};

fn halves(bytes: [u8; 16]) -> [i64; 2] {
    let half = |at: usize| i64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
    [half(0), half(8)]
}

/// Arguments, if all of them are numbers. A vector is two (`lanes`).
pub(super) fn arguments(arguments: &[WastArg<'_>]) -> Option<Numbers> {
    let mut numbers = Vec::new();
    for argument in arguments {
        let WastArg::Core(argument) = argument else { return None };
        match argument {
            WastArgCore::I32(number) => numbers.push(Number::I32(*number)),
            WastArgCore::I64(number) => numbers.push(Number::I64(*number)),
            WastArgCore::F32(float) => numbers.push(Number::F32(float.bits)),
            WastArgCore::F64(float) => numbers.push(Number::F64(float.bits)),
            WastArgCore::V128(vector) => numbers.extend(lanes_of(vector).map(Number::I64)),
            _ => return None,
        }
    }
    Some(Numbers(numbers))
}

fn lanes_of(vector: &V128Const) -> [i64; 2] {
    halves(vector.to_le_bytes())
}

/// Pattern that results have to fit: for each a number of ways, of which one has to fit.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Vec<Wanted>>);

#[derive(Debug, Clone)]
enum Wanted {
    I32(i32),
    I64(i64),
    F32(Float),
    F64(Float),
    I8x16([i8; 16]),
    I16x8([i16; 8]),
    I32x4([i32; 4]),
    I64x2([i64; 2]),
    F32x4(Vec<Float>),
    F64x2(Vec<Float>),
}

#[derive(Debug, Clone, Copy)]
enum Float {
    Bits(u64),
    CanonicalNan,
    ArithmeticNan,
}

impl Float {
    fn fits_f32(self, bits: u32) -> bool {
        match self {
            Self::Bits(wanted) => u64::from(bits) == wanted,
            Self::CanonicalNan => bits & 0x7fff_ffff == 0x7fc0_0000,
            Self::ArithmeticNan => bits & 0x7fc0_0000 == 0x7fc0_0000,
        }
    }

    fn fits_f64(self, bits: u64) -> bool {
        match self {
            Self::Bits(wanted) => bits == wanted,
            Self::CanonicalNan => bits & !(1 << 63) == 0x7ff8_0000_0000_0000,
            Self::ArithmeticNan => bits & 0x7ff8_0000_0000_0000 == 0x7ff8_0000_0000_0000,
        }
    }
}

fn float<T>(pattern: &NanPattern<T>, bits: impl Fn(&T) -> u64) -> Float {
    match pattern {
        NanPattern::CanonicalNan => Float::CanonicalNan,
        NanPattern::ArithmeticNan => Float::ArithmeticNan,
        NanPattern::Value(value) => Float::Bits(bits(value)),
    }
}

impl Wanted {
    fn of(result: &WastRetCore<'_>) -> Option<Vec<Self>> {
        Some(vec![match result {
            WastRetCore::I32(number) => Self::I32(*number),
            WastRetCore::I64(number) => Self::I64(*number),
            WastRetCore::F32(pattern) => Self::F32(float(pattern, |value| value.bits.into())),
            WastRetCore::F64(pattern) => Self::F64(float(pattern, |value| value.bits)),
            WastRetCore::V128(vector) => match vector {
                V128Pattern::I8x16(lanes) => Self::I8x16(*lanes),
                V128Pattern::I16x8(lanes) => Self::I16x8(*lanes),
                V128Pattern::I32x4(lanes) => Self::I32x4(*lanes),
                V128Pattern::I64x2(lanes) => Self::I64x2(*lanes),
                V128Pattern::F32x4(lanes) => Self::F32x4(
                    lanes.iter().map(|lane| float(lane, |value| value.bits.into())).collect(),
                ),
                V128Pattern::F64x2(lanes) => {
                    Self::F64x2(lanes.iter().map(|lane| float(lane, |value| value.bits)).collect())
                }
            },
            WastRetCore::Either(ways) => {
                let ways = ways.iter().map(Self::of).collect::<Option<Vec<_>>>()?;
                return Some(ways.concat());
            }
            _ => return None,
        }])
    }

    /// Whether the first of the numbers are what is wanted. Returns how many were looked at.
    fn fits(&self, numbers: &[Number]) -> Option<usize> {
        let fits = match (self, numbers) {
            (Self::I32(wanted), [Number::I32(number), ..]) => wanted == number,
            (Self::I64(wanted), [Number::I64(number), ..]) => wanted == number,
            (Self::F32(wanted), [Number::F32(bits), ..]) => wanted.fits_f32(*bits),
            (Self::F64(wanted), [Number::F64(bits), ..]) => wanted.fits_f64(*bits),
            (vector, [Number::I64(low), Number::I64(high), ..]) => {
                let mut bytes = [0; 16];
                bytes[..8].copy_from_slice(&low.to_le_bytes());
                bytes[8..].copy_from_slice(&high.to_le_bytes());
                return vector.fits_lanes(bytes).then_some(2);
            }
            _ => false,
        };
        fits.then_some(1)
    }

    fn fits_lanes(&self, bytes: [u8; 16]) -> bool {
        fn lanes<const N: usize, const LANES: usize>(bytes: [u8; 16]) -> [[u8; N]; LANES] {
            std::array::from_fn(|lane| std::array::from_fn(|byte| bytes[lane * N + byte]))
        }
        match self {
            Self::I8x16(wanted) => lanes::<1, 16>(bytes).map(i8::from_le_bytes) == *wanted,
            Self::I16x8(wanted) => lanes::<2, 8>(bytes).map(i16::from_le_bytes) == *wanted,
            Self::I32x4(wanted) => lanes::<4, 4>(bytes).map(i32::from_le_bytes) == *wanted,
            Self::I64x2(wanted) => lanes::<8, 2>(bytes).map(i64::from_le_bytes) == *wanted,
            Self::F32x4(wanted) => {
                let lanes = lanes::<4, 4>(bytes).map(u32::from_le_bytes);
                wanted.iter().zip(lanes).all(|(wanted, bits)| wanted.fits_f32(bits))
            }
            Self::F64x2(wanted) => {
                let lanes = lanes::<8, 2>(bytes).map(u64::from_le_bytes);
                wanted.iter().zip(lanes).all(|(wanted, bits)| wanted.fits_f64(bits))
            }
            _ => false,
        }
    }
}

impl Pattern {
    /// The pattern of results, if all of them are numbers.
    pub(super) fn of(results: &[WastRet<'_>]) -> Option<Self> {
        let ways = results.iter().map(|result| match result {
            WastRet::Core(result) => Wanted::of(result),
            _ => None,
        });
        Some(Self(ways.collect::<Option<_>>()?))
    }

    pub(super) fn fits(&self, Numbers(numbers): &Numbers) -> bool {
        let mut rest = &numbers[..];
        for ways in &self.0 {
            match ways.iter().find_map(|wanted| wanted.fits(rest)) {
                Some(count) => rest = &rest[count..],
                None => return false,
            }
        }
        rest.is_empty()
    }
}

/// Whether a trap is the one that a script expects, by the specification's words.
pub(super) fn is_trap(code: TrapCode, message: &str) -> bool {
    let begins = |words: &[&str]| words.iter().any(|word| message.starts_with(word));
    match code {
        TrapCode::MemoryOutOfBounds => begins(&["out of bounds memory access"]),
        TrapCode::TableOutOfBounds => {
            begins(&["out of bounds table access", "undefined element", "undefined"])
        }
        TrapCode::IndirectCallToNull => begins(&[
            "uninitialized element",
            "uninitialized",
            "undefined element",
            "null function",
        ]),
        TrapCode::BadSignature => begins(&["indirect call type mismatch"]),
        TrapCode::IntegerOverflow => begins(&["integer overflow"]),
        TrapCode::IntegerDivisionByZero => begins(&["integer divide by zero"]),
        TrapCode::BadConversionToInteger => {
            begins(&["invalid conversion to integer", "integer overflow"])
        }
        TrapCode::Unreachable => begins(&["unreachable"]),
        TrapCode::UnalignedAtomic => begins(&["unaligned atomic"]),
        TrapCode::WaitOnUnsharedMemory => begins(&["expected shared memory"]),
        TrapCode::StackOverflow => begins(&["call stack exhausted"]),
        _ => false,
    }
}
