//! The contents of a folder at one moment.

use super::*;

/// One name in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    pub(crate) inode: u64,
    pub(crate) kind: Kind,
}

/// The contents of a folder when it was listed. The cookie of an entry is its position, so it stays valid as long as the
/// caller keeps the listing.
#[derive(Debug)]
pub(crate) struct Listing {}

impl Listing {
    /// How many entries there are.
    pub(crate) fn len(&self) -> usize { todo!() }

    /// The entry at a position, if there is one.
    pub(crate) fn entry(&self, position: u64) -> Option<Entry<'_>> { todo!() }
}
