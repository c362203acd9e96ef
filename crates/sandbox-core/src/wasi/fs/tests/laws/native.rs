//! A program of the host that does what a guest does, by the calls of the host and nothing else.

use std::path::{Path, PathBuf};

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps};

use super::*;

pub(super) struct Native {
    folders: Vec<OwnedFd>,
    files: Vec<(OwnedFd, bool)>,
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn kind(mode: u32) -> Kind {
    match FileType::from_raw_mode(mode) {
        FileType::Directory => Kind::Folder,
        FileType::RegularFile => Kind::File,
        FileType::Symlink => Kind::Link,
        _ => Kind::Unknown,
    }
}

fn known(stat: &rustix::fs::Stat) -> Outcome {
    let kind = kind(stat.st_mode);
    if kind == Kind::Folder {
        return Outcome::Known { kind, links: 1, size: 0 };
    }
    Outcome::Known { kind, links: stat.st_nlink, size: stat.st_size as u64 }
}

fn nofollow(follow: Follow) -> AtFlags {
    if follow == Follow::Never { AtFlags::SYMLINK_NOFOLLOW } else { AtFlags::empty() }
}

impl Native {
    pub(super) fn new(root: &Path) -> Self {
        let root = rustix::fs::openat(CWD, root, FOLDER, Mode::empty()).unwrap();
        Self { folders: vec![root], files: Vec::new() }
    }

    fn folder(&self, number: usize) -> BorrowedFd<'_> {
        self.folders[number % self.folders.len()].as_fd()
    }

    pub(super) fn act(&mut self, deed: &Deed) -> Outcome {
        self.try_act(deed).unwrap_or_else(|error| Outcome::Failed(error.into()))
    }

    /// The folder of a path's last name, for links, which guests cannot make and which must not lead out either.
    fn parent<'a>(&self, path: &'a str) -> rustix::io::Result<(OwnedFd, &'a str)> {
        let name = path.trim_end_matches('/').rfind('/').map_or(path, |slash| &path[slash + 1..]);
        let parent = &path[..path.len() - name.len()];
        let resolved = if matches!(name.trim_end_matches('/'), "." | "..") { path } else { parent };
        let resolved = match (path, resolved) {
            ("", _) => "",
            (_, "") => ".",
            (_, resolved) => resolved,
        };
        Ok((self.place(resolved, OFlags::PATH | OFlags::DIRECTORY)?, name))
    }

    fn place(&self, path: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let opened = rustix::fs::openat2(
            &self.folders[0],
            path,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::BENEATH,
        );
        opened.map_err(|error| {
            if error == rustix::io::Errno::XDEV { rustix::io::Errno::PERM } else { error }
        })
    }

    fn try_act(&mut self, deed: &Deed) -> rustix::io::Result<Outcome> {
        // What is no path is refused to guests before anything is looked at.
        if deed.paths().iter().any(|path| path.len() > 4095) {
            return Err(rustix::io::Errno::NAMETOOLONG);
        }
        if let Deed::Open { how, .. } = deed
            && (how.folder_only && how.presence != Presence::Required || how.truncate && !how.write)
        {
            return Err(rustix::io::Errno::INVAL);
        }
        for (number, path) in deed.paths().into_iter().enumerate() {
            let is_target = number == 0 && matches!(deed, Deed::Symlink { .. });
            match path.as_bytes() {
                [] => return Err(rustix::io::Errno::NOENT),
                [b'/', ..] if !is_target => return Err(rustix::io::Errno::PERM),
                _ => {}
            }
        }
        match deed {
            Deed::Open { folder, path, how } => return self.open(*folder, path, *how),
            Deed::CreateFolder { folder, path } => {
                rustix::fs::mkdirat(self.folder(*folder), &**path, Mode::from(0o777))?;
            }
            Deed::RemoveFolder { folder, path } => {
                rustix::fs::unlinkat(self.folder(*folder), &**path, AtFlags::REMOVEDIR)?;
            }
            Deed::RemoveFile { folder, path } => {
                rustix::fs::unlinkat(self.folder(*folder), &**path, AtFlags::empty())?;
            }
            Deed::Rename { folder, path, to_folder, to } => {
                rustix::fs::renameat(
                    self.folder(*folder),
                    &**path,
                    self.folder(*to_folder),
                    &**to,
                )?;
            }
            Deed::Symlink { target, path } => {
                let (parent, name) = self.parent(path)?;
                rustix::fs::symlinkat(&**target, &parent, name)?;
            }
            Deed::Link { path, follow, to } => {
                let nofollow =
                    if *follow == Follow::Never { OFlags::NOFOLLOW } else { OFlags::empty() };
                let source = self.place(path, OFlags::PATH | nofollow)?;
                let link = PathBuf::from(format!("/proc/self/fd/{}", source.as_raw_fd()));
                let (parent, name) = self.parent(to)?;
                rustix::fs::linkat(CWD, &link, &parent, name, AtFlags::SYMLINK_FOLLOW)?;
            }
            Deed::ReadLink { folder, path } => {
                let target = rustix::fs::readlinkat(self.folder(*folder), &**path, Vec::new())?;
                return Ok(Outcome::Text(target.into_string().unwrap()));
            }
            Deed::Stat { folder, path, follow } => {
                let stat = rustix::fs::statat(self.folder(*folder), &**path, nofollow(*follow))?;
                return Ok(known(&stat));
            }
            Deed::List { folder } => return self.list(*folder),
            Deed::SetTimes { folder, path, follow, time } => {
                let time = Timespec {
                    tv_sec: (time / 1_000_000_000) as i64,
                    tv_nsec: (time % 1_000_000_000) as i64,
                };
                let omitted = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
                let times = Timestamps { last_access: omitted, last_modification: time };
                let (folder, flags) = (self.folder(*folder), nofollow(*follow));
                rustix::fs::utimensat(folder, &**path, &times, flags)?;
                let stat = rustix::fs::statat(folder, &**path, flags)?;
                let modified = stat.st_mtime as u64 * 1_000_000_000 + stat.st_mtime_nsec as u64;
                return Ok(Outcome::Count(modified));
            }
            Deed::CloseFile { file } => {
                if !self.files.is_empty() {
                    let number = file % self.files.len();
                    self.files.remove(number);
                }
            }
            Deed::CloseFolder { folder } => {
                if self.folders.len() > 1 {
                    let number = 1 + folder % (self.folders.len() - 1);
                    self.folders.remove(number);
                }
            }
            Deed::Write { file, .. }
            | Deed::Append { file, .. }
            | Deed::Read { file, .. }
            | Deed::SetLen { file, .. }
            | Deed::Allocate { file, .. }
            | Deed::StatFile { file } => {
                let file = self.files.get(file % self.files.len().max(1));
                return match file {
                    Some((file, can_write)) if *can_write || !deed.writes() => use_file(file, deed),
                    _ => Ok(Outcome::Idle),
                };
            }
        }
        Ok(Outcome::Done)
    }

    fn open(&mut self, folder: usize, path: &str, how: OpenHow) -> rustix::io::Result<Outcome> {
        let mut flags = if how.write { OFlags::RDWR } else { OFlags::RDONLY } | OFlags::CLOEXEC;
        flags.set(OFlags::CREATE, how.presence != Presence::Required);
        flags.set(OFlags::EXCL, how.presence == Presence::Exclusive);
        flags.set(OFlags::DIRECTORY, how.folder_only);
        flags.set(OFlags::TRUNC, how.truncate);
        flags.set(OFlags::NOFOLLOW, how.follow == Follow::Never);
        let opened = rustix::fs::openat(self.folder(folder), path, flags, Mode::from(0o666))?;
        if kind(rustix::fs::fstat(&opened)?.st_mode) == Kind::Folder {
            self.folders.push(opened);
            return Ok(Outcome::Folder);
        }
        self.files.push((opened, how.write));
        Ok(Outcome::File)
    }

    fn list(&self, folder: usize) -> rustix::io::Result<Outcome> {
        let opened = rustix::fs::openat(self.folder(folder), ".", FOLDER, Mode::empty())?;
        let mut buffer = Vec::with_capacity(8192);
        let mut entries = rustix::fs::RawDir::new(opened, buffer.spare_capacity_mut());
        let mut names = vec![(".".to_owned(), Kind::Folder), ("..".to_owned(), Kind::Folder)];
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Err(rustix::io::Errno::NOENT) => break,
                entry => entry?,
            };
            let name = entry.file_name().to_str().unwrap().to_owned();
            if !matches!(&*name, "." | "..") {
                names.push((name, kind(entry.file_type().as_raw_mode())));
            }
        }
        names.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(Outcome::Names(names))
    }
}

fn use_file(file: &OwnedFd, deed: &Deed) -> rustix::io::Result<Outcome> {
    match deed {
        Deed::Write { offset, len, .. } => {
            let count = rustix::io::pwrite(file, &pattern(*len), *offset)?;
            Ok(Outcome::Count(count as u64))
        }
        Deed::Append { len, .. } => {
            let end = rustix::fs::fstat(file)?.st_size as u64;
            let count = rustix::io::pwrite(file, &pattern(*len), end)?;
            Ok(Outcome::Count(end + count as u64))
        }
        Deed::Read { offset, len, .. } => {
            let mut bytes = vec![0; *len];
            let count = rustix::io::pread(file, &mut bytes[..], *offset)?;
            bytes.truncate(count);
            Ok(Outcome::Bytes(bytes))
        }
        Deed::SetLen { len, .. } => rustix::fs::ftruncate(file, *len).map(|()| Outcome::Done),
        Deed::Allocate { offset, len, .. } => {
            let flags = rustix::fs::FallocateFlags::empty();
            rustix::fs::fallocate(file, flags, *offset, *len).map(|()| Outcome::Done)
        }
        _ => rustix::fs::fstat(file).map(|stat| known(&stat)),
    }
}
