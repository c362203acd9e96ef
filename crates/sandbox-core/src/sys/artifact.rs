//! Compiling modules that were validated, and loading native code that was compiled before.
#![expect(unsafe_code, reason = "what comes of it is executed, and Wasmer does not verify it")]

use bytes::Bytes;
use wasmer::{CompileError, DeserializeError, Engine, Module};

use crate::module::{NativeCode, Validated, without_names};

/// The alignment that Wasmer's archive needs. It reads structures in place and does not check.
const ALIGNMENT: usize = 16;

/// Compiles a module, which is not validated again.
pub(crate) fn compile(engine: &Engine, module: Validated<'_>) -> Result<Module, CompileError> {
    // SAFETY: Wasmer wants a module that is valid, and does not look whether it is. A `Validated` is only made by
    // `validation::check`, of the same bytes, with the validator that Wasmer would have used.
    // Without its custom section of names it is as valid.
    unsafe { Module::from_binary_unchecked(engine, &without_names(module.wasm())) }
}

/// Loads native code into an engine.
///
/// Wasmer verifies nothing of what it is given here: bytes that were tampered with run with all rights of the
/// host. So there is no way to call this with bytes. [`NativeCode`] can only be had from a file whose
/// authentication code was right for all of it, and whose description says that this build of the library made
/// it for this processor.
pub(crate) fn load(engine: &Engine, code: &NativeCode) -> Result<Module, DeserializeError> {
    let bytes = aligned(code.bytes());
    // Not checked, because what is authentic is what Wasmer wrote: that would only find a fault of Wasmer's.
    // SAFETY: the bytes are what `wasmer::Module::serialize` returned, unchanged since: `NativeCode` is only
    // made by `artifact::unseal`, after the keyed hash of the whole file was found right, and only this
    // library seals anything with such a key. They were made by the same version of Wasmer, for this target
    // and for no processor feature that this one lacks: `Identity` was compared before. They are in memory
    // that nobody else can write to, and aligned.
    unsafe { Module::deserialize_unchecked(engine, bytes) }
}

/// The same bytes, at an address that is a multiple of [`ALIGNMENT`].
pub(crate) fn aligned(bytes: &Bytes) -> Bytes {
    if bytes.as_ptr().align_offset(ALIGNMENT) == 0 {
        return bytes.clone();
    }
    let mut room = Vec::<u8>::with_capacity(bytes.len() + ALIGNMENT);
    let skipped = room.as_ptr().align_offset(ALIGNMENT);
    room.resize(skipped, 0);
    room.extend_from_slice(bytes);
    // `Bytes` takes the vector's memory over, and does not move it.
    Bytes::from(room).slice(skipped..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_aligned_wherever_they_were() {
        let all = Bytes::from((0..=255).collect::<Vec<u8>>());
        for start in 0..40 {
            let part = aligned(&all.slice(start..));
            assert_eq!(part.as_ptr().align_offset(ALIGNMENT), 0, "{start}");
            assert_eq!(part, all[start..], "{start}");
        }
    }
}
