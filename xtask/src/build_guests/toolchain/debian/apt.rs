//! apt with package lists, caches and sources of its own, as an ordinary user.

use std::fmt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::process::{capture, failure, read};
use crate::progress::Progress;

/// One package to download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.version)
    }
}

/// A private apt.
pub(super) struct Apt {
    configuration: Utf8PathBuf,
    archives: Utf8PathBuf,
}

impl Apt {
    /// Prepares the folders and the configuration below an empty or missing folder.
    pub(super) fn new(folder: &Utf8Path, sources: &str) -> Result<Self> {
        let apt =
            Self { configuration: folder.join("apt.conf"), archives: folder.join("archives") };
        for part in ["lists/partial", "cache/archives/partial", "archives"] {
            fs::create_dir_all(folder.join(part))?;
        }
        fs::write(folder.join("sources.list"), sources)?;
        fs::write(folder.join("status"), "")?;
        fs::write(&apt.configuration, configuration(folder))?;
        Ok(apt)
    }

    /// Fetches the package lists and checks their signatures.
    pub(super) fn update(&self) -> Result<()> {
        let progress = Progress::spinner("Fetching Debian's package lists");
        // Without this, apt counts lists that it could not fetch as a mere warning.
        let strict = "APT::Update::Error-Mode=any";
        let mut update = self.command("apt-get");
        update.args(["-o", strict, "update"]);
        let output = capture(&mut update).context("this system has no apt-get")?;
        if !output.status.success() {
            return Err(failure(&update, &output));
        }
        progress.finish();
        Ok(())
    }

    /// Lists the dependencies of packages, and theirs, and so on.
    pub(super) fn dependencies(&self, packages: &[&str]) -> Result<String> {
        let mut command = self.command("apt-cache");
        command.args(["depends", "--recurse", "--no-recommends", "--no-suggests"]);
        command.args(["--no-enhances", "--no-conflicts", "--no-breaks", "--no-replaces"]);
        read(command.args(packages))
    }

    /// Describes the versions of a package.
    pub(super) fn policy(&self, package: &str) -> Result<String> {
        read(self.command("apt-cache").args(["policy", package]))
    }

    /// Downloads packages and checks their hashes. Returns the archives.
    pub(super) fn download(&self, packages: &[Package]) -> Result<Vec<Utf8PathBuf>> {
        let specifications: Vec<String> = packages.iter().map(ToString::to_string).collect();
        let uris =
            read(self.command("apt-get").args(["download", "--print-uris"]).args(&specifications))?;
        let total = total_size(&uris)?;

        let title = format!("Downloading {} packages ({} MB)", packages.len(), total / 1_000_000);
        let progress = Progress::bytes(title, total);
        let mut download = self.command("apt-get");
        download.arg("download").args(&specifications).current_dir(&self.archives);
        let mut child = download
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("failed to start apt-get")?;
        while child.try_wait().context("failed to wait for apt-get")?.is_none() {
            thread::sleep(Duration::from_millis(100));
            progress.set(size_of_files(&self.archives));
        }
        let output = child.wait_with_output().context("failed to wait for apt-get")?;
        if !output.status.success() {
            return Err(failure(&download, &output));
        }
        progress.finish();
        self.archives(packages)
    }

    fn archives(&self, packages: &[Package]) -> Result<Vec<Utf8PathBuf>> {
        let mut archives = Vec::new();
        for entry in self.archives.read_dir_utf8()? {
            let path = entry?.into_path();
            if path.extension() == Some("deb") {
                archives.push(path);
            }
        }
        if archives.len() != packages.len() {
            let (got, wanted) = (archives.len(), packages.len());
            bail!("apt-get left {got} archives in {}, not {wanted}", self.archives);
        }
        archives.sort();
        Ok(archives)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        // Messages are parsed, so they must not be translated.
        command.arg("-q").arg("-c").arg(&self.configuration).env("LC_ALL", "C");
        command
    }
}

/// The settings that make apt private. They are read after the machine's, of which proxies stay
/// in force and hooks do not.
fn configuration(folder: &Utf8Path) -> String {
    format!(
        r#"Dir::State::Lists "{folder}/lists";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Cache::archives "archives";
Dir::Etc::SourceList "{folder}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
// The lock files are root's, and the folders above are nobody else's.
Debug::NoLocking "true";
// A helper user could not read the user's cache folder.
APT::Sandbox::User "root";
// Nothing is unpacked that Debian has not signed, whatever the machine's settings allow.
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
APT::Get::AllowUnauthenticated "false";
// Only the lists of packages are needed.
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
"#
    )
}

/// Adds up the sizes in lines such as `'URI' FILE SIZE HASH`.
fn total_size(uris: &str) -> Result<u64> {
    let mut total = 0;
    for line in uris.lines().filter(|line| line.starts_with('\'')) {
        let size = line.split_whitespace().nth(2).and_then(|size| size.parse::<u64>().ok());
        total += size.with_context(|| format!("failed to read the size of a package: {line}"))?;
    }
    Ok(total)
}

/// Adds up the files of a folder, as far as they can be read while apt writes them.
fn size_of_files(folder: &Utf8Path) -> u64 {
    let Ok(entries) = folder.read_dir_utf8() else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size_of_files(entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_packages_add_up() {
        let uris = "Reading package lists...\n\
                    'http://mirror.example/a_1%3a2.deb' a_1%3a2.deb 300 SHA256:abc\n\
                    'http://mirror.example/b.deb' b.deb 45 SHA256:def\n";
        assert_eq!(total_size(uris).unwrap(), 345);
        assert!(total_size("'http://mirror.example/b.deb' b.deb large SHA256:def").is_err());
    }

    #[test]
    fn the_configuration_never_accepts_unsigned_packages() {
        let text = configuration(Utf8Path::new("/somewhere"));
        assert!(text.contains("AllowUnauthenticated \"false\""));
        assert!(!text.to_lowercase().contains("trusted"));
    }
}
