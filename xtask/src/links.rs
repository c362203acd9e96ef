//! Links of the documents to files and headings of this repository.

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

/// Folders that hold no documents of the repository.
const PASSED_BY: [&str; 4] = [".git", "node_modules", "target", "tests"];

/// Returns what is wrong with the links of all documents, a sentence each.
pub(crate) fn check(root: &Utf8Path) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for document in documents(root)? {
        let text = fs::read_to_string(&document)?;
        let shown = document.strip_prefix(root).unwrap_or(&document);
        for link in links(&text) {
            if let Some(fault) = fault(&document, &text, &link)? {
                broken.push(format!("{shown}: the link `{link}` {fault}"));
            }
        }
    }
    Ok(broken)
}

/// Lists the documents of a repository.
pub(crate) fn documents(root: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let mut documents = Vec::new();
    collect(root, &mut documents)?;
    Ok(documents)
}

fn collect(folder: &Utf8Path, documents: &mut Vec<Utf8PathBuf>) -> Result<()> {
    for entry in folder.read_dir_utf8().with_context(|| format!("failed to read {folder}"))? {
        let path = entry.with_context(|| format!("failed to read {folder}"))?.into_path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() {
            if !PASSED_BY.contains(&name) {
                collect(&path, documents)?;
            }
        } else if path.extension() == Some("md") {
            documents.push(path);
        }
    }
    Ok(())
}

/// Says what is wrong with a link of a document, if it is one within the repository.
fn fault(document: &Utf8Path, text: &str, link: &str) -> Result<Option<String>> {
    if link.contains("://") || link.starts_with("mailto:") {
        return Ok(None);
    }
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = document.parent().unwrap_or(document).join(path);
    if !path.is_empty() && !target.exists() {
        return Ok(Some("leads to nothing".to_owned()));
    }
    if heading.is_empty() || !(path.is_empty() || target.extension() == Some("md")) {
        return Ok(None);
    }
    let target = if path.is_empty() { text.to_owned() } else { fs::read_to_string(target)? };
    Ok((!anchors(&target).any(|anchor| anchor == heading))
        .then(|| "names a heading that is not there".to_owned()))
}

/// The lines outside of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// The targets of the links of a document. A link may be broken into two lines before its target.
pub(crate) fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        // Of each pair of backticks, what lies between is code.
        let outside: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for (at, _) in outside.match_indices("](") {
            let target = &outside[at + 2..];
            if let Some((target, _)) = target.split_once(')') {
                found.push(target.to_owned());
            }
        }
    }
    found
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    headings.map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|char| char.is_alphanumeric() || " -_".contains(*char));
        kept.map(|char| if char == ' ' { '-' } else { char }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_in_prose_are_found_and_those_in_code_are_not() {
        let text =
            "See [a](b.md) and [`c`](d.md#e).\n`[f](g.md)`\n```\n[h](i.md)\n```\n![j](k.svg)\n";
        assert_eq!(links(text), ["b.md", "d.md#e", "k.svg"]);
    }

    #[test]
    fn headings_have_the_anchors_of_github() {
        let text = "# What a guest may use\n## `cargo xtask bench`\n### Costs, in short\n";
        let anchors: Vec<String> = anchors(text).collect();
        assert_eq!(anchors, ["what-a-guest-may-use", "cargo-xtask-bench", "costs-in-short"]);
    }

    #[test]
    fn a_link_to_a_missing_file_or_heading_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        fs::create_dir(root.join("docs")).unwrap();
        fs::write(root.join("docs/there.md"), "# A heading\n[up](../README.md#top)\n").unwrap();
        let readme = "# Top\n[a](docs/there.md#a-heading) [b](docs/there.md#another) [c](gone.md)\n\
                      [d](#top) [e](https://example.com/gone.md)\n";
        fs::write(root.join("README.md"), readme).unwrap();
        assert_eq!(
            check(root).unwrap(),
            [
                "README.md: the link `docs/there.md#another` names a heading that is not there",
                "README.md: the link `gone.md` leads to nothing",
            ]
        );
    }
}
