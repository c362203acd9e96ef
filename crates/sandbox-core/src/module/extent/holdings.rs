//! Holdings of an instance: what it makes the host hold, as it is counted.
//!
//! Each number is what Wasmer and this library allocate for one of a kind, read from their structures and rounded up; a
//! test compares the sum with what a process grows by.

/// One function with code: an entry that can be referred to, and the address of its code.
pub(super) const FUNCTION: u64 = 48;
/// One import: the function of the host, its environment, its entries in Wasmer's lists and ours while it is linked.
pub(super) const IMPORT: u64 = 640;
/// One type: its trampoline and its number.
pub(super) const TYPE: u64 = 32;
/// One table, beside its elements.
pub(super) const TABLE: u64 = 256;
/// One element of a table.
pub(super) const ELEMENT: u64 = 8;
/// One element of a table of functions whose size is fixed: Wasmer keeps a copy of each entry.
pub(super) const FIXED_ELEMENT: u64 = 40;
/// One memory, beside its contents.
pub(super) const MEMORY: u64 = 4096;
/// One global: its value, its entry in the store, what a reset needs.
pub(super) const GLOBAL: u64 = 112;
/// One tag of exceptions.
pub(super) const TAG: u64 = 128;
/// One export: its entries by name while the instance is made, the function in the store, the way to call it.
pub(super) const EXPORT: u64 = 320;
/// One value that an exported or imported function takes or returns: in copies of its type.
pub(super) const VALUE_OF_TYPE: u64 = 4;
/// One segment, of data or elements.
pub(super) const SEGMENT: u64 = 96;
/// One element of a segment that is kept for `table.init`.
pub(super) const KEPT_ELEMENT: u64 = 8;
