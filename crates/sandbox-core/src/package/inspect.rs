//! A look at the bytes of a package before Wasmer reads them.
//!
//! The reader of `webc` takes them at their word: an end before its begin, a length near the end of all numbers or a
//! strange name make it panic, and a folder that is in itself makes it go on for ever. All that it would meet is looked
//! at here first, in a time that the limits bound.

use std::ops::Range;

use webc::v3::read::Section;
use webc::v3::{Index, Span, Tag};

use crate::bundle::{DEEPEST, LONGEST_NAME};
use crate::error::{PackageMeasure, Result, SandboxError};

/// Largest number of files, folders and links in a package, together.
pub(super) const MOST_NODES: usize = 200_000;

/// Largest number of folders that a package has and that are shown by themselves.
pub(super) const MOST_VOLUMES: u64 = 256;

/// Largest manifest and index, in bytes. In memory a manifest takes some tens of times as much.
const METADATA_BYTES: u64 = 1 << 20;

/// Number of names that are passed by on the way to all folders together. `webc` goes through those before the one
/// that it looks for, in each folder on the way: so many take it about a second.
const MOST_PASSED: u64 = 20_000_000;

/// Longest target of a link, in bytes: the longest path.
const LONGEST_TARGET: usize = 4095;

/// Magic bytes and version of the format that is read.
const BEGIN: &[u8] = b"\0webc003";

const HASH_BYTES: usize = 32;

/// Times of access, change and creation.
const TIMES: usize = 3;

/// The last time that a file can have, in seconds since 1970: so that it can be told in nanoseconds.
const LAST_SECOND: u64 = i64::MAX as u64 / 1_000_000_000;

pub(super) fn invalid(message: impl Into<String>) -> SandboxError {
    SandboxError::InvalidPackage { message: message.into() }
}

/// Makes sure that there is not more of something than is read.
pub(super) fn limit(measure: PackageMeasure, found: u64, limit: u64) -> Result<()> {
    if found <= limit { Ok(()) } else { Err(SandboxError::PackageLimit { measure, found, limit }) }
}

/// Makes sure that a package can be read.
///
/// # Errors
/// [`SandboxError::InvalidPackage`] and [`SandboxError::PackageLimit`].
pub(super) fn check(bytes: &[u8]) -> Result<()> {
    let Some(rest) = bytes.strip_prefix(BEGIN) else { return Err(other_format(bytes)) };
    let mut rest = Cursor { bytes: rest, what: "the index" };
    rest.tag(Tag::Index)?;
    let index = index(rest.sized()?)?;
    let manifest = section(bytes, index.manifest.span, Tag::Manifest, "the manifest")?;
    limit(PackageMeasure::ManifestBytes, manifest.bytes.len() as u64, METADATA_BYTES)?;
    let mut inspection = Inspection { nodes: 0, passed: 0 };
    let mut atoms = section(bytes, index.atoms.span, Tag::Atoms, "its modules")?;
    inspection.tree(&mut atoms, Shape::Flat)?;
    limit(PackageMeasure::Folders, index.volumes.len() as u64, MOST_VOLUMES)?;
    for entry in index.volumes.values() {
        let mut volume = section(bytes, entry.span, Tag::Volume, "a folder")?;
        let name = volume.sized()?;
        std::str::from_utf8(name).map_err(|_| invalid("the name of a folder is not UTF-8"))?;
        inspection.tree(&mut volume, Shape::Deep)?;
    }
    Ok(())
}

fn other_format(bytes: &[u8]) -> SandboxError {
    invalid(match bytes {
        [0, b'w', b'e', b'b', b'c', version @ ..] if version.len() >= 3 => {
            "it is of another version of `webc` than 3; build it anew with a current `wasmer package build`"
        }
        [0x1f, 0x8b, ..] => "it is a compressed archive; unpack it, and use `Package::from_folder`",
        [0, b'a', b's', b'm', ..] => "it is a WebAssembly module; use `WasmSandboxBuilder::source`",
        _ => "it does not begin as a `webc` file does",
    })
}

fn index(bytes: &[u8]) -> Result<Index> {
    limit(PackageMeasure::IndexBytes, bytes.len() as u64, METADATA_BYTES)?;
    let section = Section::parse(Tag::Index.as_u8(), None, bytes.to_vec().into());
    let section = section.map_err(|error| invalid(error.to_string()))?;
    let index = section.as_index().ok_or_else(|| invalid("its index is none"))?;
    index.index().map_err(|error| invalid(format!("its index cannot be decoded: {error}")))
}

/// The contents of a section that the index names.
fn section<'a>(bytes: &'a [u8], span: Span, tag: Tag, what: &'static str) -> Result<Cursor<'a>> {
    let end = span.start.checked_add(span.len);
    let section = end.and_then(|end| bytes.get(span.start..end));
    let bytes = section.ok_or_else(|| invalid(format!("{what} is not in the file")))?;
    let mut cursor = Cursor { bytes, what };
    cursor.tag(tag)?;
    cursor.take(HASH_BYTES)?;
    Ok(Cursor { bytes: cursor.sized()?, what })
}

/// Kinds of entries that a tree may have in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Files beside each other.
    Flat,
    /// Also folders and links.
    Deep,
}

/// Counts of what was looked at in all trees.
struct Inspection {
    nodes: usize,
    passed: u64,
}

/// A folder on the way.
struct Folder<'a> {
    entries: Cursor<'a>,
    depth: usize,
    /// Number of names that are passed by on the way to it.
    passed: u64,
}

impl Inspection {
    /// Looks at a header and the data behind it.
    fn tree(&mut self, tree: &mut Cursor<'_>, shape: Shape) -> Result<()> {
        let header = tree.sized()?;
        let data = tree.sized()?;
        let what = tree.what;
        let root = Cursor { bytes: header, what };
        let mut todo = match self.node(root, data, 0, 0)? {
            Some(root) => vec![root],
            None => return Err(invalid(format!("{what} does not begin with a folder"))),
        };
        while let Some(mut folder) = todo.pop() {
            let mut passed = folder.passed;
            while !folder.entries.bytes.is_empty() {
                passed += 1;
                let offset = folder.entries.number()?;
                folder.entries.take(HASH_BYTES)?;
                check_name(folder.entries.sized()?)?;
                let at = usize::try_from(offset).ok().and_then(|offset| header.get(offset..));
                let at = at.ok_or_else(|| invalid(format!("{what} has an entry outside of it")))?;
                let node = Cursor { bytes: at, what };
                match self.node(node, data, folder.depth + 1, passed)? {
                    Some(_) if shape == Shape::Flat => {
                        return Err(invalid("a module is a folder"));
                    }
                    Some(below) => todo.push(below),
                    None => {}
                }
            }
        }
        Ok(())
    }

    /// Looks at one node. Returns it if it is a folder.
    fn node<'a>(
        &mut self,
        mut node: Cursor<'a>,
        data: &[u8],
        depth: usize,
        passed: u64,
    ) -> Result<Option<Folder<'a>>> {
        self.nodes += 1;
        limit(PackageMeasure::Entries, self.nodes as u64, MOST_NODES as u64)?;
        let [tag] = node.array()?;
        match Tag::from_u8(tag) {
            Some(Tag::Directory) => {
                limit(PackageMeasure::Depth, depth as u64, DEEPEST as u64)?;
                self.passed += passed;
                limit(PackageMeasure::PassedNames, self.passed, MOST_PASSED)?;
                let mut entries = Cursor { bytes: node.sized()?, what: node.what };
                entries.times()?;
                entries.take(HASH_BYTES)?;
                Ok(Some(Folder { entries, depth, passed }))
            }
            Some(Tag::File) => {
                let range = Range { start: node.number()?, end: node.number()? };
                if range.start > range.end || range.end > data.len() as u64 {
                    return Err(invalid(format!("{} has a file outside of its data", node.what)));
                }
                node.take(HASH_BYTES)?;
                node.times()?;
                Ok(None)
            }
            Some(Tag::Symlink) => {
                check_target(node.sized()?, depth)?;
                node.take(HASH_BYTES)?;
                node.times()?;
                Ok(None)
            }
            _ => Err(invalid(format!("{} has something unknown in it", node.what))),
        }
    }
}

fn check_name(name: &[u8]) -> Result<()> {
    let is_good = |name: &&str| {
        !matches!(*name, "" | "." | "..")
            && !name.contains(['/', '\0'])
            && name.len() <= LONGEST_NAME
    };
    match std::str::from_utf8(name).ok().filter(is_good) {
        Some(_) => Ok(()),
        None => Err(invalid(format!("a file has the name {:?}", name.escape_ascii().to_string()))),
    }
}

/// Makes sure that a link does not lead out of its tree. It is in a folder of the depth before its own.
fn check_target(target: &[u8], depth: usize) -> Result<()> {
    let leads_in = |target: &&str| {
        let mut level = depth.saturating_sub(1);
        let mut names = target.split('/').filter(|name| !matches!(*name, "" | "."));
        names.all(|name| {
            let below = if name == ".." { level.checked_sub(1) } else { Some(level + 1) };
            below.map(|below| level = below).is_some()
        })
    };
    let is_good = |target: &&str| {
        !target.is_empty()
            && target.len() <= LONGEST_TARGET
            && !target.starts_with('/')
            && !target.contains('\0')
            && leads_in(target)
    };
    match std::str::from_utf8(target).ok().filter(is_good) {
        Some(_) => Ok(()),
        None => Err(invalid(format!(
            "a link leads to {:?}",
            target.escape_ascii().take(LONGEST_NAME).map(char::from).collect::<String>()
        ))),
    }
}

/// Bytes that are taken from the front, and what they are of, for errors.
struct Cursor<'a> {
    bytes: &'a [u8],
    what: &'static str,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let split = self.bytes.split_at_checked(len);
        let (taken, rest) = split.ok_or_else(|| invalid(format!("{} is cut off", self.what)))?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const LEN: usize>(&mut self) -> Result<[u8; LEN]> {
        let mut array = [0; LEN];
        array.copy_from_slice(self.take(LEN)?);
        Ok(array)
    }

    fn number(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Takes a length and as many bytes.
    fn sized(&mut self) -> Result<&'a [u8]> {
        let len = self.number()?;
        self.take(usize::try_from(len).unwrap_or(usize::MAX))
    }

    fn tag(&mut self, tag: Tag) -> Result<()> {
        match self.array()? {
            [found] if found == tag.as_u8() => Ok(()),
            _ => Err(invalid(format!("where {} should be is something else", self.what))),
        }
    }

    fn times(&mut self) -> Result<()> {
        for _ in 0..TIMES {
            if self.number()? > LAST_SECOND {
                return Err(invalid(format!("{} has a file of no time that there is", self.what)));
            }
        }
        Ok(())
    }
}
