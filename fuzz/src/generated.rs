//! Modules that `wasm-smith` makes of bytes.

use arbitrary::Unstructured;
use wasm_smith::Config;
use wasmparser::{ExternalKind, Parser, Payload, TypeRef, ValType};

use crate::numbers::Number;

/// An exported function and its type.
#[derive(Debug, Clone)]
pub(crate) struct Export {
    pub(crate) name: String,
    pub(crate) parameters: Vec<ValType>,
    pub(crate) results: Vec<ValType>,
}

/// Lists the exported functions of a module that is valid and of function types alone.
pub(crate) fn exports(wasm: &[u8]) -> Vec<Export> {
    let (mut types, mut functions, mut exports) = (Vec::new(), Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(wasm) {
        let Ok(payload) = payload else { return Vec::new() };
        match payload {
            Payload::TypeSection(section) => {
                for group in section.into_iter().flatten() {
                    for ty in group.into_types() {
                        types.push(match ty.composite_type.inner {
                            wasmparser::CompositeInnerType::Func(ty) => Some(ty),
                            _ => None,
                        });
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports().flatten() {
                    if let TypeRef::Func(index) = import.ty {
                        functions.push(index);
                    }
                }
            }
            Payload::FunctionSection(section) => functions.extend(section.into_iter().flatten()),
            Payload::ExportSection(section) => {
                for export in section.into_iter().flatten() {
                    if export.kind == ExternalKind::Func {
                        exports.push((export.name.to_owned(), export.index));
                    }
                }
            }
            _ => {}
        }
    }
    let typed = exports.into_iter().filter_map(|(name, function)| {
        let ty = *functions.get(function as usize)?;
        let ty = types.get(ty as usize)?.as_ref()?;
        Some(Export { name, parameters: ty.params().to_vec(), results: ty.results().to_vec() })
    });
    typed.collect()
}

/// Bounds that every module is generated within: those of a guest that is built in a millisecond.
pub(crate) fn bounded(mut config: Config) -> Config {
    config.max_data_segments = 8;
    config.max_element_segments = 8;
    config.max_elements = 16;
    config.max_exports = 12;
    config.max_funcs = 8;
    config.max_globals = 8;
    config.max_instructions = 120;
    config.max_table_elements = 200;
    config.max_tables = 3;
    config.max_types = 12;
    config.export_everything = true;
    config
}

/// A configuration by which every engine here computes the same, to the bit.
pub(crate) fn deterministic() -> Config {
    let mut config = bounded(Config::default());
    config.acquire_release_atomics_enabled = false;
    config.allow_start_export = false;
    config.canonicalize_nans = true;
    config.compact_imports_enabled = false;
    config.exceptions_enabled = false;
    config.gc_enabled = false;
    config.max_imports = 0;
    config.max_memories = 1;
    config.max_memory32_bytes = 4 << 16;
    config.memory64_enabled = false;
    config.memory_max_size_required = true;
    config.min_funcs = 1;
    config.relaxed_simd_enabled = false;
    config.shared_everything_threads_enabled = false;
    config.simd_enabled = false;
    config.table_max_size_required = true;
    config.tail_call_enabled = false;
    config.threads_enabled = false;
    config.wide_arithmetic_enabled = false;
    config
}

/// A module that ends: each function counts down, and traps at zero.
pub(crate) fn module(config: Config, input: &mut Unstructured<'_>) -> Option<Vec<u8>> {
    let mut module = wasm_smith::Module::new(config, input).ok()?;
    module.ensure_termination(2_000).ok()?;
    Some(module.to_bytes())
}

/// Makes a number of that type, if it is one of numbers.
pub(crate) fn number(ty: ValType, input: &mut Unstructured<'_>) -> Option<Number> {
    Some(match ty {
        ValType::I32 => Number::I32(input.arbitrary().unwrap_or(1)),
        ValType::I64 => Number::I64(input.arbitrary().unwrap_or(1)),
        ValType::F32 => Number::F32(input.arbitrary::<f32>().unwrap_or(1.0).to_bits()),
        ValType::F64 => Number::F64(input.arbitrary::<f64>().unwrap_or(1.0).to_bits()),
        ValType::V128 | ValType::Ref(_) => return None,
    })
}

/// Seeds of targets that generate: lengths and contents of all kinds, of a generator that everybody knows.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    [64, 200, 600, 1_500, 4_000]
        .into_iter()
        .flat_map(|len| [len; 4])
        .map(|len| (0..len).map(|_| next()).collect())
        .collect()
}
