//! Causes of traps.

/// Why a guest trapped, in the terms of the WebAssembly specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrapCode {
    /// The guest used up its stack.
    StackOverflow,
    /// A load or store outside linear memory.
    MemoryOutOfBounds,
    /// An access outside a table.
    TableOutOfBounds,
    /// An indirect call of an empty table element.
    IndirectCallToNull,
    /// An indirect call with the wrong signature.
    BadSignature,
    /// Integer overflow.
    IntegerOverflow,
    /// Integer division by zero.
    IntegerDivisionByZero,
    /// A float that no integer can hold was converted to one.
    BadConversionToInteger,
    /// The `unreachable` instruction, which compilers emit for aborts.
    Unreachable,
    /// An unaligned atomic access.
    UnalignedAtomic,
    /// An atomic wait on a memory that no other thread shares, and so could never end.
    WaitOnUnsharedMemory,
    /// A WebAssembly exception that nobody caught.
    UncaughtException,
    /// Anything else.
    Other,
}

impl std::fmt::Display for TrapCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::StackOverflow => "call stack exhausted",
            Self::MemoryOutOfBounds => "out of bounds memory access",
            Self::TableOutOfBounds => "out of bounds table access",
            Self::IndirectCallToNull => "indirect call of an empty table element",
            Self::BadSignature => "indirect call with the wrong signature",
            Self::IntegerOverflow => "integer overflow",
            Self::IntegerDivisionByZero => "integer division by zero",
            Self::BadConversionToInteger => "invalid conversion to integer",
            Self::Unreachable => "unreachable code reached",
            Self::UnalignedAtomic => "unaligned atomic access",
            Self::WaitOnUnsharedMemory => "atomic wait on a memory that is not shared",
            Self::UncaughtException => "uncaught exception",
            Self::Other => "trap",
        })
    }
}
