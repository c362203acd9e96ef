//! From a path below an open folder to what it leads to.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno as Host;

use super::super::path::Step;
use super::super::path::Tail;
use super::super::{Errno, Follow, Result};
use super::walk::{Last, Walk};
use super::{HostFolder, beneath};

/// Number of times that a path is resolved again because something was moved meanwhile, before we walk.
const ATTEMPTS: usize = 16;

/// An open folder, of the caller or for this once.
#[derive(Debug)]
pub(super) enum Parent<'a> {
    Given(BorrowedFd<'a>),
    Opened(OwnedFd),
}

impl AsFd for Parent<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Given(fd) => *fd,
            Self::Opened(fd) => fd.as_fd(),
        }
    }
}

/// Flags with which the end of a path is opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flags {
    pub(super) flags: OFlags,
    pub(super) mode: Mode,
    pub(super) follow: Follow,
}

impl Flags {
    /// Opens nothing but the place, to look at it or to start from it.
    pub(super) const fn place(follow: Follow) -> Self {
        Self { flags: OFlags::PATH, mode: Mode::empty(), follow }
    }
}

impl HostFolder {
    /// Opens what a path leads to.
    pub(super) fn resolve(&self, path: &[u8], open: Flags) -> Result<OwnedFd> {
        let open_flags = open.flags | OFlags::CLOEXEC;
        if self.grant.has_openat2() {
            let nofollow = match open.follow {
                Follow::Never => OFlags::NOFOLLOW,
                Follow::Links => OFlags::empty(),
            };
            for _ in 0..ATTEMPTS {
                match rustix::fs::openat2(
                    self.fd(),
                    path,
                    open_flags | nofollow,
                    open.mode,
                    beneath(),
                ) {
                    Ok(fd) => return Ok(fd),
                    // Something was moved while the kernel looked: it cannot tell whether a `..` led out.
                    Err(Host::AGAIN | Host::INTR) => {}
                    Err(Host::XDEV) => return Err(Errno::Perm),
                    Err(Host::NOSYS | Host::PERM) if !self.grant.probe_again() => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        self.resolve_by_walk(path, open, open_flags)
    }

    fn resolve_by_walk(&self, path: &[u8], open: Flags, open_flags: OFlags) -> Result<OwnedFd> {
        let creates = open.flags.contains(OFlags::CREATE);
        let tail = if creates { Tail::New(open.follow) } else { Tail::Target(open.follow) };
        for _ in 0..ATTEMPTS {
            let mut walk = Walk::new(self.fd());
            let last = walk.find_last(path, tail)?;
            let (name, must_be_folder) = match &last {
                Last::Name(name) => match name.strip_suffix(b"/") {
                    Some(_) if creates => return Err(Errno::IsDir),
                    Some(name) => (name, OFlags::DIRECTORY),
                    None => (&name[..], OFlags::empty()),
                },
                Last::Dot | Last::DotDot => (&b"."[..], OFlags::empty()),
            };
            let flags = open_flags | must_be_folder | OFlags::NOFOLLOW;
            match rustix::fs::openat(walk.folder(), name, flags, open.mode) {
                // What was no link a moment ago is one now.
                Err(Host::LOOP) if open.follow == Follow::Links => {}
                Err(Host::INTR) => {}
                opened => return Ok(opened?),
            }
        }
        Err(Errno::Loop)
    }

    /// Finds the folder that the last name of a path is in. That name is not looked at.
    pub(super) fn parent(&self, path: &[u8]) -> Result<(Parent<'_>, Last)> {
        let (parent, last) = split(path);
        let opened = match (&last, parent) {
            (Last::Name(_), b"") => return Ok((Parent::Given(self.fd()), last)),
            // The whole path has to be one that leads to a folder.
            (Last::Dot | Last::DotDot, _) => self.place(path)?,
            (Last::Name(_), parent) => self.place(parent)?,
        };
        Ok((Parent::Opened(opened), last))
    }

    /// Opens a folder only to start from it.
    pub(super) fn place(&self, path: &[u8]) -> Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        self.resolve(path, Flags { flags, ..Flags::place(Follow::Links) })
    }
}

/// Splits the last name, with a slash if one or more are behind it, from what leads to it.
fn split(path: &[u8]) -> (&[u8], Last) {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    let start = path[..end].iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let step = Step::of(&path[start..]);
    let last = match step.name {
        b"" | b"." => Last::Dot,
        b".." => Last::DotDot,
        name if step.has_slash => Last::Name([name, b"/"].concat()),
        name => Last::Name(name.to_owned()),
    };
    (&path[..start], last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_name_keeps_one_slash() {
        assert_eq!(split(b"a"), (&b""[..], Last::Name(b"a".to_vec())));
        assert_eq!(split(b"a/b//"), (&b"a/"[..], Last::Name(b"b/".to_vec())));
        assert_eq!(split(b"a//b"), (&b"a//"[..], Last::Name(b"b".to_vec())));
        assert_eq!(split(b"a/."), (&b"a/"[..], Last::Dot));
        assert_eq!(split(b"a/../"), (&b"a/"[..], Last::DotDot));
    }
}
