//! The names of a module's functions.
//!
//! Only backtraces need them, and there may be thousands, each of any length: they are the guest's to choose. So they
//! never get to Wasmer, which would copy them for each frame of each backtrace. They are taken off the module before it is
//! compiled, cut to a length that a log can bear, travel beside the native code, and are not looked at before somebody
//! asks.

use std::fmt::{self, Write};
use std::ops::Range;
use std::sync::OnceLock;

use bytes::Bytes;

use crate::sys::artifact::sections::{number, sections, text};

/// Length of a name that is kept, in bytes. Those that compilers make of generic functions are longer than they are
/// shown.
const KEPT_BYTES: usize = 512;

/// Length of a name that is shown, in characters.
pub(crate) const SHOWN_CHARS: usize = 256;

/// The subsection of a name section with the names of functions.
const OF_FUNCTIONS: u8 = 1;

/// The names of functions by their index, imported ones included.
///
/// Written as one after the other: index (4 bytes) and length (2 bytes), both little-endian, and text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    written: Bytes,
    /// The indices in their order, each with the place of its text in what is written.
    index: OnceLock<Box<[NameRange]>>,
}

/// A function, and where its name is.
type NameRange = (u32, Range<u32>);

impl Names {
    /// The names that a valid module gives its functions.
    pub(super) fn of(wasm: &[u8]) -> Self {
        let mut written = Vec::new();
        for section in sections(wasm).filter(|section| section.is_names) {
            write_names(&wasm[section.contents], &mut written);
        }
        Self::read_when_needed(written.into())
    }

    /// Takes names that were written once, which must be authentic.
    pub(super) fn read_when_needed(written: Bytes) -> Self {
        Self { written, index: OnceLock::new() }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.written
    }

    /// The name of the function of that index, if it has one, as it may be shown.
    pub(crate) fn of_function(&self, function: u32) -> Option<String> {
        let index = self.index.get_or_init(|| read_index(&self.written));
        let at = index.binary_search_by_key(&function, |(function, _)| *function).ok()?;
        let (_, text) = &index[at];
        let text = self.written.get(text.start as usize..text.end as usize)?;
        Some(shown(&String::from_utf8_lossy(text)))
    }
}

/// Writes down the names of functions in a name section, as far as they can be read. Nobody has validated it.
fn write_names(section: &[u8], written: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(id) = section.get(at) {
        at += 1;
        let Some(names) = text(section, &mut at) else { return };
        if *id != OF_FUNCTIONS {
            continue;
        }
        let mut at = 0;
        let count = number(names, &mut at).unwrap_or_default();
        for _ in 0..count {
            let Some(function) = number(names, &mut at) else { return };
            let Some(name) = text(names, &mut at) else { return };
            let Ok(function) = u32::try_from(function) else { return };
            let kept = &name[..name.len().min(KEPT_BYTES)];
            let Ok(len) = u16::try_from(kept.len()) else { return };
            written.extend_from_slice(&function.to_le_bytes());
            written.extend_from_slice(&len.to_le_bytes());
            written.extend_from_slice(kept);
        }
    }
}

/// Where each name is. What cannot be read has no names: nothing but words for people is lost.
fn read_index(written: &[u8]) -> Box<[NameRange]> {
    let mut index = Vec::new();
    let mut at = 0;
    while let Some((function, rest)) = written.get(at..).and_then(<[u8]>::split_first_chunk::<4>)
        && let Some((len, _)) = rest.split_first_chunk::<2>()
    {
        let start = at + 6;
        let end = start + usize::from(u16::from_le_bytes(*len));
        let (Ok(from), Ok(to)) = (u32::try_from(start), u32::try_from(end)) else { break };
        index.push((u32::from_le_bytes(*function), from..to));
        at = end;
    }
    // Of several names for one function the last counts.
    index.reverse();
    index.sort_by_key(|(function, _)| *function);
    index.dedup_by_key(|(function, _)| *function);
    index.into()
}

/// A name as people know it, and so that it does nothing to a terminal or a log: without the ends that compilers add, with
/// what is not printable escaped, and cut.
pub(crate) fn shown(name: &str) -> String {
    let mut text = Shown { text: String::new(), room: SHOWN_CHARS };
    // Fails where the name is cut.
    if write!(text, "{:#}", rustc_demangle::demangle(name)).is_err() {
        text.text.push_str("...");
    }
    text.text
}

/// A text that takes so many characters more.
struct Shown {
    text: String,
    room: usize,
}

impl Write for Shown {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        for char in more.chars() {
            self.room = self.room.checked_sub(1).ok_or(fmt::Error)?;
            match char {
                '"' | '\'' | '\\' => self.text.push(char),
                _ => self.text.extend(char.escape_debug()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn names_are_found_in_the_module_and_come_back_from_what_was_written() {
        let names = Names::of(&module("(module (func $one) (func) (func $three))"));
        let read = Names::read_when_needed(Bytes::copy_from_slice(names.as_bytes()));
        for names in [names, read] {
            let found = [0, 1, 2, 3].map(|function| names.of_function(function));
            assert_eq!(found, [Some("one".into()), None, Some("three".into()), None]);
        }
    }

    #[test]
    fn long_names_are_cut_and_what_is_not_printable_is_escaped() {
        let long = "x".repeat(100_000);
        let text = format!("(module (func $a) (func $b) (func ${long}))");
        let names = Names::of(&module(&text));
        assert!(names.as_bytes().len() < 2 * KEPT_BYTES);
        let name = names.of_function(2).unwrap();
        assert_eq!(name, format!("{}...", "x".repeat(SHOWN_CHARS)));
        assert_eq!(shown("a\x1b[2Jb\n\u{202e}\"\u{e4}"), "a\\u{1b}[2Jb\\n\\u{202e}\"\u{e4}");
        // It stands for a name of a megabyte.
        assert!(shown("_RNvCs1234_7mycrate3foo").starts_with("mycrate"));
    }

    #[test]
    fn rubbish_has_no_names() {
        for bytes in [
            &b""[..],
            b"\0asm",
            b"\0asm\x01\0\0\0\0\xff\xff\xff\xff\x0f",
            b"\0asm\x01\0\0\0\0\x07\x04name\x01\x05",
        ] {
            assert!(Names::of(bytes).as_bytes().is_empty());
            assert!(
                Names::read_when_needed(Bytes::copy_from_slice(bytes)).of_function(0).is_none()
            );
        }
        assert!(Names::default().of_function(0).is_none());
    }
}
