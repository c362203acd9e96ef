//! The sections of a module, as far as its names are concerned.

use std::borrow::Cow;
use std::ops::Range;

/// The module without its names: the same module for all that executes it.
pub(super) fn without_names(wasm: &[u8]) -> Cow<'_, [u8]> {
    let mut named = sections(wasm).filter(|section| section.is_names).peekable();
    if named.peek().is_none() {
        return Cow::Borrowed(wasm);
    }
    let mut rest = Vec::with_capacity(wasm.len());
    let mut copied = 0;
    for section in named {
        rest.extend_from_slice(&wasm[copied..section.whole.start]);
        copied = section.whole.end;
    }
    rest.extend_from_slice(&wasm[copied..]);
    Cow::Owned(rest)
}

/// One section of a module.
pub(crate) struct Section {
    whole: Range<usize>,
    pub(crate) is_names: bool,
    /// Contents after its name, of a section with a name.
    pub(crate) contents: Range<usize>,
}

/// The sections of a module, as far as it is one.
pub(crate) fn sections(wasm: &[u8]) -> impl Iterator<Item = Section> + '_ {
    const HEADER_BYTES: usize = 8;
    const CUSTOM: u8 = 0;
    let mut at = HEADER_BYTES;
    std::iter::from_fn(move || {
        let start = at;
        let id = *wasm.get(at)?;
        at += 1;
        let len = number(wasm, &mut at)?;
        let end = at.checked_add(len).filter(|end| *end <= wasm.len())?;
        let mut name_at = at;
        let name = (id == CUSTOM).then(|| text(&wasm[..end], &mut name_at)).flatten();
        at = end;
        let is_names = name == Some(b"name");
        Some(Section { whole: start..end, is_names, contents: name_at..end })
    })
}

/// A number in the format of WebAssembly that fits 32 bits.
pub(crate) fn number(bytes: &[u8], at: &mut usize) -> Option<usize> {
    let mut value = 0u64;
    for shift in (0..35).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return usize::try_from(value).ok();
        }
    }
    None
}

/// A text with its length before it.
pub(crate) fn text<'a>(bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let len = number(bytes, at)?;
    let end = at.checked_add(len)?;
    let text = bytes.get(*at..end)?;
    *at = end;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn a_module_without_its_names_is_the_same_module() {
        let named = module(
            r#"(module (@custom "before" "x") (func $one (export "one")) (@custom "after" "y"))"#,
        );
        let rest = without_names(&named);
        assert!(rest.len() < named.len());
        let engine = wasmer::Engine::default();
        let compiled = wasmer::Module::new(&engine, &rest).unwrap();
        assert!(compiled.info().function_names.is_empty());
        assert_eq!(compiled.exports().count(), 1);
        assert_eq!(compiled.custom_sections("after").count(), 1);
        let nameless = module("(module (func))");
        assert!(matches!(without_names(&nameless), Cow::Borrowed(_)));
    }
}
