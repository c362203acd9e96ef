//! Types of functions that Wasmer could not tell apart.
//!
//! Wasmer compares types at run time by a hash of 32 bits, and panics where it meets two types with one. Whoever wants to
//! can make such types. So a module is refused in which a type has the hash of another: of its own, or of a function
//! that this library puts into every instance (its gate, and what WASI offers). A host function is bound only to an
//! import of exactly its type, which is one of the module's; so those are covered too.

use std::collections::HashMap;
use std::sync::LazyLock;

use foldhash::fast::RandomState;
use wasmer::sys::wasmparser::{FuncType, ValType};
use wasmer::{ExternType, FunctionType, Type};

use crate::error::{Result, SandboxError};
use crate::marshal::export::signature_in_words;

/// Types by their hashes.
type ByHash = HashMap<u32, FunctionType, RandomState>;

/// The types of functions that are in the store of an instance whatever its module imports: parameters before the
/// colon and results after it, `i` for `i32` and `l` for `i64`. A test compares them with those of all functions of WASI.
const OURS: [&str; 20] = [
    // The gate.
    "l:", //
    // WASI and sockets.
    ":i",
    "i:",
    "i:i",
    "ii:i",
    "iii:i",
    "iiii:i",
    "iiiii:i",
    "iiiiii:i",
    "iiiiiii:i",
    "il:i",
    "ill:i",
    "illi:i",
    "ili:i",
    "ilii:i",
    "iiili:i",
    "iiiilli:i",
    "iiiiillii:i",
    // What fetches the output of a function of values, and what takes and returns nothing.
    "ii:",
    ":",
];

static RESERVED: LazyLock<ByHash> = LazyLock::new(|| {
    OURS.iter().map(|written| parse(written)).map(|ty| (ty.signature_hash(), ty)).collect()
});

fn parse(written: &str) -> FunctionType {
    let types = |letters: &str| -> Vec<Type> {
        letters.bytes().map(|letter| if letter == b'l' { Type::I64 } else { Type::I32 }).collect()
    };
    let (parameters, results) = written.split_once(':').unwrap_or((written, ""));
    FunctionType::new(types(parameters), types(results))
}

/// Looks for types with the same hash.
#[derive(Default)]
pub(super) struct Types(ByHash);

impl Types {
    /// Adds a type of the module.
    ///
    /// # Errors
    /// [`SandboxError::CollidingTypes`] if another type has the same hash.
    pub(super) fn add(&mut self, ty: &FuncType) -> Result<()> {
        // What has a type that Wasmer does not know is refused as a feature.
        let Some(ty) = translated(ty) else { return Ok(()) };
        let hash = ty.signature_hash();
        let known = RESERVED.get(&hash).or_else(|| self.0.get(&hash));
        match known {
            Some(known) if *known == ty => Ok(()),
            Some(known) => {
                Err(SandboxError::CollidingTypes { one: words(ty), other: words(known.clone()) })
            }
            None => {
                self.0.insert(hash, ty);
                Ok(())
            }
        }
    }
}

fn words(ty: FunctionType) -> String {
    signature_in_words(&ExternType::Function(ty))
}

/// The type in Wasmer's terms.
fn translated(ty: &FuncType) -> Option<FunctionType> {
    let types =
        |types: &[ValType]| types.iter().map(|ty| value(*ty)).collect::<Option<Vec<Type>>>();
    Some(FunctionType::new(types(ty.params())?, types(ty.results())?))
}

fn value(ty: ValType) -> Option<Type> {
    Some(match ty {
        ValType::I32 => Type::I32,
        ValType::I64 => Type::I64,
        ValType::F32 => Type::F32,
        ValType::F64 => Type::F64,
        ValType::V128 => Type::V128,
        ValType::Ref(ty) if ty.is_func_ref() => Type::FuncRef,
        ValType::Ref(ty) if ty.is_extern_ref() => Type::ExternRef,
        ValType::Ref(_) => Type::ExceptionRef,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_of_this_library_do_not_collide() {
        let distinct: std::collections::BTreeSet<&str> = OURS.into_iter().collect();
        assert_eq!(distinct.len(), OURS.len());
        assert_eq!(RESERVED.len(), OURS.len());
    }

    #[test]
    fn the_types_of_all_functions_of_wasi_are_reserved_and_no_others() {
        let mut found: Vec<FunctionType> = crate::wasi::types_of_functions();
        // The gate, functions of values and what fetches their output, and what takes and returns nothing.
        for own in ["l:", "iiiiii:i", "ii:", ":"] {
            found.push(parse(own));
        }
        let written = |ty: &FunctionType| format!("{ty}");
        let found: std::collections::BTreeSet<String> = found.iter().map(written).collect();
        let reserved: std::collections::BTreeSet<String> = RESERVED.values().map(written).collect();
        assert_eq!(reserved, found);
    }

    #[test]
    fn a_type_may_be_there_several_times_and_another_with_its_hash_may_not() {
        let mut types = Types::default();
        let (i, l, f, d) = (ValType::I32, ValType::I64, ValType::F32, ValType::F64);
        let gates = FuncType::new([l], []);
        types.add(&gates).unwrap();
        types.add(&gates).unwrap();
        // Made to have the hash of the gate's.
        let made = FuncType::new([d, i, f, l, i, i, i, l, l, i, l, l, f, i, d, l, i, d], []);
        let error = types.add(&made).unwrap_err();
        assert!(matches!(error, SandboxError::CollidingTypes { .. }), "{error}");
    }
}
