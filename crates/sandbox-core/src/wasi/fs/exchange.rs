//! Files that the host gives to a guest, and takes from it.

use std::io::{IoSlice, IoSliceMut};

use super::folder::Backing;
use super::{Durability, Errno, FileSystem, Folder, Follow, GuestPath, OpenHow, Opened, Presence};
use super::{File, Result};

impl FileSystem {
    /// Puts a file in memory, in place of what was there, with the folders that lead to it.
    ///
    /// # Errors
    /// [`Errno::Inval`] for a path that names no file or goes up, [`Errno::XDev`] if it leads into a granted folder or a bundle,
    /// [`Errno::NoSpc`] if there is no room, and those of making folders and files.
    pub(crate) fn put(&self, path: &str, contents: &[u8]) -> Result<()> {
        let names = path.split('/').filter(|name| !matches!(*name, "" | "."));
        let names: Vec<&str> = names.collect();
        let Some((name, parents)) = names.split_last() else { return Err(Errno::Inval) };
        if path.ends_with('/') || names.contains(&"..") {
            return Err(Errno::Inval);
        }
        let (_, mut folder) = self.preopened()?.swap_remove(0);
        for parent in parents {
            folder = folder.with_folder(parent)?;
        }
        write_all(&folder.new_file(name)?, contents)
    }

    /// Reads a file in memory or of a bundle, whole.
    ///
    /// # Errors
    /// Those of opening it, and [`Errno::XDev`] if it is in a granted folder.
    pub(crate) fn get(&self, path: &str) -> Result<Vec<u8>> {
        let how = OpenHow {
            follow: Follow::Links,
            presence: Presence::Required,
            folder_only: false,
            truncate: false,
            read: true,
            write: false,
        };
        let (_, root) = self.preopened()?.swap_remove(0);
        let path = GuestPath::new(path.trim_start_matches('/').as_bytes())?;
        match root.open(path, how)? {
            Opened::File(file) if file.is_of_host() => Err(Errno::XDev),
            Opened::File(file) => read_all(&file),
            Opened::Folder(_) => Err(Errno::IsDir),
        }
    }
}

impl Folder {
    /// Makes a folder in memory, if there is none, and opens it.
    fn with_folder(&self, name: &str) -> Result<Self> {
        self.check_in_memory()?;
        let name = GuestPath::new(name.as_bytes())?;
        match self.create_folder(name) {
            Ok(()) | Err(Errno::Exist) => {}
            Err(error) => return Err(error),
        }
        let how = OpenHow {
            follow: Follow::Never,
            presence: Presence::Required,
            folder_only: true,
            truncate: false,
            read: true,
            write: false,
        };
        match self.open(name, how)? {
            Opened::Folder(folder) => Ok(folder),
            Opened::File(_) => Err(Errno::NotDir),
        }
    }

    /// Makes an empty file in memory.
    fn new_file(&self, name: &str) -> Result<File> {
        self.check_in_memory()?;
        let how = OpenHow {
            follow: Follow::Never,
            presence: Presence::Created,
            folder_only: false,
            truncate: true,
            read: false,
            write: true,
        };
        match self.open(GuestPath::new(name.as_bytes())?, how)? {
            Opened::File(file) => Ok(file),
            Opened::Folder(_) => Err(Errno::IsDir),
        }
    }

    fn check_in_memory(&self) -> Result<()> {
        match self.backing {
            Backing::Memory(_) => Ok(()),
            Backing::Host(_) | Backing::Bundled(_) | Backing::Junction(_) => Err(Errno::XDev),
        }
    }
}

fn write_all(file: &File, contents: &[u8]) -> Result<()> {
    let mut written = 0;
    while let Some(rest) = contents.get(written..).filter(|rest| !rest.is_empty()) {
        match file.write_at(&[IoSlice::new(rest)], written as u64, Durability::Eventual)? {
            0 => return Err(Errno::NoSpc),
            count => written += count,
        }
    }
    Ok(())
}

fn read_all(file: &File) -> Result<Vec<u8>> {
    let size = usize::try_from(file.stat()?.size).map_err(|_| Errno::FBig)?;
    let mut contents = Vec::new();
    contents.try_reserve_exact(size).map_err(|_| Errno::NoMem)?;
    contents.resize(size, 0);
    let mut read = 0;
    while let Some(rest) = contents.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(&mut [IoSliceMut::new(rest)], read as u64)? {
            0 => break,
            count => read += count,
        }
    }
    contents.truncate(read);
    Ok(contents)
}
