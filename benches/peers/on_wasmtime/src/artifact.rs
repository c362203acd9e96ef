//! Native code from a file.
#![expect(unsafe_code, reason = "wasmtime trusts the files that it maps")]

use std::path::Path;

use wasmtime::{Engine, Module, Result};

/// Maps a file that [`Module::serialize`] wrote, which is the quickest way there is. Nothing is verified but that the
/// file was made by the same version of wasmtime, in the same setting.
pub(crate) fn map(engine: &Engine, path: &Path) -> Result<Module> {
    // SAFETY: the file was written by this process, to a folder of its own, and is not changed.
    unsafe { Module::deserialize_file(engine, path) }
}
