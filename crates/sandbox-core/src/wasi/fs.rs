//! The file systems of a guest: a tree in memory, and the folders of the host and the bundles that its policy grants.
//!
//! [`Grants`] are opened once for a sandbox and shared by its instances. Each instance has a [`FileSystem`], which says what
//! the guest sees: exactly one `/`, in memory or a granted folder, and the other granted folders at their places below it.
//! What the guest opens is a [`Folder`] or a [`File`]; each operation takes a folder and a [`GuestPath`] below it.
//!
//! Rules that hold for both kinds of storage:
//!
//! - No path leads out of the folder that it starts from: an absolute path, too many `..` and a symbolic link that would
//!   do so are [`Errno::Perm`]. A link in a granted folder never leads out of the grant either.
//! - Only regular files and folders are opened. Pipes, devices and sockets are seen, and refused ([`Errno::Acces`]) without
//!   waiting for them.
//! - Bundles are only read ([`Errno::RoFs`]), and are no part of what a guest may keep in memory.
//! - Guests make links in memory only; in a granted folder that is [`Errno::Perm`].
//! - A place where a granted folder is shown, and what leads to it, cannot be removed or renamed ([`Errno::Busy`]). A rename
//!   or link from one to another is [`Errno::XDev`].
//! - A name of the host that is not UTF-8 is shown with each offending byte as one character of a private range, and found
//!   again by that name ([`names`]).
//! - No lock is held while the host's file system is asked, and all that an operation does is bounded by the buffers that
//!   it is given, by a folder's size or by the budget of the files in memory.

mod bundled;
mod exchange;
mod file;
mod folder;
mod grants;
mod host;
mod listing;
mod memory;
mod names;
mod namespace;
mod path;
mod shared;
mod stat;
mod walk;
pub(crate) mod written;

use super::errno::{Errno, Result};

pub(crate) use file::{Advice, Appended, Durability, File, SavedFile};
pub(crate) use folder::{Folder, OpenHow, Opened, Presence, SavedFolder};
pub(crate) use grants::Grants;
pub(crate) use listing::{Entry, Listing};
pub(crate) use namespace::{FileSystem, Snapshot};
pub(crate) use path::{Follow, GuestPath};
pub(crate) use stat::{Kind, SetTime, SetTimes, Stat};

#[cfg(test)]
mod tests;
