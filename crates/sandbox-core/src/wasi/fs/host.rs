//! Granted folders of the host.
//!
//! A grant is opened once, and everything in it is reached from that handle. The kernel resolves paths (`openat2` with
//! `RESOLVE_BENEATH`), so that none leaves the folder that it starts from, whatever is moved meanwhile. Where there is no
//! `openat2`, or a filter of system calls refuses it, a walk of ours goes from name to name, follows no link by itself and
//! expands those that it finds ([`walk`]). Either way, what changes a folder is done by its last name in an open parent,
//! where links are not followed.

mod file;
mod folder;
mod quota;
mod resolve;
mod walk;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};

use super::Errno;
use crate::policy::{Access, FolderGrant};

pub(super) use file::HostFile;
pub(super) use folder::HostOpened;
use quota::Quota;
pub(super) use walk::{Found, look};

/// A folder of the host that was granted, open.
#[derive(Debug)]
pub(super) struct Grant {
    root: OwnedFd,
    access: Access,
    quota: Option<Arc<Quota>>,
    /// Whether the kernel resolves paths for us. It is found out, and can become false: a filter may come later.
    has_openat2: AtomicBool,
}

/// Whether the kernel is asked to resolve paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resolver {
    /// If it can.
    Kernel,
    /// Never: paths are walked by us. Outside of tests that is found out, and not chosen.
    #[cfg(test)]
    Walk,
}

impl Grant {
    /// Opens a folder, by a path that the host trusts.
    pub(super) fn open(grant: &FolderGrant, resolver: Resolver) -> rustix::io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, &grant.host, flags, Mode::empty())?;
        let has_openat2 = resolver == Resolver::Kernel && can_resolve(root.as_fd());
        let (access, quota) = (grant.access, grant.quota_bytes.map(Quota::new));
        Ok(Self { root, access, quota, has_openat2: AtomicBool::new(has_openat2) })
    }

    fn has_openat2(&self) -> bool {
        self.has_openat2.load(Ordering::Relaxed)
    }

    /// Finds out anew whether the kernel resolves paths, since it refused one without a clear reason.
    fn probe_again(&self) -> bool {
        let can = can_resolve(self.root.as_fd());
        self.has_openat2.store(can, Ordering::Relaxed);
        can
    }

    fn check_writable(&self) -> Result<(), Errno> {
        match self.access {
            Access::ReadOnly => Err(Errno::RoFs),
            Access::ReadWrite => Ok(()),
        }
    }
}

/// Whether the kernel resolves a path that cannot fail.
fn can_resolve(folder: BorrowedFd<'_>) -> bool {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat2(folder, c".", flags, Mode::empty(), beneath()).is_ok()
}

fn beneath() -> ResolveFlags {
    ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS
}

/// Open folder in a grant. Clones are the same folder.
#[derive(Debug, Clone)]
pub(super) struct HostFolder {
    grant: Arc<Grant>,
    /// `None` for the granted folder itself.
    opened: Option<Arc<OwnedFd>>,
}

impl HostFolder {
    pub(super) const fn root(grant: Arc<Grant>) -> Self {
        Self { grant, opened: None }
    }

    /// A folder that was opened below this one.
    pub(super) fn below(&self, opened: OwnedFd) -> Self {
        Self { grant: Arc::clone(&self.grant), opened: Some(Arc::new(opened)) }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        match &self.opened {
            Some(opened) => opened.as_fd(),
            None => self.grant.root.as_fd(),
        }
    }

    pub(super) fn is_writable(&self) -> bool {
        self.grant.check_writable().is_ok()
    }

    /// Whether this is the granted folder itself that the other is of.
    pub(super) fn is_root_of(&self, other: &Self) -> bool {
        self.opened.is_none() && other.opened.is_none() && self.is_in_grant_of(other)
    }

    /// Whether both are in one grant, so that a file can be renamed from one to the other.
    pub(super) fn is_in_grant_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.grant, &other.grant)
    }
}
