//! Kinds of exported functions: how each takes its arguments and gives its result, as its module says.

use std::fmt;

use serde::Deserialize;
use wasmer::{ExternType, Type};

use super::numbers::Signature;
use crate::format::SerializationFormat;
use crate::sys::entry::Reach;

/// The names by which the ABI itself is exported; they cannot be called by the host's user.
pub(crate) const EXCHANGE_EXPORT: &str = "sandbox_exchange";
pub(crate) const RESERVE_EXPORT: &str = "sandbox_reserve";

/// A function that can be called.
#[derive(Debug)]
pub(crate) struct Export {
    pub(crate) name: String,
    pub(crate) kind: ExportKind,
    /// Whether calling it with numbers leaves its instance as it was.
    pub(crate) pure: bool,
    /// Whether it may call functions of the host.
    pub(crate) reach: Reach,
}

/// Way in which a function takes its arguments.
#[derive(Debug)]
pub(crate) enum ExportKind {
    /// In Wasm registers.
    Numbers(Signature),
    /// Through the exchange area.
    Declared(Payloads),
}

/// Payloads that travel through the exchange area, both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Payloads {
    pub(crate) input: Payload,
    pub(crate) output: Payload,
}

impl fmt::Display for Payloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a function from {} to {}", self.input, self.output)
    }
}

/// Kind of what a function takes or returns through the exchange area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Payload {
    /// No bytes at all.
    Unit,
    /// Bytes, as they are.
    Bytes,
    /// Text in UTF-8, as it is.
    Text,
    /// A value, in the [format](crate::SerializationFormat) of the call.
    Value,
    /// The chunks of a stream, one a call.
    Stream,
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unit => "nothing",
            Self::Bytes => "bytes",
            Self::Text => "text",
            Self::Value => "a value",
            Self::Stream => "the chunks of a stream",
        })
    }
}

impl Export {
    /// The signature in words, for errors.
    pub(crate) fn signature(&self) -> String {
        match &self.kind {
            ExportKind::Numbers(signature) => {
                signature_in_words(&ExternType::Function(signature.ty().clone()))
            }
            ExportKind::Declared(declared) => declared.to_string(),
        }
    }
}

/// A type in words, for errors.
pub(crate) fn signature_in_words(ty: &ExternType) -> String {
    match ty {
        ExternType::Function(ty) => {
            format!("a function from ({}) to ({})", joined(ty.params()), joined(ty.results()))
        }
        ExternType::Global(ty) => format!("a global of type {}", joined(&[ty.ty])),
        ExternType::Table(_) => "a table".to_owned(),
        ExternType::Memory(_) => "a memory".to_owned(),
        ExternType::Tag(_) => "an exception tag".to_owned(),
    }
}

fn joined(types: &[Type]) -> String {
    const SHOWN: usize = 32;
    let shown = &types[..types.len().min(SHOWN)];
    let shown = shown.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ").to_lowercase();
    match types.len().saturating_sub(SHOWN) {
        0 => shown,
        left => format!("{shown} and {left} more"),
    }
}

/// The serialisation formats that a guest was built with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Formats {
    json: bool,
    messagepack: bool,
    bincode: bool,
}

impl Formats {
    pub(crate) fn contains(self, format: SerializationFormat) -> bool {
        match format {
            SerializationFormat::Json => self.json,
            SerializationFormat::MessagePack => self.messagepack,
            SerializationFormat::Bincode => self.bincode,
        }
    }

    /// The format for a host that chose none: the default, unless the guest knows only others.
    pub(crate) fn best(self) -> SerializationFormat {
        use SerializationFormat::{Bincode, Json, MessagePack};
        let mut known = [MessagePack, Json, Bincode].into_iter();
        known.find(|format| self.contains(*format)).unwrap_or_default()
    }

    pub(crate) fn add(&mut self, format: SerializationFormat) {
        match format {
            SerializationFormat::Json => self.json = true,
            SerializationFormat::MessagePack => self.messagepack = true,
            SerializationFormat::Bincode => self.bincode = true,
        }
    }
}
