//! Filling a bundle file by file.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

use super::{Body, BundleId, Contents, DEEPEST, FileBundle, InvalidBundle, Nodes, Refusal};

/// Fills a [`FileBundle`]; [`FileBundle::builder`] makes one.
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until it is built"]
pub struct FileBundleBuilder {
    entries: Vec<(String, Entry)>,
}

enum Entry {
    Folder,
    File(Bytes),
    Link(String),
}

impl fmt::Debug for Entry {
    /// Lengths only: contents may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder => f.write_str("Folder"),
            Self::File(contents) => write!(f, "File({} bytes)", contents.len()),
            Self::Link(target) => f.debug_tuple("Link").field(target).finish(),
        }
    }
}

impl FileBundleBuilder {
    /// Adds a file, and the folders that lead to it. The contents are not copied.
    pub fn file(self, path: impl Into<String>, contents: impl Into<Bytes>) -> Self {
        self.entry(path, Entry::File(contents.into()))
    }

    /// Adds a folder, and those that lead to it. One that is there already stays.
    pub fn folder(self, path: impl Into<String>) -> Self {
        self.entry(path, Entry::Folder)
    }

    /// Adds a symbolic link, and the folders that lead to it. Its target is a path from the folder that it is in, and a
    /// guest that follows it does not get out of the bundle.
    pub fn link(self, path: impl Into<String>, target: impl Into<String>) -> Self {
        self.entry(path, Entry::Link(target.into()))
    }

    fn entry(mut self, path: impl Into<String>, entry: Entry) -> Self {
        self.entries.push((path.into(), entry));
        self
    }

    /// Makes the bundle.
    ///
    /// # Errors
    /// [`InvalidBundle`] for a path that leads nowhere or that is given twice, and a target that is no
    /// relative path.
    pub fn build(self) -> Result<FileBundle, InvalidBundle> {
        let mut nodes = Nodes::new(0);
        for (path, entry) in self.entries {
            add(&mut nodes, &path, entry)
                .map_err(|message| InvalidBundle { path, message: message.into() })?;
        }
        Ok(nodes.into())
    }
}

fn add(nodes: &mut Nodes, path: &str, entry: Entry) -> Result<(), Refusal> {
    let mut names: Vec<&str> = path.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
    if names.len() > DEEPEST {
        return Err("a path has at most 128 names");
    }
    let mut folder = BundleId::ROOT;
    let last = match entry {
        Entry::Folder => None,
        Entry::File(_) | Entry::Link(_) => Some(names.pop().ok_or("a path has a name in it")?),
    };
    for name in names {
        folder = match nodes.find(folder, name) {
            Some(found) => found,
            None => nodes.add(folder, name, 0, Body::Folder(BTreeMap::new()))?,
        };
    }
    let body = match entry {
        Entry::Folder => return nodes.check_folder(folder),
        Entry::File(contents) => Body::File(Contents::Here(contents)),
        Entry::Link(target) => Body::Link(target.into()),
    };
    nodes.add(folder, last.unwrap_or_default(), 0, body).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_cannot_be_are_refused() {
        let refused = [
            FileBundle::builder().file("", "x"),
            FileBundle::builder().file("/", "x"),
            FileBundle::builder().file("a/../b", "x"),
            FileBundle::builder().file("a\0b", "x"),
            FileBundle::builder().file("n".repeat(256), "x"),
            FileBundle::builder().file("a", "x").file("a", "y"),
            FileBundle::builder().file("a", "x").folder("a"),
            FileBundle::builder().file("a", "x").file("a/b", "y"),
            FileBundle::builder().link("a", ""),
            FileBundle::builder().link("a", "/etc"),
            FileBundle::builder().folder("d/".repeat(DEEPEST + 1)),
        ];
        for builder in refused {
            let error = builder.build().unwrap_err();
            assert!(error.to_string().starts_with("failed to make a bundle"), "{error}");
        }
    }

    #[test]
    fn folders_on_the_way_are_made_once() {
        let bundle = FileBundle::builder()
            .file("/a/b/c", "x")
            .folder("a/b")
            .folder("a/./d/")
            .link("a/l", "../a")
            .build();
        let bundle = bundle.unwrap();
        assert_eq!(format!("{bundle:?}"), "FileBundle(6 files, folders and links)");
        assert_eq!(bundle, bundle.clone());
        assert_ne!(bundle, FileBundle::builder().build().unwrap());
    }
}
