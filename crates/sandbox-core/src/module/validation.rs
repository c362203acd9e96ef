//! Refuses what is not a module, and what the policy does not want compiled.

use wasmer::sys::wasmparser::{
    BinaryReaderError, Element, ElementItems, Operator, Parser, Payload, TypeRef,
    WasmFeatures as Proposals,
};

use super::signatures::Types;
use super::start::START_EXPORT;
use crate::error::{NeededFeature, Result, SandboxError};
use crate::policy::{Compiler, SecurityPolicy, WasmFeature, WasmFeatures};
use crate::sys::artifact::Valid;
use crate::text::cut;

/// A module that is valid, and has no feature but those that its policy and its compiler have.
///
/// Only [`check`] makes one, and only what it made is compiled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Validated<'a> {
    valid: Valid<'a>,
    concerns_start: bool,
}

impl<'a> Validated<'a> {
    pub(super) fn wasm(self) -> &'a [u8] {
        self.valid.wasm()
    }

    pub(super) fn valid(self) -> Valid<'a> {
        self.valid
    }

    /// Whether it has a start function, or an export of the name that its start function would get.
    pub(super) fn concerns_start(self) -> bool {
        self.concerns_start
    }
}

/// Length of the validator's message that is kept, in bytes: it may quote the module.
const MOST_MESSAGE_BYTES: usize = 1024;

/// A feature in the terms of the parser.
const fn proposal(feature: WasmFeature) -> Proposals {
    match feature {
        WasmFeature::BulkMemory => Proposals::BULK_MEMORY,
        WasmFeature::Exceptions => Proposals::EXCEPTIONS,
        WasmFeature::ExtendedConst => Proposals::EXTENDED_CONST,
        WasmFeature::MultiMemory => Proposals::MULTI_MEMORY,
        WasmFeature::MultiValue => Proposals::MULTI_VALUE,
        WasmFeature::MutableGlobals => Proposals::MUTABLE_GLOBAL,
        WasmFeature::ReferenceTypes => Proposals::REFERENCE_TYPES,
        WasmFeature::RelaxedSimd => Proposals::RELAXED_SIMD,
        WasmFeature::SaturatingFloatToInt => Proposals::SATURATING_FLOAT_TO_INT,
        WasmFeature::SignExtension => Proposals::SIGN_EXTENSION,
        WasmFeature::Simd => Proposals::SIMD,
        WasmFeature::TailCalls => Proposals::TAIL_CALL,
        WasmFeature::Threads => Proposals::THREADS,
        WasmFeature::WideArithmetic => Proposals::WIDE_ARITHMETIC,
    }
}

fn proposals(features: WasmFeatures) -> Proposals {
    features.iter().fold(Proposals::MVP, |all, feature| all | proposal(feature))
}

fn is_valid(wasm: &[u8], proposals: Proposals) -> bool {
    Valid::check(wasm, proposals).is_ok()
}

/// Checks size, form and features of a module.
///
/// Nobody does it again: what is accepted here Wasmer would accept too. This is its own validator, and it turns on all
/// features that are allowed here.
pub(super) fn check<'a>(
    wasm: &'a [u8],
    policy: &SecurityPolicy,
    compiler: Compiler,
) -> Result<Validated<'a>> {
    check_size(wasm, policy)?;
    let allowed = proposals(policy.features.intersection(compiler.features()));
    match Valid::check(wasm, allowed) {
        Ok(valid) => check_declarations(valid, compiler),
        Err(error) => Err(explain(wasm, policy, compiler, allowed, &error)),
    }
}

/// Says what is wrong with a module that is not valid: it itself, or what it asks for.
fn explain(
    wasm: &[u8],
    policy: &SecurityPolicy,
    compiler: Compiler,
    allowed: Proposals,
    error: &BinaryReaderError,
) -> SandboxError {
    let message = cut(error.message().to_owned(), MOST_MESSAGE_BYTES);
    let offset = position(error.offset());
    // A module that is valid with all proposals is not broken, only not wanted.
    if !is_valid(wasm, Proposals::all()) {
        return SandboxError::InvalidModule { message, offset };
    }
    let missing = Proposals::all() - allowed;
    let needed = |proposals: Proposals| !is_valid(wasm, Proposals::all() - proposals);
    let mut known =
        WasmFeature::ALL.iter().copied().filter(|feature| missing.contains(proposal(*feature)));
    if let Some(feature) = known.find(|feature| needed(proposal(*feature))) {
        return if policy.features.contains(feature) {
            let feature = NeededFeature::Known(feature);
            SandboxError::UnsupportedFeature { feature, compiler, message, offset }
        } else {
            SandboxError::ForbiddenFeature { feature, message, offset }
        };
    }
    // None of them by itself, where one brings along what another has.
    let enough = missing.iter_names().fold(Proposals::all(), |enough, (_, flag)| {
        if is_valid(wasm, enough - flag) { enough - flag } else { enough }
    });
    let names: Vec<_> = (enough & missing).iter_names().map(|(name, _)| name).collect();
    let feature = names.join(" and ");
    let feature = NeededFeature::Other(feature.to_lowercase().replace('_', " "));
    SandboxError::UnsupportedFeature { feature, compiler, message, offset }
}

/// An offset in bytes that lie in memory.
fn position(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// Reads what comes before the code of a module that is valid. Refuses types of functions that Wasmer could not tell
/// apart, elements of tables that it does not translate, and memories that are shared between threads, which the feature of
/// atomic instructions brings along.
///
/// The host reads and writes a guest's memory through references that nobody else may write through.
fn check_declarations(valid: Valid<'_>, compiler: Compiler) -> Result<Validated<'_>> {
    let mut concerns_start = false;
    let mut types = Types::default();
    for payload in Parser::new(0).parse_all(valid.wasm()) {
        match payload {
            Ok(Payload::TypeSection(section)) => {
                for ty in section.into_iter_err_on_gc_types().flatten() {
                    types.add(&ty)?;
                }
            }
            Ok(Payload::MemorySection(memories)) => {
                for memory in memories.into_iter_with_offsets() {
                    if let Ok((offset, memory)) = memory
                        && memory.shared
                    {
                        return Err(SandboxError::SharedMemory { offset: position(offset) });
                    }
                }
            }
            Ok(Payload::ImportSection(imports)) => {
                for import in imports.into_imports_with_offsets() {
                    if let Ok((offset, import)) = import
                        && let TypeRef::Memory(memory) = import.ty
                        && memory.shared
                    {
                        return Err(SandboxError::SharedMemory { offset: position(offset) });
                    }
                }
            }
            Ok(Payload::ExportSection(exports)) => {
                let mut exports = exports.into_iter().flatten();
                concerns_start |= exports.any(|export| export.name == START_EXPORT);
            }
            Ok(Payload::ElementSection(segments)) => {
                for segment in segments.into_iter().flatten() {
                    check_elements(&segment, compiler)?;
                }
            }
            Ok(Payload::StartSection { .. }) => concerns_start = true,
            // All of this comes before code, and the module is valid.
            Ok(Payload::CodeSectionStart { .. }) | Err(_) => break,
            Ok(_) => (),
        }
    }
    Ok(Validated { valid, concerns_start })
}

/// Refuses elements that are neither a function nor null: Wasmer translates no other.
fn check_elements(segment: &Element<'_>, compiler: Compiler) -> Result<()> {
    let ElementItems::Expressions(_, expressions) = &segment.items else { return Ok(()) };
    for expression in expressions.clone().into_iter().flatten() {
        let mut operators = expression.get_operators_reader();
        let offset = position(operators.original_position());
        if !matches!(operators.read(), Ok(Operator::RefNull { .. } | Operator::RefFunc { .. })) {
            return Err(SandboxError::UnsupportedFeature {
                feature: NeededFeature::Other("elements taken from globals".to_owned()),
                compiler,
                message: "an element of a table is neither a function nor null".to_owned(),
                offset,
            });
        }
    }
    Ok(())
}

/// Checks only the size.
pub(super) fn check_size(wasm: &[u8], policy: &SecurityPolicy) -> Result<()> {
    check_bytes(wasm.len() as u64, policy)
}

/// Checks the size of a module that is not at hand.
pub(super) fn check_bytes(size_bytes: u64, policy: &SecurityPolicy) -> Result<()> {
    let limit_bytes = policy.module_limit_bytes;
    if size_bytes > limit_bytes {
        return Err(SandboxError::ModuleTooLarge { size_bytes, limit_bytes });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<bool> {
        let wasm = wat::parse_str(text).unwrap();
        let validated = check(&wasm, &SecurityPolicy::basic(), Compiler::Cranelift)?;
        Ok(validated.concerns_start())
    }

    #[test]
    fn bytes_that_are_no_module_are_refused_with_their_place() {
        let error = check(b"\0asm\x01\0\0\0\xff", &SecurityPolicy::basic(), Compiler::Cranelift)
            .unwrap_err();
        assert!(matches!(error, SandboxError::InvalidModule { offset: 8, .. }), "{error:?}");
    }

    #[test]
    fn a_module_over_the_size_limit_is_refused_before_it_is_parsed() {
        let policy = SecurityPolicy::basic().with_module_limit(3);
        let error = check(b"junk", &policy, Compiler::Cranelift).unwrap_err();
        assert!(
            matches!(error, SandboxError::ModuleTooLarge { size_bytes: 4, limit_bytes: 3 }),
            "{error:?}"
        );
    }

    #[test]
    fn shared_memories_are_valid_but_forbidden() {
        let wasm = wat::parse_str("(module (memory 1 1 shared))").unwrap();
        let refused = |policy| check(&wasm, &policy, Compiler::Cranelift).unwrap_err();
        let error = refused(SecurityPolicy::permissive());
        assert!(matches!(error, SandboxError::SharedMemory { offset: 11 }), "{error:?}");
        let error = refused(SecurityPolicy::basic());
        assert!(
            matches!(error, SandboxError::ForbiddenFeature { feature: WasmFeature::Threads, .. }),
            "{error:?}"
        );
    }

    #[test]
    fn elements_that_are_taken_from_globals_are_refused_by_name() {
        let with = |element: &str| {
            let text = format!(
                "(module (import \"env\" \"g\" (global $g funcref)) (table 1 funcref) (func $f)
                    (elem (i32.const 0) funcref ({element})))"
            );
            check(&wat::parse_str(text).unwrap(), &SecurityPolicy::basic(), Compiler::Cranelift)
                .map(drop)
        };
        with("ref.func $f").unwrap();
        with("ref.null func").unwrap();
        let error = with("global.get $g").unwrap_err();
        let SandboxError::UnsupportedFeature { feature, offset, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(feature.to_string(), "elements taken from globals");
        assert!(*offset > 8, "{error}");
    }

    #[test]
    fn only_modules_with_a_start_function_concern_it() {
        for (text, expected) in [
            (r#"(module (func $f (export "start")))"#, false),
            (r#"(module (func $f (export "f")) (start $f))"#, true),
            (r#"(module (func $f (export "sandbox_start")))"#, true),
            (r#"(module (import "env" "f" (func $f)) (start $f))"#, true),
            ("(module)", false),
        ] {
            assert_eq!(checked(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_the_rust_compiler_emits_is_allowed() {
        checked(
            "(module (memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 9))))",
        )
        .unwrap();
    }
}
