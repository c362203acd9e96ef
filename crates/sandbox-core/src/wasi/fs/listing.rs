//! The contents of a folder at one moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Errno, Kind, Result};

/// Bytes that the listings of one guest may take at once, some hundred thousand names: what a folder has in it is up
/// to others, who must not fill the host's memory by it.
const LISTED_BYTES: u64 = 32 << 20;

/// Size of an entry beside its name.
const ENTRY_BYTES: usize = size_of::<Record>();

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
pub(crate) struct Listing {
    names: Names,
}

/// An entry, with where its name ends among all names.
#[derive(Debug, Clone, Copy)]
struct Record {
    inode: u64,
    end: u32,
    kind: Kind,
}

/// Entries, as they are collected.
#[derive(Debug)]
pub(super) struct Names {
    text: String,
    records: Vec<Record>,
    share: Share,
}

/// Bytes that the open listings of a guest take.
#[derive(Debug, Clone, Default)]
pub(super) struct ListedBytes(Arc<AtomicU64>);

/// Share of the limit that one listing takes, given back with it.
#[derive(Debug)]
struct Share {
    all: ListedBytes,
    bytes: u64,
}

impl Share {
    fn grow(&mut self, bytes: u64) -> Result<()> {
        let grow = |used: u64| used.checked_add(bytes).filter(|total| *total <= LISTED_BYTES);
        let grown = self.all.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, grow);
        grown.map_err(|_| Errno::NoMem)?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.all.0.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

impl Names {
    /// Begins with `.` and `..`.
    pub(super) fn new(all: &ListedBytes, inode: u64, parent: u64) -> Result<Self> {
        let share = Share { all: all.clone(), bytes: 0 };
        let mut names = Self { text: String::new(), records: Vec::new(), share };
        names.add(".", inode, Kind::Folder)?;
        names.add("..", parent, Kind::Folder)?;
        Ok(names)
    }

    pub(super) fn add(&mut self, name: &str, inode: u64, kind: Kind) -> Result<()> {
        self.share.grow((name.len() + ENTRY_BYTES) as u64)?;
        self.text.push_str(name);
        let end = u32::try_from(self.text.len()).map_err(|_| Errno::NoMem)?;
        self.records.push(Record { inode: inode.max(1), end, kind });
        Ok(())
    }

    /// Changes what an entry is, if there is one of that name. Otherwise it is added.
    pub(super) fn set(&mut self, name: &str, inode: u64, kind: Kind) -> Result<()> {
        let position = (0..self.records.len()).find(|position| self.name(*position) == Some(name));
        match position.and_then(|position| self.records.get_mut(position)) {
            Some(record) => {
                (record.inode, record.kind) = (inode.max(1), kind);
                Ok(())
            }
            None => self.add(name, inode, kind),
        }
    }

    fn name(&self, position: usize) -> Option<&str> {
        let start = match position.checked_sub(1) {
            Some(before) => self.records.get(before)?.end,
            None => 0,
        };
        self.text.get(start as usize..self.records.get(position)?.end as usize)
    }
}

impl From<Names> for Listing {
    fn from(names: Names) -> Self {
        Self { names }
    }
}

impl Listing {
    /// Number of entries.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.names.records.len()
    }

    /// The entry at a position, if there is one.
    pub(crate) fn entry(&self, position: u64) -> Option<Entry<'_>> {
        let position = usize::try_from(position).ok()?;
        let Record { inode, kind, .. } = *self.names.records.get(position)?;
        Some(Entry { name: self.names.name(position)?, inode, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_keep_their_positions() {
        let mut names = Names::new(&ListedBytes::default(), 7, 0).unwrap();
        names.add("first", 8, Kind::File).unwrap();
        names.add("", 9, Kind::Link).unwrap();
        names.set("first", 10, Kind::Folder).unwrap();
        names.set("new", 11, Kind::File).unwrap();
        let listing = Listing::from(names);
        assert_eq!(listing.len(), 5);
        let name =
            |position| listing.entry(position).map(|entry| (entry.name, entry.inode, entry.kind));
        assert_eq!(name(0), Some((".", 7, Kind::Folder)));
        assert_eq!(name(1), Some(("..", 1, Kind::Folder)));
        assert_eq!(name(2), Some(("first", 10, Kind::Folder)));
        assert_eq!(name(3), Some(("", 9, Kind::Link)));
        assert_eq!(name(4), Some(("new", 11, Kind::File)));
        assert_eq!((name(5), name(u64::MAX)), (None, None));
    }

    #[test]
    fn the_listings_of_a_guest_take_so_much_and_no_more() {
        let all = ListedBytes::default();
        let long = "n".repeat(255);
        let mut names = Names::new(&all, 1, 1).unwrap();
        let added =
            (0..LISTED_BYTES).take_while(|_| names.add(&long, 1, Kind::File).is_ok()).count();
        assert!(added > 100_000, "{added}");
        assert_eq!(
            Names::new(&all, 1, 1).and_then(|mut names| names.add(&long, 1, Kind::File)),
            Err(Errno::NoMem)
        );
        drop(names);
        assert_eq!(all.0.load(Ordering::Acquire), 0);
        assert!(Names::new(&all, 1, 1).is_ok());
    }
}
