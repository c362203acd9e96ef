//! Renames in memory.

use super::super::super::{Errno, Kind, Result};
use super::{Child, NodeId, TreeState};

impl TreeState {
    /// Renames a file, link or folder, over what is there, in one step.
    pub(in super::super::super) fn rename(
        &mut self,
        from: (NodeId, &str),
        to: (NodeId, &str),
        now: u64,
    ) -> Result<()> {
        let source = match self.child(from.0, from.1)? {
            None => return Err(Errno::NoEnt),
            Some(Child::Mount(_)) => return Err(Errno::Busy),
            Some(Child::Node(id)) => id,
        };
        let target = match self.child(to.0, to.1)? {
            Some(Child::Mount(_)) => return Err(Errno::Busy),
            Some(Child::Node(id)) => Some(id),
            None => None,
        };
        if self.tree.node(to.0)?.links == 0 {
            return Err(Errno::NoEnt);
        }
        let is_folder = self.kind(source)? == Kind::Folder;
        if is_folder && self.is_within(to.0, source)? {
            return Err(Errno::Inval);
        }
        if let Some(target) = target {
            // Two names of one file, or one twice: nothing happens.
            if target == source {
                return Ok(());
            }
            self.check_replaceable(source, target, from.0)?;
        }
        if self.tree.node(source)?.is_fixed {
            return Err(Errno::Busy);
        }
        let tree = self.tree_mut();
        tree.folder_mut(from.0)?.entries.remove(from.1);
        tree.folder_mut(to.0)?.entries.insert(to.1.into(), Child::Node(source));
        if is_folder {
            tree.folder_mut(source)?.parent = to.0;
        }
        tree.node_mut(source)?.changed = now;
        self.touch(from.0, now)?;
        self.touch(to.0, now)?;
        match target {
            Some(target) => self.drop_name(target, now),
            None => Ok(()),
        }
    }

    fn check_replaceable(&self, source: NodeId, target: NodeId, from: NodeId) -> Result<()> {
        // A folder onto one that it is in: the target holds at least the way to the source.
        if self.kind(target)? == Kind::Folder && self.is_within(from, target)? {
            return Err(Errno::NotEmpty);
        }
        match (self.kind(source)?, self.kind(target)?) {
            (Kind::Folder, Kind::Folder) if self.tree.node(target)?.is_fixed => Err(Errno::Busy),
            (Kind::Folder, Kind::Folder) if !self.tree.folder(target)?.entries.is_empty() => {
                Err(Errno::NotEmpty)
            }
            (Kind::Folder, Kind::Folder) => Ok(()),
            (Kind::Folder, _) => Err(Errno::NotDir),
            (_, Kind::Folder) => Err(Errno::IsDir),
            _ => Ok(()),
        }
    }

    /// Whether a folder is another or below it.
    fn is_within(&self, mut folder: NodeId, of: NodeId) -> Result<bool> {
        loop {
            if folder == of {
                return Ok(true);
            }
            let parent = self.parent(folder)?;
            if parent == folder {
                return Ok(false);
            }
            folder = parent;
        }
    }
}
