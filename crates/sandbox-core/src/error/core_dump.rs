//! Core dumps of guests, as errors carry them.

use std::fmt;

use bytes::Bytes;

/// Failures of guests that leave a [`CoreDump`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CoreDumps {
    /// None. The default.
    #[default]
    Never,
    /// Traps and panics: [`SandboxError::Trap`](crate::SandboxError::Trap) and
    /// [`SandboxError::GuestPanic`](crate::SandboxError::GuestPanic).
    OnTrap,
}

/// State of a guest at the moment it trapped, for a debugger.
///
/// That is a WebAssembly module in the [format of the tool
/// conventions](https://github.com/WebAssembly/tool-conventions/blob/main/Coredump.md). It holds the innermost 64 calls, with the
/// indices of their functions, and all of linear memory but the pages of 64 KiB that are zero. It holds no
/// positions within functions (they are 0), no locals and no globals: native code does not tell them.
///
/// The process is named by the SHA-256 of its module, so that the module can be found. What is in the memory are the guest's
/// secrets and those of its callers: treat the bytes as such. They appear in no message and in no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct CoreDump(Bytes);

impl CoreDump {
    pub(crate) fn new(module: Vec<u8>) -> Self {
        Self(module.into())
    }

    /// Bytes of the module.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Bytes of the module, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl fmt::Debug for CoreDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CoreDump({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_memory_is_shown() {
        let dump = CoreDump::new(b"secret".to_vec());
        assert_eq!(format!("{dump:?}"), "CoreDump(6 bytes)");
        assert_eq!(dump.as_bytes(), b"secret");
    }
}
