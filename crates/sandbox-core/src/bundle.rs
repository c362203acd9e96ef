//! Read-only files that are not on the host's disk.

mod builder;
#[cfg(feature = "wasix")]
mod virtual_files;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::text::shown;

pub use builder::FileBundleBuilder;
#[cfg(feature = "wasix")]
use virtual_files::Later;
#[cfg(feature = "wasix")]
pub(crate) use virtual_files::read_virtual;

/// The longest name of a file, in bytes.
pub(crate) const LONGEST_NAME: usize = 255;

/// The deepest place in a bundle, in names.
pub(crate) const DEEPEST: usize = 128;

/// Largest number of files, folders and links in a bundle, together.
pub(crate) const MOST_NODES: usize = 1_000_000;

/// Why a bundle of files cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to make a bundle of files, {path}: {message}", path = shown(path), message = shown(message))]
#[non_exhaustive]
pub struct InvalidBundle {
    /// The path in the bundle.
    pub path: String,
    /// Description of the fault.
    pub message: String,
}

/// A tree of files that the host holds in memory and shows to guests, which can only read it.
///
/// All sandboxes that are given a bundle share it, and cloning one costs nothing. [`SecurityPolicy::with_bundle`] grants
/// it. Without a folder on the disk there is nothing that another process could change.
///
/// ```
/// use sandbox_core::{FileBundle, SecurityPolicy};
///
/// # fn main() -> sandbox_core::Result<()> {
/// let bundle = FileBundle::builder()
///     .file("templates/page.html", "<h1>{title}</h1>")
///     .link("index.html", "templates/page.html")
///     .build()?;
/// let policy = SecurityPolicy::strict().with_bundle(&bundle, "/assets");
/// assert_eq!(policy.bundles[0].guest, "/assets");
/// # Ok(())
/// # }
/// ```
///
/// [`SecurityPolicy::with_bundle`]: crate::SecurityPolicy::with_bundle
#[derive(Clone)]
pub struct FileBundle {
    nodes: Arc<[Node]>,
}

/// Place of a node in a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BundleId(u32);

impl BundleId {
    /// The folder that everything is in.
    pub(crate) const ROOT: Self = Self(0);

    fn index(self) -> usize {
        self.0 as usize
    }

    /// The number as guests see it, which is not zero.
    pub(crate) fn inode(self) -> u64 {
        u64::from(self.0) + 1
    }
}

/// A file, folder or link of a bundle.
#[derive(Debug)]
pub(crate) struct Node {
    /// Empty for the folder that everything is in.
    #[cfg(feature = "wasix")]
    name: Box<str>,
    pub(crate) parent: BundleId,
    /// When it was changed last, in nanoseconds since 1970.
    pub(crate) modified: u64,
    pub(crate) body: Body,
}

impl Node {
    fn new(name: &str, parent: BundleId, modified: u64, body: Body) -> Self {
        #[cfg(not(feature = "wasix"))]
        let _ = name;
        Self {
            #[cfg(feature = "wasix")]
            name: name.into(),
            parent,
            modified,
            body,
        }
    }
}

#[derive(Debug)]
pub(crate) enum Body {
    Folder(BTreeMap<Box<str>, BundleId>),
    File(Contents),
    Link(Box<str>),
}

/// Contents of a file.
#[derive(Debug)]
pub(crate) enum Contents {
    Here(Bytes),
    /// In a file system that is asked for them when a guest opens the file first.
    #[cfg(feature = "wasix")]
    Later(Later),
}

impl Contents {
    /// Length in bytes.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Here(bytes) => bytes.len() as u64,
            #[cfg(feature = "wasix")]
            Self::Later(later) => later.len(),
        }
    }
}

impl FileBundle {
    /// Starts a bundle that is filled file by file.
    pub fn builder() -> FileBundleBuilder {
        FileBundleBuilder::default()
    }

    /// The node of a number that the bundle gave out.
    pub(crate) fn node(&self, id: BundleId) -> Option<&Node> {
        self.nodes.get(id.index())
    }

    /// The contents of a file, or nothing if they cannot be read or it is none.
    pub(crate) fn contents(&self, id: BundleId) -> Option<&Bytes> {
        match &self.node(id)?.body {
            Body::File(Contents::Here(bytes)) => Some(bytes),
            #[cfg(feature = "wasix")]
            Body::File(Contents::Later(later)) => later.bytes(|| path(&self.nodes, id)),
            Body::Folder(_) | Body::Link(_) => None,
        }
    }

    /// Whether both are one and the same.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.nodes, &other.nodes)
    }
}

/// Bundles are equal if they are one and the same: what is in them is not compared.
impl PartialEq for FileBundle {
    fn eq(&self, other: &Self) -> bool {
        self.is(other)
    }
}

impl Eq for FileBundle {}

impl fmt::Debug for FileBundle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "FileBundle({} files, folders and links)", self.nodes.len())
    }
}

/// Nodes of a bundle, as they are collected.
#[derive(Debug)]
pub(crate) struct Nodes(Vec<Node>);

/// Why a node cannot be added.
pub(crate) type Refusal = &'static str;

impl Nodes {
    pub(crate) fn new(modified: u64) -> Self {
        let body = Body::Folder(BTreeMap::new());
        Self(vec![Node::new("", BundleId::ROOT, modified, body)])
    }

    /// Adds something to a folder.
    ///
    /// # Errors
    /// If the name is none that a file can have or is given already, or if there are too many nodes.
    pub(crate) fn add(
        &mut self,
        parent: BundleId,
        name: &str,
        modified: u64,
        body: Body,
    ) -> Result<BundleId, Refusal> {
        if name.is_empty() || name.contains(['/', '\0']) || matches!(name, "." | "..") {
            return Err("a name is not empty, not `.` or `..`, and has no slash or NUL in it");
        }
        if name.len() > LONGEST_NAME {
            return Err("a name has at most 255 bytes");
        }
        if let Body::Link(target) = &body
            && (target.is_empty() || target.starts_with('/') || target.contains('\0'))
        {
            return Err("a link leads to a relative path without NUL");
        }
        if self.0.len() >= MOST_NODES {
            return Err("there are at most 1,000,000 files, folders and links");
        }
        let id = BundleId(u32::try_from(self.0.len()).map_err(|_| "there are too many files")?);
        let folder = self.0.get_mut(parent.index()).map(|node| &mut node.body);
        let Some(Body::Folder(entries)) = folder else { return Err("a file is no folder") };
        if entries.contains_key(name) {
            return Err("there is something of that name already");
        }
        entries.insert(name.into(), id);
        self.0.push(Node::new(name, parent, modified, body));
        Ok(id)
    }

    /// The path of a node from the folder that everything is in.
    #[cfg(feature = "wasix")]
    fn path(&self, id: BundleId) -> std::path::PathBuf {
        path(&self.0, id)
    }

    /// Makes sure that a node is a folder.
    fn check_folder(&self, id: BundleId) -> Result<(), Refusal> {
        match self.0.get(id.index()).map(|node| &node.body) {
            Some(Body::Folder(_)) => Ok(()),
            Some(Body::File(_) | Body::Link(_)) | None => Err("a file is no folder"),
        }
    }

    /// The node of a name in a folder.
    fn find(&self, parent: BundleId, name: &str) -> Option<BundleId> {
        match &self.0.get(parent.index())?.body {
            Body::Folder(entries) => entries.get(name).copied(),
            Body::File(_) | Body::Link(_) => None,
        }
    }
}

/// The path of a node from the folder that everything is in. It is not kept, because deep ones are long.
#[cfg(feature = "wasix")]
fn path(nodes: &[Node], id: BundleId) -> std::path::PathBuf {
    let mut names = Vec::new();
    let mut at = id;
    while at != BundleId::ROOT
        && let Some(node) = nodes.get(at.index())
    {
        names.push(&*node.name);
        at = node.parent;
    }
    let root = std::path::PathBuf::from("/");
    names.into_iter().rev().fold(root, |path, name| path.join(name))
}

impl From<Nodes> for FileBundle {
    fn from(nodes: Nodes) -> Self {
        Self { nodes: nodes.0.into() }
    }
}
