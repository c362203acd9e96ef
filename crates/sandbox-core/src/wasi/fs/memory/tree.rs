//! The tree of files in memory, and who has what of it open.

mod node;
mod rename;
mod written;

use std::io::{IoSlice, IoSliceMut};
use std::sync::Arc;

use super::super::path::{LONGEST_NAME, PATH_BYTES};
use super::super::stat::DEVICE;
use super::super::{Errno, Kind, Result, SetTime, SetTimes, Stat};
use super::contents::{Budget, Contents};

use node::{Body, Folder, Node};
pub(in super::super) use node::{Child, NodeId};
pub(crate) use written::TreeRecord;

/// Bytes that a node counts beside its contents: its name and its place in the table.
const NODE_BYTES: u64 = 1024;

/// Bytes that a further name of a file counts.
const NAME_BYTES: u64 = 512;

/// Files in memory, which snapshots and instances share until one of them changes something.
#[derive(Debug, Clone)]
pub(in super::super) struct Tree {
    nodes: Vec<Option<Arc<Node>>>,
    free: Vec<NodeId>,
    used_bytes: u64,
}

impl Default for Tree {
    fn default() -> Self {
        let root = Node::new(Body::Folder(Folder::new(NodeId::ROOT)), 0);
        Self { nodes: vec![Some(Arc::new(root))], free: Vec::new(), used_bytes: 0 }
    }
}

impl Tree {
    fn node(&self, id: NodeId) -> Result<&Node> {
        self.nodes.get(id.index()).and_then(Option::as_deref).ok_or(Errno::BadF)
    }

    fn node_mut(&mut self, id: NodeId) -> Result<&mut Node> {
        let node = self.nodes.get_mut(id.index()).and_then(Option::as_mut);
        node.map(Arc::make_mut).ok_or(Errno::BadF)
    }

    fn folder(&self, id: NodeId) -> Result<&Folder> {
        match &self.node(id)?.body {
            Body::Folder(folder) => Ok(folder),
            Body::File(_) | Body::Link(_) => Err(Errno::NotDir),
        }
    }

    fn folder_mut(&mut self, id: NodeId) -> Result<&mut Folder> {
        match &mut self.node_mut(id)?.body {
            Body::Folder(folder) => Ok(folder),
            Body::File(_) | Body::Link(_) => Err(Errno::NotDir),
        }
    }

    /// Makes the folders that lead to a granted folder, at nobody's expense and without a date: the tree may have been made
    /// long before its caller came, and that would tell of earlier ones. They stay where they are.
    ///
    /// # Errors
    /// [`Errno::Exist`] if something else is there.
    pub(in super::super) fn create_mount(&mut self, names: &[String], mount: usize) -> Result<()> {
        let (last, parents) = names.split_last().ok_or(Errno::Exist)?;
        let mut at = NodeId::ROOT;
        for name in parents {
            at = match self.folder(at)?.entries.get(name.as_str()) {
                Some(Child::Node(id)) => *id,
                Some(Child::Mount(_)) => return Err(Errno::Exist),
                None => {
                    let mut node = Node::new(Body::Folder(Folder::new(at)), 0);
                    node.is_fixed = true;
                    let id = self.insert(node)?;
                    self.folder_mut(at)?.entries.insert(name.as_str().into(), Child::Node(id));
                    id
                }
            };
        }
        let entries = &mut self.folder_mut(at)?.entries;
        match entries.insert(last.as_str().into(), Child::Mount(mount)) {
            None => Ok(()),
            Some(_) => Err(Errno::Exist),
        }
    }

    fn insert(&mut self, node: Node) -> Result<NodeId> {
        if let Some(id) = self.free.pop() {
            self.nodes[id.index()] = Some(Arc::new(node));
            return Ok(id);
        }
        let id = u32::try_from(self.nodes.len()).map_err(|_| Errno::NoSpc)?;
        self.nodes.push(Some(Arc::new(node)));
        Ok(NodeId(id))
    }

    fn remove(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(id.index()).and_then(Option::take) else { return };
        self.used_bytes = self.used_bytes.saturating_sub(node.charged());
        self.free.push(id);
    }
}

/// The tree of one instance.
#[derive(Debug)]
pub(in super::super) struct TreeState {
    tree: Arc<Tree>,
    limit_bytes: u64,
    /// Number of handles that each node has: a node without a name stays as long as it has one.
    opens: Vec<u32>,
    /// Number of times that the tree was put back. Handles of before are no longer valid.
    epoch: u64,
}

impl TreeState {
    pub(in super::super) fn new(tree: Arc<Tree>, limit_bytes: u64) -> Self {
        Self { tree, limit_bytes, opens: Vec::new(), epoch: 0 }
    }

    pub(in super::super) const fn tree(&self) -> &Arc<Tree> {
        &self.tree
    }

    pub(in super::super) const fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    /// Puts a tree back.
    pub(in super::super) fn restore(&mut self, tree: &Arc<Tree>) {
        self.tree = Arc::clone(tree);
        self.opens.clear();
        self.epoch += 1;
    }

    /// Notes another handle of a node. Returns the epoch that the handle belongs to.
    pub(in super::super) fn open(&mut self, id: NodeId) -> Result<u64> {
        self.tree.node(id)?;
        if self.opens.len() <= id.index() {
            self.opens.resize(id.index() + 1, 0);
        }
        self.opens[id.index()] += 1;
        Ok(self.epoch)
    }

    /// Forgets a handle of a node, which goes if it has neither a name nor another handle.
    pub(in super::super) fn close(&mut self, id: NodeId, epoch: u64) {
        if epoch != self.epoch {
            return;
        }
        if let Some(count) = self.opens.get_mut(id.index()) {
            *count = count.saturating_sub(1);
        }
        self.drop_unused(id);
    }

    /// Finds out whether a handle is of the tree as it is.
    pub(in super::super) fn check(&self, epoch: u64) -> Result<()> {
        if epoch == self.epoch { Ok(()) } else { Err(Errno::BadF) }
    }

    fn is_open(&self, id: NodeId) -> bool {
        self.opens.get(id.index()).is_some_and(|count| *count > 0)
    }

    fn drop_unused(&mut self, id: NodeId) {
        if !self.is_open(id) && self.tree.node(id).is_ok_and(|node| node.links == 0) {
            self.tree_mut().remove(id);
        }
    }

    fn tree_mut(&mut self) -> &mut Tree {
        Arc::make_mut(&mut self.tree)
    }

    fn charge(&mut self, bytes: u64) -> Result<()> {
        let limit_bytes = self.limit_bytes;
        if bytes > limit_bytes.saturating_sub(self.tree.used_bytes) {
            return Err(Errno::NoSpc);
        }
        Budget { used_bytes: &mut self.tree_mut().used_bytes, limit_bytes }.charge(bytes)
    }

    /// Looks a name up.
    pub(in super::super) fn child(&self, folder: NodeId, name: &str) -> Result<Option<Child>> {
        let entries = &self.tree.folder(folder)?.entries;
        // In a folder that was removed there is nothing, whatever its name.
        if name.len() > LONGEST_NAME && self.tree.node(folder)?.links > 0 {
            return Err(Errno::NameTooLong);
        }
        Ok(entries.get(name).copied())
    }

    /// The target of a link, if the node is one.
    pub(in super::super) fn link_target(&self, id: NodeId) -> Option<&str> {
        match &self.tree.node(id).ok()?.body {
            Body::Link(target) => Some(target),
            Body::Folder(_) | Body::File(_) => None,
        }
    }

    pub(in super::super) fn kind(&self, id: NodeId) -> Result<Kind> {
        Ok(self.tree.node(id)?.kind())
    }

    pub(in super::super) fn stat(&self, id: NodeId) -> Result<Stat> {
        let node = self.tree.node(id)?;
        Ok(Stat {
            device: DEVICE,
            inode: inode(id),
            kind: node.kind(),
            links: node.links,
            size: node.size(),
            accessed: node.accessed,
            modified: node.modified,
            changed: node.changed,
        })
    }

    /// The folder that a folder is in; of the root, itself.
    pub(in super::super) fn parent(&self, id: NodeId) -> Result<NodeId> {
        Ok(self.tree.folder(id)?.parent)
    }

    /// The names in a folder, in order.
    pub(in super::super) fn entries(
        &self,
        id: NodeId,
    ) -> Result<impl Iterator<Item = (&str, Child)>> {
        Ok(self.tree.folder(id)?.entries.iter().map(|(name, child)| (&**name, *child)))
    }

    /// The paths of all files, each with its length. A path that is longer than one may be is left out, with what is below
    /// it.
    pub(in super::super) fn files(&self) -> Vec<(String, u64)> {
        let mut files = Vec::new();
        let mut folders = vec![(String::new(), NodeId::ROOT)];
        while let Some((path, folder)) = folders.pop() {
            let Ok(entries) = self.entries(folder) else { continue };
            for (name, child) in entries {
                let Child::Node(id) = child else { continue };
                if path.len() + 1 + name.len() > PATH_BYTES {
                    continue;
                }
                match self.stat(id) {
                    Ok(Stat { kind: Kind::File, size, .. }) => {
                        files.push((format!("{path}/{name}"), size));
                    }
                    Ok(Stat { kind: Kind::Folder, .. }) => {
                        folders.push((format!("{path}/{name}"), id));
                    }
                    _ => {}
                }
            }
        }
        files
    }

    pub(in super::super) fn create_file(
        &mut self,
        folder: NodeId,
        name: &str,
        now: u64,
    ) -> Result<NodeId> {
        self.create(folder, name, Body::File(Contents::default()), now)
    }

    pub(in super::super) fn create_folder(
        &mut self,
        folder: NodeId,
        name: &str,
        now: u64,
    ) -> Result<NodeId> {
        self.create(folder, name, Body::Folder(Folder::new(folder)), now)
    }

    pub(in super::super) fn create_link(
        &mut self,
        folder: NodeId,
        name: &str,
        target: &str,
        now: u64,
    ) -> Result<NodeId> {
        self.create(folder, name, Body::Link(target.into()), now)
    }

    fn create(&mut self, folder: NodeId, name: &str, body: Body, now: u64) -> Result<NodeId> {
        self.check_new(folder, name)?;
        let node = Node::new(body, now);
        self.charge(node.charged())?;
        let tree = self.tree_mut();
        let id = tree.insert(node)?;
        tree.folder_mut(folder)?.entries.insert(name.into(), Child::Node(id));
        self.touch(folder, now)?;
        Ok(id)
    }

    /// Finds out whether a name can be given.
    fn check_new(&self, folder: NodeId, name: &str) -> Result<()> {
        match self.child(folder, name)? {
            Some(_) => Err(Errno::Exist),
            // A folder that was removed, and is open.
            None if self.tree.node(folder)?.links == 0 => Err(Errno::NoEnt),
            None => Ok(()),
        }
    }

    /// Gives a file or link another name.
    pub(in super::super) fn add_name(
        &mut self,
        id: NodeId,
        folder: NodeId,
        name: &str,
        now: u64,
    ) -> Result<()> {
        self.check_new(folder, name)?;
        if self.kind(id)? == Kind::Folder {
            return Err(Errno::Perm);
        }
        if self.tree.node(id)?.links == 0 {
            return Err(Errno::NoEnt);
        }
        self.charge(NAME_BYTES)?;
        let tree = self.tree_mut();
        let node = tree.node_mut(id)?;
        node.links += 1;
        node.changed = now;
        tree.folder_mut(folder)?.entries.insert(name.into(), Child::Node(id));
        self.touch(folder, now)
    }

    /// Removes the name of a file or link.
    pub(in super::super) fn remove_file(
        &mut self,
        folder: NodeId,
        name: &str,
        now: u64,
    ) -> Result<()> {
        match self.child(folder, name)? {
            None => Err(Errno::NoEnt),
            Some(Child::Node(id)) if self.kind(id)? != Kind::Folder => {
                self.remove_entry(folder, name, id, now)
            }
            Some(_) => Err(Errno::IsDir),
        }
    }

    /// Removes an empty folder.
    pub(in super::super) fn remove_folder(
        &mut self,
        folder: NodeId,
        name: &str,
        now: u64,
    ) -> Result<()> {
        let id = match self.child(folder, name)? {
            None => return Err(Errno::NoEnt),
            Some(Child::Mount(_)) => return Err(Errno::Busy),
            Some(Child::Node(id)) => id,
        };
        if self.tree.node(id)?.is_fixed {
            return Err(Errno::Busy);
        }
        if !self.tree.folder(id)?.entries.is_empty() {
            return Err(Errno::NotEmpty);
        }
        self.remove_entry(folder, name, id, now)
    }

    fn remove_entry(&mut self, folder: NodeId, name: &str, id: NodeId, now: u64) -> Result<()> {
        self.tree_mut().folder_mut(folder)?.entries.remove(name);
        self.touch(folder, now)?;
        self.drop_name(id, now)
    }

    /// Notes that a node has a name less.
    fn drop_name(&mut self, id: NodeId, now: u64) -> Result<()> {
        let tree = self.tree_mut();
        let node = tree.node_mut(id)?;
        node.links -= 1;
        node.changed = now;
        if node.links > 0 {
            tree.used_bytes = tree.used_bytes.saturating_sub(NAME_BYTES);
        }
        self.drop_unused(id);
        Ok(())
    }

    /// Notes that something in a folder changed.
    fn touch(&mut self, folder: NodeId, now: u64) -> Result<()> {
        let node = self.tree_mut().node_mut(folder)?;
        node.modified = now;
        node.changed = now;
        Ok(())
    }

    pub(in super::super) fn set_times(
        &mut self,
        id: NodeId,
        times: SetTimes,
        now: u64,
    ) -> Result<()> {
        self.tree.node(id)?;
        let node = self.tree_mut().node_mut(id)?;
        let time = |old: u64, set: SetTime| match set {
            SetTime::Keep => old,
            SetTime::Now => now,
            SetTime::To(time) => time,
        };
        node.accessed = time(node.accessed, times.accessed);
        node.modified = time(node.modified, times.modified);
        node.changed = now;
        Ok(())
    }

    pub(in super::super) fn read(
        &self,
        id: NodeId,
        buffers: &mut [IoSliceMut<'_>],
        offset: u64,
    ) -> Result<usize> {
        match &self.tree.node(id)?.body {
            Body::File(contents) => Ok(contents.read(buffers, offset)),
            Body::Folder(_) => Err(Errno::IsDir),
            Body::Link(_) => Err(Errno::BadF),
        }
    }

    pub(in super::super) fn write(
        &mut self,
        id: NodeId,
        buffers: &[IoSlice<'_>],
        offset: Option<u64>,
        now: u64,
    ) -> Result<(usize, u64)> {
        self.change(id, now, |contents, budget| {
            let offset = offset.unwrap_or_else(|| contents.len());
            let written = contents.write(buffers, offset, budget)?;
            Ok((written, offset.saturating_add(written as u64)))
        })
    }

    pub(in super::super) fn set_len(&mut self, id: NodeId, len: u64, now: u64) -> Result<()> {
        self.change(id, now, |contents, budget| contents.set_len(len, budget))
    }

    pub(in super::super) fn allocate(
        &mut self,
        id: NodeId,
        offset: u64,
        len: u64,
        now: u64,
    ) -> Result<()> {
        self.change(id, now, |contents, budget| contents.allocate(offset, len, budget))
    }

    fn change<T>(
        &mut self,
        id: NodeId,
        now: u64,
        change: impl FnOnce(&mut Contents, &mut Budget<'_>) -> Result<T>,
    ) -> Result<T> {
        self.tree.node(id)?;
        let limit_bytes = self.limit_bytes;
        let Tree { nodes, used_bytes, .. } = self.tree_mut();
        let node = nodes.get_mut(id.index()).and_then(Option::as_mut).ok_or(Errno::BadF)?;
        let node = Arc::make_mut(node);
        let Body::File(contents) = &mut node.body else { return Err(Errno::BadF) };
        let changed = change(contents, &mut Budget { used_bytes, limit_bytes })?;
        node.modified = now;
        node.changed = now;
        Ok(changed)
    }
}

/// Number of a node as guests see it, which is not zero.
fn inode(id: NodeId) -> u64 {
    u64::from(id.0) + 1
}
