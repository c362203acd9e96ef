//! Refuses what is not a module, and what the policy does not want compiled.

use wasmparser::{Validator, WasmFeatures};

use crate::error::{Result, SandboxError};
use crate::policy::SecurityPolicy;

/// What every guest may use: the features that Wasmer's compilers all support, without threads.
fn allowed() -> WasmFeatures {
    WasmFeatures::MVP
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::SIMD
        | WasmFeatures::MUTABLE_GLOBAL
}

/// The features that a module may use under that policy, sorted by name.
pub(super) fn feature_names(_policy: &SecurityPolicy) -> Vec<String> {
    let mut names: Vec<String> = allowed().iter_names().map(|(name, _)| name.to_owned()).collect();
    names.sort_unstable();
    names
}

/// Checks size, form and features of a module.
pub(super) fn check(wasm: &[u8], policy: &SecurityPolicy) -> Result<()> {
    check_size(wasm, policy)?;
    let Err(error) = Validator::new_with_features(allowed()).validate_all(wasm) else {
        return Ok(());
    };
    let message = error.message().to_owned();
    let offset = error.offset();
    // A module that is valid with all proposals is not broken, only not wanted.
    let valid = Validator::new_with_features(WasmFeatures::all()).validate_all(wasm).is_ok();
    Err(if valid {
        SandboxError::ForbiddenFeature { message, offset }
    } else {
        SandboxError::InvalidModule { message, offset }
    })
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

    fn checked(text: &str) -> Result<()> {
        check(&wat::parse_str(text).unwrap(), &SecurityPolicy::basic())
    }

    #[test]
    fn bytes_that_are_no_module_are_refused_with_their_place() {
        let error = check(b"\0asm\x01\0\0\0\xff", &SecurityPolicy::basic()).unwrap_err();
        assert!(matches!(error, SandboxError::InvalidModule { offset: 8, .. }), "{error:?}");
    }

    #[test]
    fn a_module_over_the_size_limit_is_refused_before_it_is_parsed() {
        let policy = SecurityPolicy::basic().with_module_limit(3);
        let error = check(b"junk", &policy).unwrap_err();
        assert!(
            matches!(error, SandboxError::ModuleTooLarge { size_bytes: 4, limit_bytes: 3 }),
            "{error:?}"
        );
    }

    #[test]
    fn shared_memories_are_valid_but_forbidden() {
        let error = checked("(module (memory 1 1 shared))").unwrap_err();
        assert!(matches!(error, SandboxError::ForbiddenFeature { .. }), "{error:?}");
    }

    #[test]
    fn what_the_rust_compiler_emits_is_allowed() {
        checked(
            "(module (memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 9))))",
        )
        .unwrap();
    }
}
