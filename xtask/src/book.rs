//! `cargo xtask book`: the documents as one book, by mdBook.
//!
//! mdBook takes a book from one folder, and documents lie beside what they are about. So those that `docs/SUMMARY.md` lists are
//! copied below `target/book`, with the files that they link to, each to the path that it has here: their links hold there too.

use std::collections::BTreeSet;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use clap::Args;
use fs_err as fs;

use crate::links::{documents, links};
use crate::process::{is_on_path, read};
use crate::workspace::Workspace;

/// List of the chapters.
const SUMMARY: &str = "docs/SUMMARY.md";

/// Documents that are no chapters: the list itself, forms for whoever reports something, and an input of a benchmark.
const NO_CHAPTERS: [&str; 3] = [SUMMARY, ".github", "crates/sandbox-bench/src/inputs"];

#[derive(Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(workspace: &Workspace, _: &Arguments) -> Result<ExitCode> {
    if let Some(missing) = missing() {
        bail!(missing);
    }
    build(workspace)?;
    println!("{}", workspace.book().join("html/index.html"));
    Ok(ExitCode::SUCCESS)
}

/// Says what is not installed.
pub(crate) fn missing() -> Option<String> {
    let is_there = is_on_path(&["mdbook"]);
    (!is_there).then(|| "mdbook is not installed: cargo install --locked mdbook".to_owned())
}

/// Makes the book, and looks whether all its links lead somewhere.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    if workspace.book().exists() {
        fs::remove_dir_all(workspace.book())?;
    }
    let chapters = assemble(workspace)?;
    read(Command::new("mdbook").arg("build").current_dir(workspace.root()))?;
    let html = workspace.book().join("html");
    let mut broken = Vec::new();
    for chapter in &chapters {
        let page = html.join(chapter).with_extension("html");
        let text = fs::read_to_string(&page)?;
        for link in values(&text, "href").chain(values(&text, "src")) {
            if !leads_somewhere(&page, &text, link)? {
                broken.push(format!("{chapter}: `{link}` leads to nothing in the book"));
            }
        }
    }
    if broken.is_empty() { Ok(()) } else { bail!(broken.join("\n       ")) }
}

/// Returns the documents that no reader of the book would find, a sentence each.
pub(crate) fn unlisted(root: &Utf8Path) -> Result<Vec<String>> {
    let chapters: BTreeSet<Utf8PathBuf> = chapters(root)?.into_iter().collect();
    let mut unlisted = Vec::new();
    for document in documents(root)? {
        let document = document.strip_prefix(root).unwrap_or(&document).to_owned();
        if !chapters.contains(&document) && !NO_CHAPTERS.iter().any(|no| document.starts_with(no)) {
            unlisted.push(format!("{SUMMARY} does not list {document}"));
        }
    }
    Ok(unlisted)
}

/// Lists the documents that are chapters, by their paths from the root.
fn chapters(root: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let summary = fs::read_to_string(root.join(SUMMARY))?;
    Ok(links(&summary).iter().map(|link| target(Utf8Path::new(SUMMARY), link)).collect())
}

/// Puts the chapters, and what they link to, where mdBook takes them from.
fn assemble(workspace: &Workspace) -> Result<Vec<Utf8PathBuf>> {
    let (root, source) = (workspace.root(), workspace.book().join("src"));
    let chapters = chapters(root)?;
    for chapter in &chapters {
        copy(root, &source, chapter)?;
        for link in links(&fs::read_to_string(root.join(chapter))?) {
            if !is_elsewhere(&link) {
                let linked = target(chapter, &link);
                if linked.extension() != Some("md") {
                    copy(root, &source, &linked)?;
                }
            }
        }
    }
    let mut summary = fs::read_to_string(root.join(SUMMARY))?;
    for link in links(&summary) {
        let target = target(Utf8Path::new(SUMMARY), &link);
        summary = summary.replace(&format!("]({link})"), &format!("]({target})"));
    }
    fs::write(source.join("SUMMARY.md"), summary)?;
    Ok(chapters)
}

/// Copies a file or a folder to the same path below another root.
fn copy(root: &Utf8Path, to: &Utf8Path, path: &Utf8Path) -> Result<()> {
    let (from, to_path) = (root.join(path), to.join(path));
    if !from.is_dir() {
        fs::create_dir_all(to_path.parent().unwrap_or(to))?;
        fs::copy(from, to_path)?;
        return Ok(());
    }
    for entry in from.read_dir_utf8().with_context(|| format!("failed to read {from}"))? {
        let entry = entry.with_context(|| format!("failed to read {from}"))?;
        copy(root, to, &path.join(entry.file_name()))?;
    }
    Ok(())
}

/// Whether a link leads out of the repository.
fn is_elsewhere(link: &str) -> bool {
    link.contains("://") || link.starts_with("mailto:")
}

/// The path from the root that a link in a document means.
fn target(document: &Utf8Path, link: &str) -> Utf8PathBuf {
    let (path, _) = link.split_once('#').unwrap_or((link, ""));
    if path.is_empty() {
        return document.to_owned();
    }
    let joined = document.parent().unwrap_or(Utf8Path::new("")).join(path);
    let mut target = Utf8PathBuf::new();
    for component in joined.components() {
        match component {
            Utf8Component::ParentDir => {
                target.pop();
            }
            Utf8Component::CurDir => {}
            other => target.push(other),
        }
    }
    target
}

/// The values of an attribute in a page of HTML.
fn values<'p>(page: &'p str, attribute: &str) -> impl Iterator<Item = &'p str> {
    let start = format!(" {attribute}=\"");
    let length = start.len();
    let starts: Vec<usize> = page.match_indices(&start).map(|(at, _)| at + length).collect();
    starts.into_iter().filter_map(|at| page[at..].split('"').next())
}

/// Whether a page's link is to somewhere else, or to a file and a heading that are there.
fn leads_somewhere(page: &Utf8Path, text: &str, link: &str) -> Result<bool> {
    if is_elsewhere(link) || link.starts_with("data:") || link.starts_with("javascript:") {
        return Ok(true);
    }
    let (_, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = target(page, link);
    if heading.is_empty() {
        return Ok(target.exists());
    }
    let has = |text: &str| text.contains(&format!(" id=\"{heading}\""));
    Ok(if target == page {
        has(text)
    } else {
        target.is_file() && has(&fs::read_to_string(target)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository with two chapters, of which one links to the other, to a file and to a folder.
    fn repository() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap().to_owned();
        let write = |path: &str, text: &str| {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), text).unwrap();
        };
        write(
            "README.md",
            "# Top\n[a](docs/a.md#there) [s](src/a.rs) [all](src) [x](https://example.com)\n",
        );
        write("docs/a.md", "# There\n[up](../README.md) [here](#there)\n");
        write("src/a.rs", "fn a() {}\n");
        write(SUMMARY, "# Summary\n\n[Top](../README.md)\n\n- [A](a.md)\n");
        (folder, root)
    }

    #[test]
    fn chapters_keep_their_paths_and_what_they_link_to() {
        let (_folder, root) = repository();
        let workspace = Workspace::at(&root);
        assert_eq!(assemble(&workspace).unwrap(), ["README.md", "docs/a.md"]);
        let source = workspace.book().join("src");
        for path in ["README.md", "docs/a.md", "src/a.rs"] {
            let copied = fs::read_to_string(source.join(path)).unwrap();
            assert_eq!(copied, fs::read_to_string(root.join(path)).unwrap());
        }
        let summary = fs::read_to_string(source.join("SUMMARY.md")).unwrap();
        assert_eq!(summary, "# Summary\n\n[Top](README.md)\n\n- [A](docs/a.md)\n");
    }

    #[test]
    fn a_document_that_is_no_chapter_is_named() {
        let (_folder, root) = repository();
        assert!(unlisted(&root).unwrap().is_empty());
        fs::write(root.join("docs/b.md"), "# B\n").unwrap();
        assert_eq!(unlisted(&root).unwrap(), ["docs/SUMMARY.md does not list docs/b.md"]);
    }

    #[test]
    fn a_link_of_a_page_that_leads_to_nothing_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let page = root.join("a/page.html");
        fs::create_dir(root.join("a")).unwrap();
        fs::write(root.join("other.html"), "<h1 id=\"top\">Top</h1>").unwrap();
        let text = "<h1 id=\"here\"><a class=\"x\" href=\"../other.html#top\">a</a><img src=\"no.png\"></h1>";
        fs::write(&page, text).unwrap();
        let found: Vec<&str> = values(text, "href").chain(values(text, "src")).collect();
        assert_eq!(found, ["../other.html#top", "no.png"]);
        let leads = |link: &str| leads_somewhere(&page, text, link).unwrap();
        for whole in ["../other.html#top", "../other.html", "#here", "https://example.com/x#y"] {
            assert!(leads(whole), "{whole}");
        }
        for broken in ["no.png", "../other.html#bottom", "#there", "../gone.html#top"] {
            assert!(!leads(broken), "{broken}");
        }
    }
}
