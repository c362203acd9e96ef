//! Files in memory as they are written out of the process.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::super::path::LONGEST_NAME;
use super::super::contents::{Contents, ContentsRecord};
use super::Tree;
use super::node::{Body, Child, Folder, Node, NodeId};

/// The nodes by their numbers, and the numbers that are free, in the order in which they will be given out.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TreeRecord {
    nodes: Vec<Option<NodeRecord>>,
    free: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeRecord {
    body: BodyRecord,
    links: u64,
    accessed: u64,
    modified: u64,
    changed: u64,
    is_fixed: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum BodyRecord {
    Folder { entries: Vec<(String, ChildRecord)>, parent: u32 },
    File(ContentsRecord),
    Link(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ChildRecord {
    Node(u32),
    Mount(usize),
}

impl Tree {
    /// Writes the tree, and to `all` what is in its files.
    pub(in super::super::super) fn written(&self, all: &mut Vec<u8>) -> TreeRecord {
        let nodes = self.nodes.iter().map(|node| Some(node.as_ref()?.written(all)));
        TreeRecord { nodes: nodes.collect(), free: self.free.iter().map(|id| id.0).collect() }
    }

    /// Reads a tree that was written. Nothing if there can be none such: names lead to nodes that are not there, to one more
    /// often than it says, or in a circle.
    pub(in super::super::super) fn read(record: TreeRecord, all: &mut &[u8]) -> Option<Self> {
        let TreeRecord { nodes, free } = record;
        let nodes = nodes.into_iter().map(|node| match node {
            Some(node) => Node::read(node, all).map(|node| Some(Arc::new(node))),
            None => Some(None),
        });
        let nodes: Vec<_> = nodes.collect::<Option<_>>()?;
        let free: Vec<_> = free.into_iter().map(NodeId).collect();
        let mut tree = Self { nodes, free, used_bytes: 0 };
        if !tree.names_each_node_as_often_as_it_says() || !tree.has_free_what_is_not_there() {
            return None;
        }
        // Of the first, which is always there, nothing is counted.
        tree.used_bytes = tree.nodes.iter().skip(1).flatten().map(|node| node.charged()).sum();
        Some(tree)
    }

    /// Part of the budget that the nodes take.
    pub(in super::super::super) const fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    fn names_each_node_as_often_as_it_says(&self) -> bool {
        let mut names = vec![0; self.nodes.len()];
        let mut folders = vec![NodeId::ROOT];
        if self.folder(NodeId::ROOT).is_err() {
            return false;
        }
        names[0] = 1;
        while let Some(id) = folders.pop() {
            let Ok(folder) = self.folder(id) else { return false };
            for child in folder.entries.values() {
                let Child::Node(child) = child else { continue };
                let Ok(node) = self.node(*child) else { return false };
                names[child.index()] += 1;
                if let Body::Folder(below) = &node.body {
                    if names[child.index()] > 1 || below.parent != id {
                        return false;
                    }
                    folders.push(*child);
                }
            }
        }
        // What has no name any more is open, and a folder is empty then.
        self.nodes.iter().zip(names).all(|(node, names)| match node {
            Some(node) => node.links == names && (names > 0 || node.is_empty()),
            None => true,
        })
    }

    fn has_free_what_is_not_there(&self) -> bool {
        let mut free: Vec<usize> = self.free.iter().map(|id| id.index()).collect();
        free.sort_unstable();
        let missing = self.nodes.iter().enumerate().filter(|(_, node)| node.is_none());
        missing.map(|(index, _)| index).eq(free)
    }
}

impl Node {
    fn written(&self, all: &mut Vec<u8>) -> NodeRecord {
        let body = match &self.body {
            Body::Folder(folder) => {
                let entries = folder.entries.iter().map(|(name, child)| {
                    let child = match child {
                        Child::Node(id) => ChildRecord::Node(id.0),
                        Child::Mount(number) => ChildRecord::Mount(*number),
                    };
                    (name.to_string(), child)
                });
                BodyRecord::Folder { entries: entries.collect(), parent: folder.parent.0 }
            }
            Body::File(contents) => BodyRecord::File(contents.written(all)),
            Body::Link(target) => BodyRecord::Link(target.to_string()),
        };
        let Self { links, accessed, modified, changed, is_fixed, .. } = *self;
        NodeRecord { body, links, accessed, modified, changed, is_fixed }
    }

    fn read(record: NodeRecord, all: &mut &[u8]) -> Option<Self> {
        let NodeRecord { body, links, accessed, modified, changed, is_fixed } = record;
        let body = match body {
            BodyRecord::Folder { entries, parent } => {
                let mut folder = Folder::new(NodeId(parent));
                for (name, child) in entries {
                    let child = match child {
                        ChildRecord::Node(id) => Child::Node(NodeId(id)),
                        ChildRecord::Mount(number) => Child::Mount(number),
                    };
                    if !is_name(&name) || folder.entries.insert(name.into(), child).is_some() {
                        return None;
                    }
                }
                Body::Folder(folder)
            }
            BodyRecord::File(contents) => Body::File(Contents::of(contents, all)?),
            BodyRecord::Link(target) => Body::Link(target.into()),
        };
        Some(Self { body, links, accessed, modified, changed, is_fixed })
    }

    fn is_empty(&self) -> bool {
        match &self.body {
            Body::Folder(folder) => folder.entries.is_empty(),
            Body::File(_) | Body::Link(_) => true,
        }
    }
}

fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && name.len() <= LONGEST_NAME && !name.contains(['/', '\0'])
}
