//! Operations in a folder of the host.

use std::sync::Arc;
use std::time::Duration;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RawDir, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT,
};
use rustix::io::Errno as Host;

use super::super::listing::Names;
use super::super::path::Tail;
use super::super::{
    Errno, Follow, Kind, OpenHow, Presence, Result, SetTime, SetTimes, Stat, names,
};
use super::quota::Quota;
use super::resolve::{Flags, Parent};
use super::walk::Last;
use super::walk::Walk;
use super::{HostFile, HostFolder};

/// Modes of new files and folders of guests, before the host's mask.
const FILE_MODE: Mode = Mode::from_bits_retain(0o666);
const FOLDER_MODE: Mode = Mode::from_bits_retain(0o777);

/// Number of a folder's bytes that are read at once.
const LISTED_BYTES: usize = 1 << 15;

/// File or folder that was opened in a folder of the host.
#[derive(Debug)]
pub(in super::super) enum HostOpened {
    File(HostFile),
    Folder(HostFolder),
}

impl HostFolder {
    pub(in super::super) fn open(&self, path: &str, how: OpenHow) -> Result<HostOpened> {
        let how = match self.grant.check_writable() {
            Ok(()) => how,
            Err(_) => self.only_for_reading(path, how)?,
        };
        if let Some(quota) = &self.grant.quota {
            return self.open_charged(path, how, quota);
        }
        let (fd, stat) = self.open_as(path, how)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                Ok(HostOpened::File(HostFile::new(fd, Arc::clone(&self.grant), None)))
            }
            FileType::Directory => Ok(HostOpened::Folder(self.below(fd))),
            _ => Err(Errno::Acces),
        }
    }

    fn open_as(&self, path: &str, how: OpenHow) -> Result<(OwnedFd, rustix::fs::Stat)> {
        let host = names::to_host(path)?;
        let fd = self.resolve(&host, open_flags(how)).map_err(|error| match error {
            // A pipe without a reader, a socket, or a device without a driver.
            Errno::NxIo | Errno::NoDev => Errno::Acces,
            error => error,
        })?;
        let stat = rustix::fs::fstat(&fd)?;
        Ok((fd, stat))
    }

    /// Opens what a path leads to, where what is made or cut is counted.
    fn open_charged(&self, path: &str, how: OpenHow, quota: &Arc<Quota>) -> Result<HostOpened> {
        let (mut how, truncate) = (OpenHow { truncate: false, ..how }, how.truncate);
        let place = match how.presence {
            Presence::Required => None,
            _ => quota.place().ok(),
        };
        if how.presence != Presence::Required && place.is_none() {
            // What is there already can be opened all the same.
            let is_new = how.presence == Presence::Exclusive;
            let follow = if is_new { Follow::Never } else { how.follow };
            match self.stat_at(path, follow) {
                Err(Errno::NoEnt) => return Err(Errno::DQuot),
                Err(error) => return Err(error),
                Ok(_) if is_new => return Err(Errno::Exist),
                Ok(stat) if stat.kind == Kind::Folder => return Err(Errno::IsDir),
                Ok(_) => how.presence = Presence::Required,
            }
        }
        let naming = (how.presence != Presence::Required).then(|| quota.names());
        let (fd, stat) = self.open_as(path, how)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => return Ok(HostOpened::Folder(self.below(fd))),
            _ => return Err(Errno::Acces),
        }
        let held = quota.hold(&fd, &stat, place);
        drop(naming);
        let file = HostFile::new(fd, Arc::clone(&self.grant), Some(held));
        if truncate {
            file.set_len(0)?;
        }
        Ok(HostOpened::File(file))
    }

    /// Finds out what opening would be in a folder that is only read, as on a file system that is. How it is then opened
    /// creates nothing, whatever happens meanwhile.
    fn only_for_reading(&self, path: &str, how: OpenHow) -> Result<OpenHow> {
        if !how.write && how.presence == Presence::Required {
            return Ok(how);
        }
        let follow = if how.presence == Presence::Exclusive { Follow::Never } else { how.follow };
        match (self.stat_at(path, follow), how.presence) {
            (Err(Errno::NoEnt), Presence::Created | Presence::Exclusive) => Err(Errno::RoFs),
            (Err(error), _) => Err(error),
            (Ok(_), Presence::Exclusive) => Err(Errno::Exist),
            (Ok(stat), _) if stat.kind == Kind::Folder => Err(Errno::IsDir),
            (Ok(stat), _) if stat.kind == Kind::Link => Err(Errno::Loop),
            (Ok(_), _) if how.write => Err(Errno::RoFs),
            (Ok(_), _) => Ok(OpenHow { presence: Presence::Required, ..how }),
        }
    }

    /// The folder of a name in this one, if there is such: links are not followed.
    pub(in super::super) fn folder_of_name(&self, name: &str) -> Option<Self> {
        let how = OpenHow {
            follow: Follow::Never,
            presence: Presence::Required,
            folder_only: true,
            truncate: false,
            read: true,
            write: false,
        };
        match self.open(name, how) {
            Ok(HostOpened::Folder(folder)) => Some(folder),
            Ok(HostOpened::File(_)) | Err(_) => None,
        }
    }

    pub(in super::super) fn stat(&self) -> Result<Stat> {
        Ok(stat_of(&rustix::fs::fstat(self.fd())?))
    }

    pub(in super::super) fn stat_at(&self, path: &str, follow: Follow) -> Result<Stat> {
        let path = names::to_host(path)?;
        if let (Parent::Given(fd), Last::Name(name)) = self.parent_if_given(&path)
            && !name.ends_with(b"/")
        {
            let stat = stat_of(&rustix::fs::statat(fd, &name[..], AtFlags::SYMLINK_NOFOLLOW)?);
            if follow == Follow::Never || stat.kind != Kind::Link {
                return Ok(stat);
            }
        }
        let fd = self.resolve(&path, Flags::place(follow))?;
        Ok(stat_of(&rustix::fs::fstat(&fd)?))
    }

    /// Adds what the folder has now to a listing, beside `.` and `..`.
    pub(in super::super) fn list(&self, names: &mut Names) -> Result<()> {
        // A handle of its own, so that listings do not move each other's positions.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(self.fd(), c".", flags, Mode::empty())?;
        let mut buffer = Vec::with_capacity(LISTED_BYTES);
        let mut entries = RawDir::new(&fd, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Err(Host::INTR) => continue,
                // The folder was removed, and is empty.
                Err(Host::NOENT) => break,
                entry => entry?,
            };
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => kind_of_unlisted(&fd, entry.file_name()),
                kind => kind_of(kind),
            };
            names.add(&names::to_guest(name), entry.ino(), kind)?;
        }
        Ok(())
    }

    pub(in super::super) fn create_folder(&self, path: &str) -> Result<()> {
        let path = names::to_host(path)?;
        let (parent, last) = self.parent(&path)?;
        let Last::Name(name) = last else { return Err(Errno::Exist) };
        if let Err(read_only) = self.grant.check_writable() {
            return Err(if exists(&parent, &name)? { Errno::Exist } else { read_only });
        }
        let place = match &self.grant.quota {
            None => None,
            Some(_) if exists(&parent, &name)? => return Err(Errno::Exist),
            Some(quota) => Some((quota, quota.place()?)),
        };
        let _naming = self.grant.quota.as_ref().map(|quota| quota.names());
        rustix::fs::mkdirat(&parent, &name[..], FOLDER_MODE)?;
        if let Some((quota, place)) = place {
            quota.made_folder(&parent, &name, place);
        }
        Ok(())
    }

    pub(in super::super) fn remove_folder(&self, path: &str) -> Result<()> {
        let path = names::to_host(path)?;
        let (parent, last) = self.parent(&path)?;
        let name = match last {
            Last::Name(name) => name,
            Last::Dot => return Err(Errno::Inval),
            Last::DotDot => return Err(Errno::NotEmpty),
        };
        self.check_removable(&parent, &name)?;
        self.releasing(&parent, &name, || {
            rustix::fs::unlinkat(&parent, &name[..], AtFlags::REMOVEDIR)
        })
    }

    pub(in super::super) fn remove_file(&self, path: &str) -> Result<()> {
        let path = names::to_host(path)?;
        let (parent, last) = self.parent(&path)?;
        let Last::Name(name) = last else { return Err(Errno::IsDir) };
        self.check_removable(&parent, &name)?;
        self.releasing(&parent, &name, || {
            rustix::fs::unlinkat(&parent, &name[..], AtFlags::empty())
        })
    }

    /// Does what takes a name away from what is there, if anything is, and gives back what that was charged.
    fn releasing(
        &self,
        parent: &Parent<'_>,
        name: &[u8],
        act: impl FnOnce() -> rustix::io::Result<()>,
    ) -> Result<()> {
        let _naming = self.grant.quota.as_ref().map(|quota| quota.names());
        let doomed = self.grant.quota.as_ref().and_then(|quota| quota.doomed(parent, name));
        act()?;
        if let Some(doomed) = doomed {
            doomed.settle();
        }
        Ok(())
    }

    /// Refuses to remove what is in a folder that is only read; what is missing is missing there too.
    fn check_removable(&self, parent: &Parent<'_>, name: &[u8]) -> Result<()> {
        match self.grant.check_writable() {
            Err(read_only) if exists(parent, name)? => Err(read_only),
            Err(_) => Err(Errno::NoEnt),
            Ok(()) => Ok(()),
        }
    }

    /// Renames within a grant: the caller found out that both folders are in one.
    pub(in super::super) fn rename(&self, from: &str, to_folder: &Self, to: &str) -> Result<()> {
        let (from, to) = (names::to_host(from)?, names::to_host(to)?);
        let (from_parent, from_last) = self.parent(&from)?;
        let (to_parent, to_last) = to_folder.parent(&to)?;
        let (Last::Name(from_name), Last::Name(to_name)) = (from_last, to_last) else {
            return Err(Errno::Busy);
        };
        self.check_removable(&from_parent, &from_name)?;
        self.releasing(&to_parent, &to_name, || {
            rustix::fs::renameat(&from_parent, &from_name[..], &to_parent, &to_name[..])
        })
    }

    /// Refuses to make a link: it would be there for others than the guest, and might lead them anywhere.
    pub(in super::super) fn refuse_link(&self, path: &str) -> Result<()> {
        let path = names::to_host(path)?;
        let (parent, last) = self.parent(&path)?;
        match last {
            Last::Name(name) if !exists(&parent, &name)? => {
                Err(self.grant.check_writable().err().unwrap_or(Errno::Perm))
            }
            _ => Err(Errno::Exist),
        }
    }

    pub(in super::super) fn read_link(&self, path: &str) -> Result<String> {
        let path = names::to_host(path)?;
        let (parent, last) = self.parent(&path)?;
        let target = match last {
            Last::Name(name) if !name.ends_with(b"/") => {
                rustix::fs::readlinkat(&parent, &name[..], Vec::new())?
            }
            // A path that leads behind a link, to a folder if at all.
            _ => {
                self.place(&path)?;
                return Err(Errno::Inval);
            }
        };
        Ok(names::to_guest(target.as_bytes()).into_owned())
    }

    pub(in super::super) fn set_times(&self, times: SetTimes) -> Result<()> {
        self.grant.check_writable()?;
        Ok(rustix::fs::futimens(self.fd(), &timestamps(times))?)
    }

    pub(in super::super) fn set_times_at(
        &self,
        path: &str,
        follow: Follow,
        times: SetTimes,
    ) -> Result<()> {
        let path = names::to_host(path)?;
        let fd = self.resolve(&path, Flags::place(follow))?;
        self.grant.check_writable()?;
        match rustix::fs::utimensat(&fd, c"", &timestamps(times), AtFlags::EMPTY_PATH) {
            // Before Linux 5.8 there has to be a name.
            Err(Host::INVAL) => self.set_times_by_walk(&path, follow, times),
            result => Ok(result?),
        }
    }

    fn set_times_by_walk(&self, path: &[u8], follow: Follow, times: SetTimes) -> Result<()> {
        let mut walk = Walk::new(self.fd());
        let name = match walk.find_last(path, Tail::Target(follow))? {
            Last::Name(name) => name,
            Last::Dot | Last::DotDot => b".".to_vec(),
        };
        let name = name.strip_suffix(b"/").unwrap_or(&name);
        let times = timestamps(times);
        Ok(rustix::fs::utimensat(walk.folder(), name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    pub(in super::super) fn sync(&self) -> Result<()> {
        Ok(rustix::fs::fsync(self.fd())?)
    }

    /// The parent and name of a path of one name; else what matches nothing.
    fn parent_if_given(&self, path: &[u8]) -> (Parent<'_>, Last) {
        if path.contains(&b'/') || matches!(path, b"." | b".." | b"") {
            return (Parent::Given(self.fd()), Last::Dot);
        }
        (Parent::Given(self.fd()), Last::Name(path.to_owned()))
    }
}

fn open_flags(how: OpenHow) -> Flags {
    let access = match (how.read, how.write) {
        (_, false) => OFlags::RDONLY,
        (false, true) => OFlags::WRONLY,
        (true, true) => OFlags::RDWR,
    };
    // Neither waits for the other end of a pipe nor makes a terminal ours.
    let mut flags = access | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut mode = Mode::empty();
    match how.presence {
        Presence::Required => {}
        Presence::Created => (flags, mode) = (flags | OFlags::CREATE, FILE_MODE),
        Presence::Exclusive => (flags, mode) = (flags | OFlags::CREATE | OFlags::EXCL, FILE_MODE),
    }
    if how.folder_only {
        flags |= OFlags::DIRECTORY;
    }
    if how.truncate {
        flags |= OFlags::TRUNC;
    }
    // What is created may not be there as a link either.
    let follow = if how.presence == Presence::Exclusive { Follow::Never } else { how.follow };
    Flags { flags, mode, follow }
}

/// Whether there is something of that name, of which a slash is not part.
fn exists(parent: &Parent<'_>, name: &[u8]) -> Result<bool> {
    let name = name.strip_suffix(b"/").unwrap_or(name);
    match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Host::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Looks at what a file system does not tell in its listings.
fn kind_of_unlisted(folder: &OwnedFd, name: &std::ffi::CStr) -> Kind {
    match rustix::fs::statat(folder.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => kind_of(FileType::from_raw_mode(stat.st_mode)),
        Err(_) => Kind::Unknown,
    }
}

fn kind_of(kind: FileType) -> Kind {
    match kind {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        FileType::Symlink => Kind::Link,
        FileType::Socket => Kind::Socket,
        FileType::CharacterDevice => Kind::CharacterDevice,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::Fifo | FileType::Unknown => Kind::Unknown,
    }
}

/// Tells what is known of a file. Times before 1970 are 1970, and those after 2554 the last that there is.
#[expect(
    clippy::unnecessary_cast,
    reason = "the types of these fields differ between architectures"
)]
pub(super) fn stat_of(stat: &rustix::fs::Stat) -> Stat {
    let time = |seconds: i64, nanoseconds: u64| {
        let seconds = u64::try_from(seconds).ok()?;
        let since_1970 = Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds);
        Some(u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX))
    };
    Stat {
        device: stat.st_dev as u64,
        // No file of the host has the number 0 that is seen by others than its file system; none may for guests.
        inode: (stat.st_ino as u64).max(1),
        kind: kind_of(FileType::from_raw_mode(stat.st_mode)),
        links: stat.st_nlink as u64,
        size: u64::try_from(stat.st_size).unwrap_or_default(),
        accessed: time(stat.st_atime as i64, stat.st_atime_nsec as u64).unwrap_or_default(),
        modified: time(stat.st_mtime as i64, stat.st_mtime_nsec as u64).unwrap_or_default(),
        changed: time(stat.st_ctime as i64, stat.st_ctime_nsec as u64).unwrap_or_default(),
    }
}

/// Times as the host takes them. It keeps what its file system can.
pub(super) fn timestamps(times: SetTimes) -> Timestamps {
    let timespec = |time| match time {
        SetTime::Keep => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        SetTime::Now => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        SetTime::To(nanoseconds) => {
            let time = Duration::from_nanos(nanoseconds);
            Timespec {
                tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: time.subsec_nanos().into(),
            }
        }
    };
    Timestamps {
        last_access: timespec(times.accessed),
        last_modification: timespec(times.modified),
    }
}
