//! Compiling modules that were validated, and loading native code that was compiled before.
#![expect(unsafe_code, reason = "what comes of it is executed, and Wasmer does not verify it")]

pub(crate) mod envelope;
pub(crate) mod sections;

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use wasmer::sys::wasmparser::{BinaryReaderError, Validator, WasmFeatures};
use wasmer::{CompileError, DeserializeError, Engine, Module};

use crate::error::SystemNeed;
use crate::text::panic_message;

/// The alignment that Wasmer's archive needs. It reads structures in place and does not check.
const ALIGNMENT: usize = 16;

/// The bytes of a module that the validator accepted, with features that Wasmer's compilers are told to accept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Valid<'a>(&'a [u8]);

impl<'a> Valid<'a> {
    /// Validates a module.
    ///
    /// # Errors
    /// Names the fault, and where it is.
    pub(crate) fn check(wasm: &'a [u8], features: WasmFeatures) -> Result<Self, BinaryReaderError> {
        Validator::new_with_features(features).validate_all(wasm)?;
        Ok(Self(wasm))
    }

    pub(crate) fn wasm(self) -> &'a [u8] {
        self.0
    }
}

/// Native code that may be executed: authenticated, and accepted by who knows what it was made for. Only
/// [`Opened::accept_if`](envelope::Opened::accept_if) makes one.
#[derive(Debug)]
pub(crate) struct NativeCode(Bytes);

impl NativeCode {
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.0
    }
}

/// Compiles a module, which is not validated again. A panic of the compiler is an error of the module: it is the only thing
/// that the engine is for.
pub(crate) fn compile(engine: &Engine, module: Valid<'_>) -> Result<Module, CompileError> {
    let wasm = sections::without_names(module.wasm());
    // SAFETY: Wasmer wants a module that is valid, and does not look whether it is. A `Valid` is only made by `Valid::check`, of
    // the same bytes, with the validator that Wasmer would have used. Without its custom section of names it is as valid.
    let compile = || unsafe { Module::from_binary_unchecked(engine, &wasm) };
    catch_unwind(AssertUnwindSafe(compile)).unwrap_or_else(|panic| {
        let message = panic_message(panic.as_ref());
        Err(CompileError::Codegen(format!("the compiler panicked: {message}")))
    })
}

/// Returns the need of which a compiler, or what loads its code, says that the system did not meet it. Wasmer only has words for that.
pub(crate) fn unmet_need(message: &str) -> Option<SystemNeed> {
    [
        ("failed to build rayon thread pool", SystemNeed::Thread),
        ("failed to allocate memory", SystemNeed::Memory),
        ("unable to make memory readonly and executable", SystemNeed::ExecutableMemory),
    ]
    .into_iter()
    .find_map(|(words, need)| message.contains(words).then_some(need))
}

/// Loads native code into an engine. It panics where the system lets no memory become executable; that is an error here.
///
/// Wasmer verifies nothing of what it is given here: bytes that were tampered with run with all rights of the
/// host. So there is no way to call this with bytes. [`NativeCode`] can only be had from a file whose
/// seal was right for all of it, and whose description was found to say that this build of the library
/// made it for this processor.
pub(crate) fn load(engine: &Engine, code: &NativeCode) -> Result<Module, DeserializeError> {
    let bytes = aligned(code.bytes());
    // Not checked, because what is authentic is what Wasmer wrote: that would only find a fault of Wasmer's.
    // SAFETY: the bytes are what `wasmer::Module::serialize` returned, unchanged since: `NativeCode` is only
    // made by `envelope::Opened`, after the keyed hash or the signature of the whole file was found right, and only this
    // library seals anything with such a key. They were made by the same version of Wasmer, for this target
    // and for no processor feature that this one lacks: `module::artifact` compares its `Identity` in `accept_if`. They are in memory
    // that nobody else can write to, and aligned.
    let load = || unsafe { Module::deserialize_unchecked(engine, bytes) };
    catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|panic| {
        Err(DeserializeError::Generic(panic_message(panic.as_ref()).to_string()))
    })
}

/// Returns the bytes at an address that is a multiple of [`ALIGNMENT`].
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

    #[test]
    fn a_module_on_which_the_compiler_panics_is_an_error() {
        // Wasmer knows types of functions by a number of 32 bits, which is the same for these two.
        let text = r#"(module
            (func (export "f") (param f64 i32 f32 i64 i32 i32 i32 i64 i64 i32 i64 i64 f32 i32 f64 i64 i32 f64))
            (func (export "g") (param i64)))"#;
        let wasm = wat::parse_str(text).unwrap();
        for compiler in [crate::Compiler::Cranelift, crate::Compiler::Singlepass] {
            let policy = crate::SecurityPolicy::strict();
            crate::Module::compile_with(&wasm, &policy, compiler).unwrap_err();
        }
    }
}
