//! Bytes and text of types that are not known beforehand, as they are.
//!
//! The usual types are recognised by their identity and never copied on the host's side. Those of others, and arrays, of
//! which there is a type for each length, go through serde: they have to be bytes or text all through, so a sequence of
//! `u64`, a number or a structure is not taken for either.

pub(super) mod reading;
pub(super) mod writing;

use std::fmt;

/// Why a value is not what a function takes or returns.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// Its type is of another kind.
    OtherKind,
    /// Its type will do, and says that this value does not.
    Refused(String),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherKind => f.write_str("neither bytes nor text"),
            Self::Refused(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Unfit {}

impl serde::ser::Error for Unfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Refused(message.to_string())
    }
}

impl serde::de::Error for Unfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Refused(message.to_string())
    }
}
