//! The file systems as a whole.

mod escapes;
mod files;
mod grants;
mod laws;
mod memory;
mod quotas;
mod swaps;

use std::path::Path;
use std::sync::Arc;

use super::grants::Grants;
use super::host::Resolver;
use super::*;
use crate::policy::{Access, FolderGrant};

const RESOLVERS: [Resolver; 2] = [Resolver::Kernel, Resolver::Walk];

/// A folder that is granted, beside one that is not.
struct Ground {
    home: tempfile::TempDir,
}

impl Ground {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        for folder in ["granted/sub", "other", "outside"] {
            std::fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        std::fs::write(home.path().join("granted/file"), "file").unwrap();
        std::fs::write(home.path().join("granted/sub/inner"), "inner").unwrap();
        std::fs::write(home.path().join("other/file"), "other").unwrap();
        std::fs::write(home.path().join("outside/secret"), "secret").unwrap();
        Self { home }
    }

    fn host(&self, path: &str) -> std::path::PathBuf {
        self.home.path().join(path)
    }

    fn grant(&self, host: &str, guest: &str, access: Access) -> FolderGrant {
        grant(&self.host(host), guest, access)
    }
}

/// Does something with either way to resolve paths.
fn each_way(grants: &[FolderGrant], act: impl Fn(&FileSystem, &Folder)) {
    for resolver in RESOLVERS {
        let file_system = file_system(grants, resolver);
        act(&file_system, &root(&file_system));
    }
}

fn grant(host: &Path, guest: &str, access: Access) -> FolderGrant {
    FolderGrant::new(host, guest, access)
}

fn file_system(grants: &[FolderGrant], resolver: Resolver) -> FileSystem {
    let grants = Arc::new(Grants::open_with(grants, &[], resolver).unwrap());
    FileSystem::new(&grants, 1 << 26, Arc::new(|| 1_000))
}

fn root(file_system: &FileSystem) -> Folder {
    file_system.preopened().unwrap().remove(0).1
}

fn path(text: &str) -> GuestPath<'_> {
    GuestPath::new(text.as_bytes()).unwrap()
}

const LOOK: OpenHow = OpenHow {
    follow: Follow::Links,
    presence: Presence::Required,
    folder_only: false,
    truncate: false,
    read: true,
    write: false,
};

const WRITE: OpenHow = OpenHow { presence: Presence::Created, write: true, ..LOOK };

fn open(folder: &Folder, text: &str, how: OpenHow) -> Result<File> {
    match folder.open(path(text), how)? {
        Opened::File(file) => Ok(file),
        Opened::Folder(_) => Err(Errno::IsDir),
    }
}

fn open_folder(folder: &Folder, text: &str) -> Result<Folder> {
    match folder.open(path(text), OpenHow { folder_only: true, ..LOOK })? {
        Opened::Folder(folder) => Ok(folder),
        Opened::File(_) => Err(Errno::NotDir),
    }
}

fn write(folder: &Folder, text: &str, bytes: &str) -> Result<usize> {
    let file = open(folder, text, OpenHow { truncate: true, ..WRITE })?;
    file.write_at(&[std::io::IoSlice::new(bytes.as_bytes())], 0, Durability::Eventual)
}

fn contents(file: &File) -> Result<String> {
    let mut bytes = vec![0; 4096];
    let count = file.read_at(&mut [std::io::IoSliceMut::new(&mut bytes)], 0)?;
    bytes.truncate(count);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn read(folder: &Folder, text: &str) -> Result<String> {
    contents(&open(folder, text, LOOK)?)
}

fn list(folder: &Folder) -> Vec<String> {
    let listing = folder.list().unwrap();
    let entries = (0..listing.len() as u64).map(|position| listing.entry(position).unwrap());
    let mut names: Vec<_> = entries.map(|entry| entry.name.to_owned()).collect();
    names.sort();
    names
}
