//! Walks from name to name, for kernels that do not resolve paths for us.
//!
//! Each name is opened without following a link and then looked at. Of a link the text is read and walked, so it cannot
//! lead out either. The folders on the way are kept open: `..` goes back to the one before, wherever it has been moved to,
//! and beyond the first is nothing.

use std::borrow::Cow;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno as Host;

use super::super::path::Tail;
use super::super::path::{LINKS, Step};
use super::super::{Errno, Result};

/// Largest depth of a walk: each folder on the way is an open file of the host.
const DEPTH: usize = 128;

/// Thing that a name leads to.
#[derive(Debug)]
pub(in super::super) enum Found {
    Folder(OwnedFd),
    /// The target of a link.
    Link(Vec<u8>),
    /// Something that leads no further.
    Leaf,
    Nothing,
}

/// Looks at a name in a folder, without following a link.
pub(in super::super) fn look(folder: BorrowedFd<'_>, name: &[u8]) -> Result<Found> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = match rustix::fs::openat(folder, name, flags, Mode::empty()) {
        Ok(opened) => opened,
        Err(Host::NOENT) => return Ok(Found::Nothing),
        Err(error) => return Err(error.into()),
    };
    match FileType::from_raw_mode(rustix::fs::fstat(&opened)?.st_mode) {
        FileType::Directory => Ok(Found::Folder(opened)),
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(&opened, c"", Vec::new())?;
            Ok(Found::Link(target.into_bytes()))
        }
        _ => Ok(Found::Leaf),
    }
}

/// The last name of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Last {
    /// A name of something, or of nothing yet. A slash behind it is part of it: the kernel knows what that means, and none
    /// of the calls that take it follow a link.
    Name(Vec<u8>),
    /// The path ends with `.`, or with nothing behind a folder.
    Dot,
    DotDot,
}

/// A walk below a folder.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    base: BorrowedFd<'a>,
    folders: Vec<OwnedFd>,
}

impl<'a> Walk<'a> {
    pub(super) const fn new(base: BorrowedFd<'a>) -> Self {
        Self { base, folders: Vec::new() }
    }

    /// The folder that the walk has come to.
    pub(super) fn folder(&self) -> BorrowedFd<'_> {
        self.folders.last().map_or(self.base, AsFd::as_fd)
    }

    /// Walks to the folder that the last name of the path is in. If links of that name are followed, it is none of a link,
    /// unless it becomes one.
    pub(super) fn find_last(&mut self, path: &[u8], tail: Tail) -> Result<Last> {
        let mut text = Cow::Borrowed(path);
        let (mut at, mut links) = (0, 0);
        loop {
            let step = Step::of(&text[at..]);
            match step.name {
                b"" => return Ok(Last::Dot),
                b"." if step.is_last() => return Ok(Last::Dot),
                b"." => {}
                b".." => {
                    self.folders.pop().ok_or(Errno::Perm)?;
                    if step.is_last() {
                        return Ok(Last::DotDot);
                    }
                }
                _ if step.is_last() && !tail.follows(step.has_slash) => return Ok(last(step)),
                name => match look(self.folder(), name)? {
                    Found::Link(target) => {
                        links += 1;
                        if links > LINKS {
                            return Err(Errno::Loop);
                        }
                        (text, at) = (Cow::Owned(expand(target, step)?), 0);
                        continue;
                    }
                    _ if step.is_last() => return Ok(last(step)),
                    Found::Folder(folder) if self.folders.len() < DEPTH => {
                        self.folders.push(folder)
                    }
                    Found::Folder(_) => return Err(Errno::NameTooLong),
                    Found::Leaf => return Err(Errno::NotDir),
                    Found::Nothing => return Err(Errno::NoEnt),
                },
            }
            at = text.len() - step.rest.len();
        }
    }
}

fn last(step: Step<'_>) -> Last {
    let slash: &[u8] = if step.has_slash { b"/" } else { b"" };
    Last::Name([step.name, slash].concat())
}

/// The path that is left once a link is followed.
fn expand(target: Vec<u8>, step: Step<'_>) -> Result<Vec<u8>> {
    if target.first() == Some(&b'/') {
        return Err(Errno::Perm);
    }
    let mut path = target;
    if step.has_slash {
        path.push(b'/');
        path.extend_from_slice(step.rest);
    }
    Ok(path)
}
