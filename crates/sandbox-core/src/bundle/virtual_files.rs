//! Files of Wasmer's `virtual-fs` as a bundle.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::io::AsyncReadExt as _;
use virtual_fs::{FileSystem, Metadata};

use super::{Body, BundleId, Contents, DEEPEST, FileBundle, InvalidBundle, MOST_NODES, Nodes};

/// Longest target of a link, in bytes: the longest path.
const LONGEST_TARGET: u64 = 4095;

type Files = Arc<dyn FileSystem + Send + Sync>;

/// Contents that a file system is asked for once.
#[derive(Debug)]
pub(crate) struct Later {
    files: Files,
    len: u64,
    bytes: OnceLock<Option<Bytes>>,
}

impl Later {
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn bytes(&self, path: impl FnOnce() -> PathBuf) -> Option<&Bytes> {
        let read = || {
            let path = path();
            let path = path.as_path();
            let bytes = read(&self.files, path, self.len);
            let warn = |error: &io::Error| {
                tracing::warn!(path = %path.display(), %error, "a file of a bundle cannot be read");
            };
            bytes.inspect_err(warn).ok()
        };
        self.bytes.get_or_init(read).as_ref()
    }
}

/// Reads a file, without a copy where the file system has it in memory.
fn read(files: &Files, path: &Path, len: u64) -> io::Result<Bytes> {
    let file = files.new_open_options().read(true).open(path).map_err(io::Error::other)?;
    let bytes = match file.as_owned_buffer() {
        Some(buffer) => Bytes::from_owner(buffer),
        None => {
            let mut bytes = Vec::new();
            // What it says of its length need not hold.
            pollster::block_on(file.take(len.saturating_add(1)).read_to_end(&mut bytes))?;
            bytes.into()
        }
    };
    if bytes.len() as u64 == len {
        Ok(bytes)
    } else {
        let message = format!("it has {} bytes, and should have {len}", bytes.len());
        Err(io::Error::new(io::ErrorKind::InvalidData, message))
    }
}

impl FileBundle {
    /// Makes a bundle of a file system of Wasmer's `virtual-fs`, of this version of it
    /// ([`virtual_fs`](crate::virtual_fs)).
    ///
    /// Names, kinds and lengths are read now. What is in a file is read when a guest first opens it, and kept; a file
    /// whose length is another by then cannot be read. The file system is asked on threads that run guests.
    ///
    /// ```
    /// use std::path::Path;
    /// use std::sync::Arc;
    /// use sandbox_core::virtual_fs::{FileSystem, mem_fs};
    /// use sandbox_core::{FileBundle, SecurityPolicy};
    ///
    /// # fn main() -> sandbox_core::Result<()> {
    /// let files = mem_fs::FileSystem::default();
    /// files.create_dir(Path::new("/templates")).expect("nothing is there yet");
    /// let bundle = FileBundle::from_virtual_fs(Arc::new(files))?;
    /// let policy = SecurityPolicy::strict().with_bundle(&bundle, "/assets");
    /// # let _ = policy;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`InvalidBundle`] if a folder or link cannot be read, a name is not UTF-8 or too long, or there is
    /// too much or too deep.
    pub fn from_virtual_fs(
        files: Arc<dyn FileSystem + Send + Sync>,
    ) -> Result<Self, InvalidBundle> {
        read_virtual(files, MOST_NODES)
    }
}

/// Makes a bundle of at most so many files, folders and links.
///
/// # Errors
/// As [`FileBundle::from_virtual_fs`].
pub(crate) fn read_virtual(files: Files, most_nodes: usize) -> Result<FileBundle, InvalidBundle> {
    let mut nodes = Nodes::new(0);
    let mut todo = vec![(BundleId::ROOT, 0)];
    let mut count = 1;
    while let Some((folder, depth)) = todo.pop() {
        let path = nodes.path(folder);
        let refuse = |path: &Path, message: String| InvalidBundle {
            path: path.display().to_string(),
            message,
        };
        let entries = files.read_dir(&path).map_err(|error| refuse(&path, error.to_string()))?;
        for entry in entries {
            let entry = entry.map_err(|error| refuse(&path, error.to_string()))?;
            let name = entry.file_name();
            let path = path.join(&name);
            let name = name.to_str();
            let name = name.ok_or_else(|| refuse(&path, "its name is not UTF-8".to_owned()))?;
            let metadata = entry.metadata().map_err(|error| refuse(&path, error.to_string()))?;
            count += 1;
            if count > most_nodes {
                return Err(refuse(&path, format!("it is one more than {most_nodes} may be")));
            }
            let body = body(&files, &path, &metadata).map_err(|message| refuse(&path, message))?;
            let is_folder = matches!(body, Body::Folder(_));
            let id = nodes
                .add(folder, name, metadata.modified(), body)
                .map_err(|message| refuse(&path, message.to_owned()))?;
            if is_folder {
                if depth == DEEPEST {
                    return Err(refuse(&path, format!("it is deeper than {DEEPEST} folders")));
                }
                todo.push((id, depth + 1));
            }
        }
    }
    Ok(nodes.into())
}

fn body(files: &Files, path: &Path, metadata: &Metadata) -> Result<Body, String> {
    if metadata.is_dir() {
        return Ok(Body::Folder(BTreeMap::new()));
    }
    if metadata.file_type().is_symlink() {
        if metadata.len() > LONGEST_TARGET {
            return Err("its target is longer than a path can be".to_owned());
        }
        let target = files.readlink(path).map_err(|error| error.to_string())?;
        let target = target.to_str().ok_or("its target is not UTF-8")?;
        return Ok(Body::Link(target.into()));
    }
    if !metadata.is_file() {
        return Err("it is neither a file nor a folder nor a link".to_owned());
    }
    let (files, len) = (Arc::clone(files), metadata.len());
    Ok(Body::File(Contents::Later(Later { files, len, bytes: OnceLock::new() })))
}
