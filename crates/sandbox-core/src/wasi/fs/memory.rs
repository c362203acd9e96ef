//! Files in memory.
//!
//! The nodes of a tree lie in one table and name each other by their place in it, so nothing is dropped by recursion and a
//! tree may be as deep as its budget allows. Table, nodes and contents are shared with snapshots until they are written to.
//! All is counted before it is kept: contents by what they take, and each name, since names take memory too.

mod contents;
mod tree;

pub(crate) use tree::TreeRecord;
pub(super) use tree::{Child, NodeId, Tree, TreeState};
