//! Unpacking archives without installing them.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};

use crate::process::read;
use crate::progress::Progress;

/// The archive of which only a part is needed: the compiler's own sources are five times as large
/// as those of the standard library.
const SOURCES: &str = "rust-web-src_";

/// Unpacks archives into a folder.
pub(super) fn unpack(archives: &[Utf8PathBuf], folder: &Utf8Path) -> Result<()> {
    let progress = Progress::parts("Unpacking", archives.len() as u64);
    for archive in archives {
        let is_sources = archive.file_name().is_some_and(|name| name.starts_with(SOURCES));
        if is_sources {
            unpack_library_sources(archive, folder)?;
        } else {
            read(Command::new("dpkg-deb").args(["-x", archive.as_str(), folder.as_str()]))?;
        }
        progress.advance();
    }
    progress.finish();
    Ok(())
}

fn unpack_library_sources(archive: &Utf8Path, folder: &Utf8Path) -> Result<()> {
    let mut reader = Command::new("dpkg-deb")
        .args(["--fsys-tarfile", archive.as_str()])
        .stdout(Stdio::piped())
        .spawn()
        .context("failed to start dpkg-deb")?;
    let tarfile = reader.stdout.take().context("failed to read from dpkg-deb")?;
    let wanted = ["./usr/src/*/library", "./usr/lib/rustlib/src"];
    let mut tar = Command::new("tar");
    tar.args(["-x", "--wildcards", "-C", folder.as_str()]).args(wanted).stdin(tarfile);
    read(&mut tar)?;
    if !reader.wait().context("failed to wait for dpkg-deb")?.success() {
        bail!("dpkg-deb failed to read {archive}");
    }
    Ok(())
}
