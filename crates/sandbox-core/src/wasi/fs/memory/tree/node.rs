//! One file, folder or link in memory.

use std::collections::BTreeMap;

use super::super::super::Kind;
use super::super::contents::Contents;
use super::{NAME_BYTES, NODE_BYTES};

/// Place of a node in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super::super) struct NodeId(pub(super) u32);

impl NodeId {
    pub(in super::super::super) const ROOT: Self = Self(0);

    pub(in super::super::super) const fn of_number(number: u32) -> Self {
        Self(number)
    }

    pub(in super::super::super) const fn number(self) -> u32 {
        self.0
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Node or mount that a name in a folder in memory leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super::super) enum Child {
    Node(NodeId),
    /// A granted folder, by its number.
    Mount(usize),
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) body: Body,
    /// Number of names for it.
    pub(super) links: u64,
    pub(super) accessed: u64,
    pub(super) modified: u64,
    pub(super) changed: u64,
    /// Whether it leads to a granted folder, so that it is not counted, and stays where it is.
    pub(super) is_fixed: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Body {
    Folder(Folder),
    File(Contents),
    Link(Box<str>),
}

#[derive(Debug, Clone)]
pub(super) struct Folder {
    pub(super) entries: BTreeMap<Box<str>, Child>,
    pub(super) parent: NodeId,
}

impl Folder {
    pub(super) const fn new(parent: NodeId) -> Self {
        Self { entries: BTreeMap::new(), parent }
    }
}

impl Node {
    /// Makes a node with one name.
    pub(super) const fn new(body: Body, now: u64) -> Self {
        Self { body, links: 1, accessed: now, modified: now, changed: now, is_fixed: false }
    }

    pub(super) const fn kind(&self) -> Kind {
        match self.body {
            Body::Folder(_) => Kind::Folder,
            Body::File(_) => Kind::File,
            Body::Link(_) => Kind::Link,
        }
    }

    pub(super) fn size(&self) -> u64 {
        match &self.body {
            Body::Folder(_) => 0,
            Body::File(contents) => contents.len(),
            Body::Link(target) => target.len() as u64,
        }
    }

    /// Part of the budget that the node takes.
    pub(super) fn charged(&self) -> u64 {
        if self.is_fixed {
            return 0;
        }
        let contents = match &self.body {
            Body::Folder(_) => 0,
            Body::File(contents) => contents.charged(),
            Body::Link(target) => target.len() as u64,
        };
        NODE_BYTES + contents + NAME_BYTES * self.links.saturating_sub(1)
    }
}
