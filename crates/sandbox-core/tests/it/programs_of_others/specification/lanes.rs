//! Functions of vectors, which no host can call, as functions of numbers.
//!
//! A sandbox passes numbers, and most scripts of SIMD pass vectors. So to each exported function of vectors a module gets another
//! one beside it, which takes and returns each vector as two numbers of 64 bits.

use std::borrow::Cow;

use wasm_encoder::{Encode, ExportKind, Function, Instruction, RawSection, ValType};
use wasmer::sys::wasmparser::{self, CompositeInnerType, ExternalKind, Parser, Payload, TypeRef};

/// The name of the function of numbers beside that one.
pub(super) fn name(function: &str) -> String {
    format!("lanes of {function}")
}

/// Facts of a module's functions.
#[derive(Default)]
struct Functions {
    /// Of the types, those of functions.
    types: Vec<Option<wasmparser::FuncType>>,
    /// Types of all functions, imported ones first.
    typed: Vec<u32>,
    exported: Vec<(String, u32)>,
}

/// The module with such functions, or as it is if it needs none or is not valid.
pub(super) fn split(wasm: &[u8]) -> Cow<'_, [u8]> {
    let Some((functions, sections)) = read(wasm) else { return Cow::Borrowed(wasm) };
    let of_vectors: Vec<_> = functions
        .exported
        .iter()
        .filter_map(|(name, index)| {
            let ty =
                functions.types.get(*functions.typed.get(*index as usize)? as usize)?.clone()?;
            let all = || ty.params().iter().chain(ty.results());
            let is_passed = |ty: &wasmparser::ValType| !matches!(ty, wasmparser::ValType::Ref(_));
            let has_vectors = all().any(|ty| *ty == wasmparser::ValType::V128);
            (has_vectors && all().all(is_passed)).then(|| (name.clone(), *index, ty))
        })
        .collect();
    if of_vectors.is_empty() {
        return Cow::Borrowed(wasm);
    }
    let mut types = Vec::new();
    let mut declared = Vec::new();
    let mut exports = Vec::new();
    let mut code = Vec::new();
    for (number, (exported, index, ty)) in of_vectors.iter().enumerate() {
        let number = u32::try_from(number).unwrap();
        types.push(0x60);
        flat(ty.params()).encode(&mut types);
        flat(ty.results()).encode(&mut types);
        (u32::try_from(functions.types.len()).unwrap() + number).encode(&mut declared);
        name(exported).encode(&mut exports);
        ExportKind::Func.encode(&mut exports);
        (u32::try_from(functions.typed.len()).unwrap() + number).encode(&mut exports);
        let body = body(*index, ty).into_raw_body();
        u32::try_from(body.len()).unwrap().encode(&mut code);
        code.extend(body);
    }
    let more = u32::try_from(of_vectors.len()).unwrap();
    let mut module = wasm_encoder::Module::new();
    for (id, contents) in sections {
        let added = match id {
            1 => &types,
            3 => &declared,
            7 => &exports,
            10 => &code,
            _ => {
                module.section(&RawSection { id, data: contents });
                continue;
            }
        };
        let (count, rest) = leading(contents);
        let mut data = Vec::new();
        (count + more).encode(&mut data);
        data.extend(rest);
        data.extend(added);
        module.section(&RawSection { id, data: &data });
    }
    Cow::Owned(module.finish())
}

/// The names of the modules that a module imports from.
pub(super) fn imported_modules(wasm: &[u8]) -> Vec<String> {
    let payloads = Parser::new(0).parse_all(wasm).flatten();
    let imports = payloads.filter_map(|payload| match payload {
        Payload::ImportSection(imports) => Some(imports.into_imports().flatten()),
        _ => None,
    });
    imports.flatten().map(|import| import.module.to_owned()).collect()
}

/// A section of a module, with its number.
type Section<'a> = (u8, &'a [u8]);

/// The functions of a module, and its sections.
fn read(wasm: &[u8]) -> Option<(Functions, Vec<Section<'_>>)> {
    let mut functions = Functions::default();
    let mut sections = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.ok()?;
        if let Some((id, range)) = payload.as_section() {
            let at = |place: u64| usize::try_from(place).ok();
            sections.push((id, &wasm[at(range.start)?..at(range.end)?]));
        }
        match payload {
            Payload::TypeSection(section) => {
                for group in section {
                    for ty in group.ok()?.into_types() {
                        functions.types.push(match ty.composite_type.inner {
                            CompositeInnerType::Func(ty) => Some(ty),
                            _ => None,
                        });
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    if let TypeRef::Func(ty) = import.ok()?.ty {
                        functions.typed.push(ty);
                    }
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    functions.typed.push(ty.ok()?);
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.ok()?;
                    if export.kind == ExternalKind::Func {
                        functions.exported.push((export.name.to_owned(), export.index));
                    }
                }
            }
            _ => {}
        }
    }
    Some((functions, sections))
}

fn flat(types: &[wasmparser::ValType]) -> Vec<ValType> {
    types
        .iter()
        .flat_map(|ty| match ty {
            wasmparser::ValType::I32 => vec![ValType::I32],
            wasmparser::ValType::F32 => vec![ValType::F32],
            wasmparser::ValType::F64 => vec![ValType::F64],
            wasmparser::ValType::V128 => vec![ValType::I64, ValType::I64],
            _ => vec![ValType::I64],
        })
        .collect()
}

/// Puts vectors together, calls the function, and takes vectors apart.
fn body(function: u32, ty: &wasmparser::FuncType) -> Function {
    let results = ty.results().iter().map(|ty| match ty {
        wasmparser::ValType::I32 => ValType::I32,
        wasmparser::ValType::F32 => ValType::F32,
        wasmparser::ValType::F64 => ValType::F64,
        wasmparser::ValType::V128 => ValType::V128,
        _ => ValType::I64,
    });
    let mut body = Function::new_with_locals_types(results);
    let mut at = 0;
    for ty in ty.params() {
        body.instruction(&Instruction::LocalGet(at));
        at += 1;
        if *ty == wasmparser::ValType::V128 {
            body.instruction(&Instruction::I64x2Splat);
            body.instruction(&Instruction::LocalGet(at));
            body.instruction(&Instruction::I64x2ReplaceLane(1));
            at += 1;
        }
    }
    body.instruction(&Instruction::Call(function));
    let locals = at..at + u32::try_from(ty.results().len()).unwrap();
    for local in locals.clone().rev() {
        body.instruction(&Instruction::LocalSet(local));
    }
    for (local, ty) in locals.zip(ty.results()) {
        body.instruction(&Instruction::LocalGet(local));
        if *ty == wasmparser::ValType::V128 {
            body.instruction(&Instruction::I64x2ExtractLane(0));
            body.instruction(&Instruction::LocalGet(local));
            body.instruction(&Instruction::I64x2ExtractLane(1));
        }
    }
    body.instruction(&Instruction::End);
    body
}

/// The number that a section begins with, and the rest.
fn leading(contents: &[u8]) -> (u32, &[u8]) {
    let mut number = 0;
    for (at, byte) in contents.iter().enumerate() {
        number |= u32::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return (number, &contents[at + 1..]);
        }
    }
    (number, &[])
}
