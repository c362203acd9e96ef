//! Gives a module what it imports, or says what it lacks.

use wasmer::{Imports, Module};

use crate::error::{Result, SandboxError};
use crate::wasi;

/// Exactly what the module imports, from what is offered.
///
/// Nothing else goes along: what a module did not ask for by name, it cannot reach.
pub(super) fn resolve(module: &Module, offered: Option<&Imports>) -> Result<Imports> {
    let mut imports = Imports::new();
    for import in module.imports() {
        let (namespace, name) = (import.module(), import.name());
        let supplied = offered
            .filter(|_| wasi::is_namespace_served(namespace))
            .and_then(|offered| offered.get_export(namespace, name));
        match supplied {
            Some(supplied) => imports.define(namespace, name, supplied),
            None => return Err(unknown(namespace, name)),
        }
    }
    Ok(imports)
}

fn unknown(namespace: &str, name: &str) -> SandboxError {
    let remedy = wasi::refusal_of(namespace, name)
        .unwrap_or("only WASI preview 1 is offered; check how the guest was built");
    SandboxError::UnknownImport {
        module: namespace.to_owned(),
        name: name.to_owned(),
        remedy: remedy.to_owned(),
    }
}
