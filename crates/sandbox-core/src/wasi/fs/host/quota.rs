//! Quota of a granted folder: how much its guests may have added to it at any one time.
//!
//! Charged are the lengths of files, which are at least what they take of the disk, and [`PLACE_BYTES`] for each name that is
//! made. Nothing that a guest does may leave more in the folder than what was there and the quota, so what is given back is
//! only what is known to be free: a file counts until its last name is gone and none of the guests has it open.
//!
//! - A file that the host made is charged for what is written into its holes, and for what it grows beyond its length. What
//!   a guest cuts off it may write again; what it removes of the host's it gets no credit for.
//! - Sizes are looked at and changed under one lock a file. The host's own changes in between are neither charged nor
//!   credited.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};

use super::super::{Errno, Result};

/// Charge for a new file or folder: for its name and what the file system keeps of it.
pub(super) const PLACE_BYTES: u64 = 4096;

/// The unit in which a file system says how much a file takes.
const BLOCK_BYTES: u64 = 512;

/// File or folder of the host, whatever its names are.
type Inode = (u64, u64);

/// Quota of a granted folder, and what its guests have used of it.
#[derive(Debug)]
pub(super) struct Quota {
    limit_bytes: u64,
    used_bytes: AtomicU64,
    /// Files and folders that guests changed or have open.
    known: Mutex<HashMap<Inode, Known>>,
    /// Held by whoever makes or removes a name, so that what loses its name is what was looked at.
    names: Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    account: Arc<Mutex<Account>>,
    /// Number of guests' handles.
    handles: usize,
    /// Whether it has no name any more.
    is_gone: bool,
}

/// Account of one file.
#[derive(Debug, Default)]
struct Account {
    /// Bytes that they made it longer. Negative while it is shorter than it was.
    grown_bytes: i64,
    /// Bytes that were written where the host's file had holes.
    filled_bytes: u64,
    /// The most that there may be left of its holes, once it was looked at.
    hole_bytes: Option<u64>,
    /// Whether they made it.
    is_made: bool,
}

impl Account {
    fn charged_bytes(&self) -> u64 {
        let place = if self.is_made { PLACE_BYTES } else { 0 };
        positive(self.grown_bytes) + self.filled_bytes + place
    }

    /// Charge for writing so many bytes there, and what it consists of.
    fn charge(&self, size: u64, offset: u64, len: u64) -> Charge {
        let end = offset.saturating_add(len);
        // A write of nothing makes no file longer.
        let growth = if len == 0 { 0 } else { end.saturating_sub(size) };
        let grown_bytes = self.grown_bytes.saturating_add(signed(growth));
        let below = len.min(size.saturating_sub(offset));
        let filled = below.min(self.hole_bytes.unwrap_or_default());
        let bytes = positive(grown_bytes) - positive(self.grown_bytes) + filled;
        Charge { bytes, grown_bytes, filled }
    }

    fn apply(&mut self, charge: Charge) {
        self.grown_bytes = charge.grown_bytes;
        self.filled_bytes += charge.filled;
        self.hole_bytes = self.hole_bytes.map(|left| left - charge.filled);
    }

    /// Keeps the charge of a name, unless the file has it already.
    fn accept(&mut self, mut place: Place) {
        if !self.is_made {
            self.is_made = true;
            place.0 = None;
        }
    }

    /// The length of the file; and its holes, before any is filled.
    fn look(&mut self, file: &OwnedFd) -> Result<u64> {
        let stat = rustix::fs::fstat(file)?;
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        if self.hole_bytes.is_none() {
            let on_disk = u64::try_from(stat.st_blocks).unwrap_or_default() * BLOCK_BYTES;
            // Those that guests made by growing it are charged already.
            let grown_bytes = positive(self.grown_bytes);
            let holes = size.saturating_sub(on_disk).saturating_sub(grown_bytes);
            self.hole_bytes = Some(holes);
        }
        Ok(size)
    }
}

#[derive(Debug, Clone, Copy)]
struct Charge {
    bytes: u64,
    grown_bytes: i64,
    filled: u64,
}

fn positive(bytes: i64) -> u64 {
    u64::try_from(bytes).unwrap_or_default()
}

/// A length as a difference. No file is so long that it would not fit.
fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Quota {
    pub(super) fn new(limit_bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            limit_bytes,
            used_bytes: AtomicU64::new(0),
            known: Mutex::default(),
            names: Mutex::default(),
        })
    }

    /// Keeps other guests from making and removing names.
    pub(super) fn names(&self) -> MutexGuard<'_, ()> {
        lock(&self.names)
    }

    fn try_use(&self, bytes: u64) -> Result<()> {
        let within = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.limit_bytes);
        match self.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within) {
            Ok(_) => Ok(()),
            Err(_) => Err(Errno::DQuot),
        }
    }

    fn give_back(&self, bytes: u64) {
        self.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn left_bytes(&self) -> u64 {
        self.limit_bytes.saturating_sub(self.used_bytes.load(Ordering::Relaxed))
    }

    /// Charges one more name, before it is made.
    ///
    /// # Errors
    /// [`Errno::DQuot`] if there is no room for it.
    pub(super) fn place(self: &Arc<Self>) -> Result<Place> {
        self.try_use(PLACE_BYTES)?;
        Ok(Place(Some(Arc::clone(self))))
    }

    /// Notes that a guest has a file open. It may have made it, for which `place` was charged.
    pub(super) fn hold(
        self: &Arc<Self>,
        fd: &OwnedFd,
        stat: &rustix::fs::Stat,
        place: Option<Place>,
    ) -> Held {
        let inode = inode(stat);
        let mut known = lock(&self.known);
        let entry = known.entry(inode).or_default();
        entry.handles += 1;
        let account = Arc::clone(&entry.account);
        drop(known);
        // What is empty and was never charged counts as made.
        if let Some(place) = place.filter(|_| stat.st_size == 0) {
            lock(&account).accept(place);
        }
        self.forget_if_gone(fd);
        Held { quota: Arc::clone(self), inode, account }
    }

    /// Notes that a folder was made.
    pub(super) fn made_folder(self: &Arc<Self>, parent: impl AsFd, name: &[u8], place: Place) {
        // If it is gone already, so is its charge.
        let Some(Doomed { fd, .. }) = self.doomed(parent, name) else { return };
        let Ok(stat) = rustix::fs::fstat(&fd) else { return };
        lock(&lock(&self.known).entry(inode(&stat)).or_default().account).accept(place);
        self.forget_if_gone(&fd);
    }

    /// Gives back the charge of what lost its last name while it was noted.
    fn forget_if_gone(&self, fd: &OwnedFd) {
        if let Ok(stat) = rustix::fs::fstat(fd)
            && stat.st_nlink == 0
        {
            self.forget(inode(&stat));
        }
    }

    /// Looks at what is about to lose a name.
    pub(super) fn doomed(self: &Arc<Self>, parent: impl AsFd, name: &[u8]) -> Option<Doomed> {
        let name = name.strip_suffix(b"/").unwrap_or(name);
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(parent, name, flags, Mode::empty()).ok()?;
        Some(Doomed { quota: Arc::clone(self), fd })
    }

    /// Gives back what a file without a name was charged, or has the last handle do so.
    fn forget(&self, inode: Inode) {
        let mut known = lock(&self.known);
        let Some(entry) = known.get_mut(&inode) else { return };
        entry.is_gone = true;
        if entry.handles == 0 {
            self.settle(&mut known, inode);
        }
    }

    /// Does what is to be done when nobody has a file open any more.
    fn settle(&self, known: &mut HashMap<Inode, Known>, inode: Inode) {
        let Some(entry) = known.get(&inode) else { return };
        let mut account = lock(&entry.account);
        let charged_bytes = account.charged_bytes();
        if entry.is_gone {
            self.give_back(charged_bytes);
        } else if charged_bytes > 0 {
            // The file may become another one before it is opened again.
            account.grown_bytes = account.grown_bytes.max(0);
            account.hole_bytes = None;
            return;
        }
        drop(account);
        known.remove(&inode);
    }
}

fn inode(stat: &rustix::fs::Stat) -> Inode {
    #[expect(
        clippy::unnecessary_cast,
        reason = "the types of these fields differ between architectures"
    )]
    (stat.st_dev as u64, stat.st_ino as u64)
}

/// Charge of a name that is given back unless the name is made.
#[derive(Debug)]
pub(super) struct Place(Option<Arc<Quota>>);

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(quota) = &self.0 {
            quota.give_back(PLACE_BYTES);
        }
    }
}

/// File or folder that is losing a name.
pub(super) struct Doomed {
    quota: Arc<Quota>,
    fd: OwnedFd,
}

impl Doomed {
    /// Gives back what it was charged, if that was its last name.
    pub(super) fn settle(self) {
        let Self { quota, fd } = self;
        // While it is open: its number is not another file's then.
        quota.forget_if_gone(&fd);
    }
}

/// Open file in a folder with a quota.
#[derive(Debug)]
pub(super) struct Held {
    quota: Arc<Quota>,
    inode: Inode,
    account: Arc<Mutex<Account>>,
}

impl Held {
    /// Writes as much as there is room for; at the end of the file if no offset is given.
    ///
    /// # Errors
    /// [`Errno::DQuot`] if there is room for nothing, and those of the host.
    pub(super) fn write(
        &self,
        file: &OwnedFd,
        offset: Option<u64>,
        len: u64,
        write: impl FnOnce(u64) -> Result<usize>,
    ) -> Result<usize> {
        let mut account = lock(&self.account);
        let size = account.look(file)?;
        let offset = offset.unwrap_or(size);
        let (fitting, charged_bytes) = self.fitting(&account, size, offset, len)?;
        let written = write(fitting);
        let charge =
            account.charge(size, offset, written.as_ref().map_or(0, |count| *count as u64));
        self.quota.give_back(charged_bytes - charge.bytes);
        account.apply(charge);
        written
    }

    /// The most that can be written there, which is charged.
    fn fitting(&self, account: &Account, size: u64, offset: u64, len: u64) -> Result<(u64, u64)> {
        let whole = account.charge(size, offset, len);
        if self.quota.try_use(whole.bytes).is_ok() {
            return Ok((len, whole.bytes));
        }
        // A longer write is never charged less.
        let left = self.quota.left_bytes();
        let (mut fits, mut beyond) = (0, len);
        while beyond - fits > 1 {
            let middle = fits + (beyond - fits) / 2;
            if account.charge(size, offset, middle).bytes <= left {
                fits = middle;
            } else {
                beyond = middle;
            }
        }
        let charge = account.charge(size, offset, fits);
        if fits == 0 {
            return Err(Errno::DQuot);
        }
        self.quota.try_use(charge.bytes)?;
        Ok((fits, charge.bytes))
    }

    /// Does what may fill a part of the file, all or nothing.
    ///
    /// # Errors
    /// [`Errno::DQuot`] if there is not so much room, and those of the host.
    pub(super) fn fill(
        &self,
        file: &OwnedFd,
        offset: u64,
        len: u64,
        fill: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let mut account = lock(&self.account);
        let size = account.look(file)?;
        let charge = account.charge(size, offset, len);
        self.quota.try_use(charge.bytes)?;
        fill().inspect_err(|_| self.quota.give_back(charge.bytes))?;
        account.apply(charge);
        Ok(())
    }

    /// Cuts the file or makes it longer.
    ///
    /// # Errors
    /// [`Errno::DQuot`] if there is not so much room, and those of the host.
    pub(super) fn set_len(
        &self,
        file: &OwnedFd,
        len: u64,
        set_len: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let mut account = lock(&self.account);
        let size = account.look(file)?;
        if len > size {
            let charge = account.charge(size, size, len - size);
            self.quota.try_use(charge.bytes)?;
            set_len().inspect_err(|_| self.quota.give_back(charge.bytes))?;
            account.apply(charge);
            return Ok(());
        }
        set_len()?;
        // What was cut off may have been holes, and what is left may still have them.
        let holes = account.hole_bytes.unwrap_or_default();
        let freed = (size - len).saturating_sub(holes);
        let before = account.charged_bytes();
        account.grown_bytes = account.grown_bytes.saturating_sub(signed(freed));
        account.hole_bytes = Some(holes.min(len));
        self.quota.give_back(before - account.charged_bytes());
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut known = lock(&self.quota.known);
        let Some(entry) = known.get_mut(&self.inode) else { return };
        entry.handles -= 1;
        if entry.handles == 0 {
            self.quota.settle(&mut known, self.inode);
        }
    }
}
