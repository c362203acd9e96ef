//! Removal of what Wasmer writes down about a module, and this library never asks for.
//!
//! All of a file is read, authenticated, and in part decoded before the first call, so each byte of it is paid for on
//! each start. Of a typical guest, half of what Wasmer writes is of use to debuggers only.

use std::sync::Arc;

use bytes::Bytes;
use wasmer_compiler::serialize::{
    MetadataHeader, RkyvSerializableCompilation, SerializableCompilation, SerializableModule,
};
use wasmer_compiler::{ArtifactBuild, ArtifactCreate};
use wasmer_types::{DeserializeError, ModuleInfo, SerializeError, TrapCode};

use super::linking;

/// Takes off what is not needed to run native code that Wasmer has written just now:
///
/// - for each instruction, where in the WebAssembly it comes from: backtraces name functions, not places in them;
/// - the instructions that access linear memory, as far as the fault itself says what went wrong;
/// - calls from one function to another that are still to be directed ([`linking`]);
/// - what compilers leave for debuggers in custom sections.
///
/// # Errors
/// When Wasmer cannot read what it wrote.
pub(in crate::module) fn strip(written: Bytes) -> Result<Bytes, SerializeError> {
    if !ArtifactBuild::is_deserializable(&written) {
        // An image of the system's own format, which LLVM can be told to write.
        return Ok(written);
    }
    let mut module = read(&crate::sys::artifact::aligned(&written))
        .map_err(|error| SerializeError::Generic(error.to_string()))?;
    if let SerializableCompilation::Rkyv(compilation) = &mut module.compilation {
        for function in compilation.function_frame_info.values_mut() {
            function.address_map.instructions = Vec::new();
        }
        forget_plain_accesses(compilation);
        linking::link(compilation);
    }
    empty_sections(Arc::make_mut(&mut module.compile_info.module));
    Ok(ArtifactBuild::from_serializable(module).serialize()?.into())
}

fn read(written: &[u8]) -> Result<SerializableModule, DeserializeError> {
    let cut_off = || DeserializeError::CorruptedBinary("it is cut off".to_owned());
    let rest = written.get(ArtifactBuild::MAGIC_HEADER.len()..).ok_or_else(cut_off)?;
    let length = MetadataHeader::parse(rest)?;
    let archive = rest.get(MetadataHeader::LEN..).and_then(|rest| rest.get(..length));
    let archive = SerializableModule::archive_from_slice_checked(archive.ok_or_else(cut_off)?)?;
    SerializableModule::deserialize_from_archive(archive)
}

/// Forgets the instructions that are out of bounds of linear memory when their address is: nine of ten that can trap.
///
/// Wasmer takes a fault for just that where it has nothing noted, unless the address is in the guest's stack, where
/// no linear memory is. Checks of bounds in the code itself end in an undefined instruction, and have to be noted.
fn forget_plain_accesses(compilation: &mut RkyvSerializableCompilation) {
    let bodies = compilation.function_bodies.values();
    for (body, info) in bodies.zip(compilation.function_frame_info.values_mut()) {
        info.traps.retain(|trap| {
            trap.trap_code != TrapCode::HeapAccessOutOfBounds
                || !faults_by_its_address(&body.body, trap.code_offset as usize)
        });
    }
}

/// Whether the instruction at that place can only trap by the address that it accesses. Where the instructions are not
/// known here, none is said to.
fn faults_by_its_address(code: &[u8], at: usize) -> bool {
    if !cfg!(target_arch = "x86_64") {
        return false;
    }
    match code.get(at..) {
        // UD2, and UD1 with and without a REX prefix.
        None | Some([] | [0x0F, 0x0B | 0xB9, ..] | [0x40..=0x4F, 0x0F, 0xB9, ..]) => false,
        Some(_) => true,
    }
}

/// Empties the sections with debug information. They stay where they were, since others are known by
/// their place.
fn empty_sections(info: &mut ModuleInfo) {
    let ModuleInfo { custom_sections, custom_sections_data, .. } = info;
    for (name, index) in custom_sections {
        if name == "external_debug_info" || name.starts_with(".debug_") {
            custom_sections_data[*index] = Box::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_of_another_format_is_left_alone() {
        let stripped = strip(Bytes::from_static(b"\x7fELF and so on")).unwrap();
        assert_eq!(stripped[..], b"\x7fELF and so on"[..]);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn an_undefined_instruction_does_not_say_by_itself_why_it_was_reached() {
        for code in [&[0x0F, 0x0B][..], &[0x0F, 0xB9, 1], &[0x48, 0x0F, 0xB9, 1], &[]] {
            assert!(!faults_by_its_address(code, 0), "{code:X?}");
        }
        // MOV RAX, [RSI + RCX] and MOVZX EAX, BYTE PTR [RSI].
        for code in [&[0x48, 0x8B, 0x04, 0x0E][..], &[0x0F, 0xB6, 0x06]] {
            assert!(faults_by_its_address(code, 0), "{code:X?}");
        }
        assert!(!faults_by_its_address(&[0x90], 2));
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        let wasm = wat::parse_str("(module (func $f))").unwrap();
        let module = wasmer::Module::new(&wasmer::Engine::default(), wasm).unwrap();
        let whole = module.serialize().unwrap();
        assert!(!strip(whole.clone()).unwrap().is_empty());
        for length in [16, 24, 32, whole.len() - 1] {
            assert!(strip(whole.slice(..length)).is_err(), "{length}");
        }
    }
}
