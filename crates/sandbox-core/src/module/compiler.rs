//! From bytes to native code.

use std::num::NonZero;

use wasmer::sys::{Cranelift, EngineBuilder};
use wasmer::{CompileError, Engine};

use crate::error::{Result, SandboxError};

/// Below this many bytes of Wasm for each thread, starting threads costs more than they save.
const WASM_BYTES_PER_THREAD: usize = 512 * 1024;

/// An engine for one module of that size.
///
/// Each module has an engine of its own because an engine keeps the code of everything it ever compiled
/// until it is dropped itself.
pub(super) fn engine(wasm_bytes: usize) -> Engine {
    let mut cranelift = Cranelift::new();
    cranelift.num_threads(threads_for(wasm_bytes));
    EngineBuilder::new(cranelift).engine().into()
}

/// Compiles a validated module.
pub(super) fn compile(engine: &Engine, wasm: &[u8]) -> Result<wasmer::Module> {
    wasmer::Module::from_binary(engine, wasm).map_err(|error| match error {
        CompileError::Wasm(wasmer::WasmError::InvalidWebAssembly { message, offset }) => {
            SandboxError::InvalidModule { message, offset }
        }
        CompileError::Validate(message) => SandboxError::InvalidModule { message, offset: 0 },
        other => SandboxError::Compilation { message: other.to_string() },
    })
}

/// Cranelift's pool takes all cores unless told otherwise, which is most of the time of a small module.
fn threads_for(wasm_bytes: usize) -> NonZero<usize> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let useful = (wasm_bytes / WASM_BYTES_PER_THREAD).clamp(1, cores);
    NonZero::new(useful).unwrap_or(NonZero::<usize>::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_modules_are_compiled_by_one_thread() {
        assert_eq!(threads_for(0).get(), 1);
        assert_eq!(threads_for(WASM_BYTES_PER_THREAD).get(), 1);
    }
}
