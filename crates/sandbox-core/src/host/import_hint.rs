//! Advice about an import that a sandbox does not offer.

use wasmer::ExternType;

use super::binding::HostBinding;
use crate::error::SandboxError;
use crate::marshal::export::signature_in_words;
use crate::text::cut;
use crate::wasi;

/// Namespaces and names of tools that make modules for other hosts, and what to do about each.
const FOREIGN: [(&str, &str, &str); 6] = [
    (
        "__wbindgen",
        "",
        "wasm-bindgen made this module for a browser; compile it for wasm32-wasip1, without wasm-bindgen",
    ),
    (
        "wbg",
        "",
        "wasm-bindgen made this module for a browser; compile it for wasm32-wasip1, without wasm-bindgen",
    ),
    (
        "GOT.",
        "",
        "it is a library for dynamic loading, which a sandbox never offers; link it statically",
    ),
    (
        "env",
        "__memory_base",
        "it is a library for dynamic loading, which a sandbox never offers; link it statically",
    ),
    ("env", "__linear_memory", "it is an object file and no module; link it with wasm-ld"),
    (
        "env",
        "emscripten_",
        "Emscripten made this module for its own runtime; build it with `-sSTANDALONE_WASM`",
    ),
];

/// Length of an import's names that is kept, in bytes.
const MOST_NAME_BYTES: usize = 1024;

/// The error for an import that neither WASI nor the set of host functions offers.
pub(crate) fn unknown_import(
    binding: &HostBinding,
    module: &str,
    name: &str,
    ty: &ExternType,
) -> SandboxError {
    let remedy = remedy(binding, module, name, ty);
    let kept = |name: &str| cut(name.to_owned(), MOST_NAME_BYTES);
    SandboxError::UnknownImport {
        module: kept(module),
        name: kept(name),
        remedy: cut(remedy, 4 * MOST_NAME_BYTES),
    }
}

fn remedy(binding: &HostBinding, module: &str, name: &str, ty: &ExternType) -> String {
    if let Some(refusal) = wasi::refusal_of(module, name) {
        return refusal.to_owned();
    }
    let foreign = FOREIGN
        .iter()
        .find(|(of_module, of_name, _)| module.starts_with(of_module) && name.starts_with(of_name));
    if let Some((_, _, remedy)) = foreign {
        return (*remedy).to_owned();
    }
    match ty {
        ExternType::Function(_) => {}
        ExternType::Memory(_) => {
            return "a guest brings its own memory; link it without `--import-memory`".to_owned();
        }
        _ => {
            return format!(
                "only functions can be offered, and this is {}; define it in the module",
                signature_in_words(ty)
            );
        }
    }
    if wasi::is_namespace_served(module) {
        return "WASI preview 1 has no such function; check how the guest was built".to_owned();
    }
    let register = match binding.module().declared_import(module, name) {
        Some(declared) => format!(
            "it is a host function, {}: register it with `value_function({module:?}, {name:?}, ..)` in a set of \
             `HostFunctions`",
            declared
        ),
        None => format!(
            "it is a host function, {}: register it with `host_function({module:?}, {name:?}, ..)` on the builder",
            signature_in_words(ty)
        ),
    };
    match nearest(binding, module, name) {
        Some(offered) => format!("{register}; is it the registered `{offered}`?"),
        None => register,
    }
}

/// A registered function that may be the one that is meant: of the same name in another module, or of nearly the
/// same name in the same one.
fn nearest(binding: &HostBinding, module: &str, name: &str) -> Option<String> {
    // The name comes from the module, and may be as long as that.
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return None;
    }
    let set = binding.set();
    let elsewhere = set.names().find(|(_, offered)| *offered == name);
    let nearly = || {
        set.names()
            .filter(|(offered, _)| *offered == module)
            .map(|offered| (distance(offered.1, name), offered))
            .filter(|(distance, _)| *distance <= name.chars().count().div_ceil(3))
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, offered)| offered)
    };
    elsewhere.or_else(nearly).map(|(module, name)| format!("{module}.{name}"))
}

/// Counts the characters that have to be changed, added or left out (Levenshtein 1966), whatever their case; dashes
/// and underscores are the same.
fn distance(one: &str, other: &str) -> usize {
    let plain = |text: &str| -> Vec<char> {
        text.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
    };
    let (one, other) = (plain(one), plain(other));
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, a) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, b) in other.iter().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_changes() {
        assert_eq!(distance("", ""), 0);
        assert_eq!(distance("log", ""), 3);
        assert_eq!(distance("get-time", "GET_time"), 0);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
