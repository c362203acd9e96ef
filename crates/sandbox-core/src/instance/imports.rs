//! Gives a module what it imports, or says what it lacks.

use wasmer::{Imports, Module, Store};

use crate::error::Result;
use crate::host::{HostLink, unknown_import};
use crate::wasi;

/// Exactly what the module imports: host functions, and of WASI what they do not replace.
///
/// Nothing else goes along: what a module did not ask for by name, it cannot reach.
pub(super) fn resolve(
    store: &mut Store,
    module: &Module,
    host: &HostLink,
    wasi: Option<&Imports>,
) -> Result<Imports> {
    let mut imports = Imports::new();
    host.define(store, &mut imports);
    for import in module.imports() {
        let (namespace, name) = (import.module(), import.name());
        if imports.exists(namespace, name) {
            continue;
        }
        let supplied = wasi
            .filter(|_| wasi::is_namespace_served(namespace))
            .and_then(|offered| offered.get_export(namespace, name));
        match supplied {
            Some(supplied) => imports.define(namespace, name, supplied),
            None => return Err(unknown_import(host.binding(), namespace, name, import.ty())),
        }
    }
    Ok(imports)
}
