//! Documents that rely on tests name some that are there.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use camino::Utf8Path;
use fs_err as fs;

/// Documents whose promises have a test each.
const DOCUMENTS: [&str; 2] = ["SECURITY.md", "docs/design/dependencies.md"];

/// Words that look like tests and are something else.
const OTHERS: [&str; 5] =
    ["cargo_home", "clock_gettime", "memory_limit_bytes", "on_host_stack", "raise_lib_trap"];

/// Returns a sentence for each test that a document names and nobody has.
pub(super) fn check(root: &Utf8Path) -> Result<Vec<String>> {
    let mut there = BTreeSet::new();
    collect(&root.join("crates"), &mut there)?;
    let mut broken = Vec::new();
    for document in DOCUMENTS {
        let text = fs::read_to_string(root.join(document))?;
        for name in named(&text).filter(|name| !there.contains(*name)) {
            broken.push(format!("{document} names the test `{name}`, which is nowhere"));
        }
    }
    Ok(broken)
}

/// Whole names of tests in a text: words in backticks with three underscores or more, which no item of a crate has.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split('`').skip(1).step_by(2);
    words.filter(|word| {
        let is_name =
            word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        is_name && word.matches('_').count() >= 3 && !OTHERS.contains(word)
    })
}

/// Collects the names of functions, and of what macros make into tests (`name = scene`).
fn collect(folder: &Utf8Path, there: &mut BTreeSet<String>) -> Result<()> {
    for entry in folder.read_dir_utf8().with_context(|| format!("failed to read {folder}"))? {
        let path = entry.with_context(|| format!("failed to read {folder}"))?.into_path();
        if path.is_dir() {
            collect(&path, there)?;
        } else if path.extension() == Some("rs") {
            let source = fs::read_to_string(&path)?;
            there.extend(source.lines().filter_map(defined).map(str::to_owned));
        }
    }
    Ok(())
}

/// The name that a line of source defines, if it may be one of a test.
fn defined(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let of_function = line.split_once("fn ").map(|(_, rest)| rest);
    let name = of_function.unwrap_or(line);
    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
    let (name, rest) = name.split_at(end);
    let is_defined = of_function.is_some() || rest.starts_with(" = ") || rest.starts_with(" {");
    (is_defined && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tests_are_found_in_a_document_and_in_sources() {
        let text = "by `sys::fork` and `a_test_of_this`, `traps_..._code_...`, `a_short_one`, `all of interrupts`";
        assert_eq!(named(text).collect::<Vec<_>>(), ["a_test_of_this"]);
        assert_eq!(defined("    async fn a_test_of_this() {"), Some("a_test_of_this"));
        assert_eq!(defined("    where_it_is = scene {"), Some("where_it_is"));
        assert_eq!(defined("    fn generic<T>(a: T) {"), Some("generic"));
        assert_eq!(defined("let a_test_of_this;"), None);
    }
}
