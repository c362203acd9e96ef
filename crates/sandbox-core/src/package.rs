//! Wasmer packages, whose commands run in sandboxes.
//!
//! A package (`*.webc`) is one file with modules, folders and a manifest. Reading it is Wasmer's ([`webc`] and its
//! `virtual-fs`), after [`inspect`] has made sure that nothing in it can make that panic or go on for ever.

mod inspect;

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use virtual_fs::WebcVolumeFileSystem;
use webc::Container;
use webc::metadata::annotations::{WASI_RUNNER_URI, Wasi};
use webc::metadata::{Command, Manifest};

use crate::bundle::{FileBundle, read_virtual};
use crate::error::{PackageMeasure, Result, SandboxError};
use crate::policy::{BundleGrant, EnvironmentVariable, SecurityPolicy};

/// Largest file of a package, in bytes: it is held in memory.
const FILE_BYTES: u64 = 1 << 30;

/// A Wasmer package: commands, and the folders that they see.
///
/// Only what is in the package is read: nothing is fetched, and a package that needs another one says so when one of its
/// commands is used. The folders of a package are [bundles](FileBundle), shared by all sandboxes of its commands.
///
/// Where a package comes from makes no difference: one that is broken, or made to take time and memory, is an error
/// ([`SandboxError::InvalidPackage`], [`SandboxError::PackageLimit`]). At most 200,000 files, folders and links are read,
/// at most 128 folders deep, and a manifest of at most 1 MiB.
///
/// Needs the feature `wasix` of this crate, which is on by default.
///
/// ```no_run
/// use sandbox_core::{Package, RunRequest, SecurityPolicy, WasmSandbox};
///
/// # async fn example() -> sandbox_core::Result<()> {
/// let package = Package::from_file("python.webc")?;
/// let sandbox = WasmSandbox::builder()
///     .package_command(package.command("python")?)
///     .security_policy(SecurityPolicy::basic())
///     .build()
///     .await?;
/// let output = sandbox.run(RunRequest::new().arguments(["-c", "print(6 * 7)"])).await?;
/// assert_eq!(output.stdout, b"42\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Package {
    name: Option<String>,
    version: Option<String>,
    entrypoint: Option<String>,
    commands: Vec<PackageCommand>,
    volumes: Arc<[PackageVolume]>,
}

/// A command of a [`Package`]: a module, and what it is started with.
#[derive(Clone)]
pub struct PackageCommand {
    name: String,
    /// The module, or why there is none that could run.
    module: Result<Bytes, String>,
    program: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    volumes: Arc<[PackageVolume]>,
}

/// A folder of a [`Package`], and where its commands see it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PackageVolume {
    /// Where commands see the folder.
    pub guest: String,
    /// Files of the package.
    pub bundle: FileBundle,
}

impl fmt::Debug for PackageCommand {
    /// Names and lengths only: arguments and values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let environment = self.environment.iter().map(|(name, _)| name);
        f.debug_struct("PackageCommand")
            .field("name", &self.name)
            .field("module", &self.module.as_ref().map(Bytes::len))
            .field("program", &self.program)
            .field("arguments", &self.arguments.len())
            .field("environment", &environment.collect::<Vec<_>>())
            .field("volumes", &self.volumes)
            .finish()
    }
}

impl Package {
    /// Reads a package from a file of at most 1 GiB.
    ///
    /// # Errors
    /// [`SandboxError::PackageUnreadable`] if the file cannot be read, and those of [`Package::from_bytes`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let read = || {
            let mut bytes = Vec::new();
            File::open(path)?.take(FILE_BYTES + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(|error| unreadable(path, error))?;
        inspect::limit(PackageMeasure::Bytes, bytes.len() as u64, FILE_BYTES)?;
        Self::from_bytes(bytes)
    }

    /// Reads a package from memory. The bytes are kept, and not copied.
    ///
    /// # Errors
    /// [`SandboxError::InvalidPackage`] if the bytes are no package of the format `webc` 3, contradict themselves, or
    /// have paths that lead nowhere; [`SandboxError::PackageLimit`] if there is more in it than is read.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Result<Self> {
        let bytes = bytes.into();
        inspect::check(&bytes)?;
        let container = Container::from_bytes_and_version(bytes, webc::Version::V3)
            .map_err(|error| inspect::invalid(chain(&error)))?;
        Self::of_container(&container)
    }

    /// Builds a package of a folder with a `wasmer.toml`, as `wasmer package build` does, and reads it.
    ///
    /// The folder is the host's own and trusted: the manifest says which files around it become part of the package.
    ///
    /// # Errors
    /// [`SandboxError::InvalidPackage`] if it cannot be built, and those of [`Package::from_bytes`].
    pub fn from_folder(path: impl AsRef<Path>) -> Result<Self> {
        let manifest = path.as_ref().join("wasmer.toml");
        if let Err(error) = std::fs::metadata(&manifest) {
            return Err(unreadable(&manifest, error));
        }
        let package = wasmer_package::package::Package::from_manifest(manifest)
            .map_err(|error| inspect::invalid(chain(&error)))?;
        let bytes = package.serialize().map_err(|error| inspect::invalid(format!("{error:#}")))?;
        Self::from_bytes(bytes)
    }

    fn of_container(container: &Container) -> Result<Self> {
        let manifest = container.manifest();
        let about = manifest.wapm().map_err(|error| inspect::invalid(format!("{error:#}")))?;
        let (name, version) = about.map(|about| (about.name, about.version)).unwrap_or_default();
        let (volumes, missing) = volumes(container)?;
        let commands = manifest.commands.iter().map(|(name, command)| {
            let module = match &missing {
                Some(missing) => Err(missing.clone()),
                None => module(container, name, command),
            };
            PackageCommand::new(name, command, module, &volumes)
        });
        let commands = commands.collect::<Result<_>>()?;
        Ok(Self { name, version, entrypoint: manifest.entrypoint.clone(), commands, volumes })
    }

    /// The package's name, if it has one. What is built of a folder has none: it is the registry that names packages.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The package's version, if it has one.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The commands, in the order of the manifest.
    pub fn commands(&self) -> &[PackageCommand] {
        &self.commands
    }

    /// The command of a name.
    ///
    /// # Errors
    /// [`SandboxError::NoSuchCommand`] if there is none.
    pub fn command(&self, name: &str) -> Result<&PackageCommand> {
        let command = self.commands.iter().find(|command| command.name == name);
        command.ok_or_else(|| SandboxError::NoSuchCommand {
            name: name.to_owned(),
            available: self.commands.iter().map(|command| command.name.clone()).collect(),
        })
    }

    /// The command that runs if nobody names one: the one that the manifest says, or the only one.
    pub fn entrypoint(&self) -> Option<&PackageCommand> {
        match (&self.entrypoint, &*self.commands) {
            (Some(name), commands) => commands.iter().find(|command| command.name == *name),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    /// The folders that commands see.
    pub fn volumes(&self) -> &[PackageVolume] {
        &self.volumes
    }
}

impl PackageCommand {
    fn new(
        name: &str,
        command: &Command,
        module: Result<Bytes, String>,
        volumes: &Arc<[PackageVolume]>,
    ) -> Result<Self> {
        let wasi = command.wasi().map_err(|error| {
            inspect::invalid(format!("the annotations of the command {name:?}: {error:#}"))
        })?;
        let Wasi { env, main_args, exec_name, .. } = wasi.unwrap_or_else(|| Wasi::new(name));
        let variable = |text: String| match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (text, String::new()),
        };
        Ok(Self {
            name: name.to_owned(),
            module,
            program: exec_name.unwrap_or_else(|| name.to_owned()),
            arguments: main_args.unwrap_or_default(),
            environment: env.unwrap_or_default().into_iter().map(variable).collect(),
            volumes: Arc::clone(volumes),
        })
    }

    /// The command's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name that the program sees as its own, unless a run names another.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// The arguments that come before those of policy and run.
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// The variables of the environment, with their values, that those of policy and run replace.
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// The module in WebAssembly's binary format.
    ///
    /// # Errors
    /// [`SandboxError::CommandUnavailable`] if it is not in the package, or no program for WASI.
    pub fn module(&self) -> Result<&Bytes> {
        self.module.as_ref().map_err(|message| SandboxError::CommandUnavailable {
            command: self.name.clone(),
            message: message.clone(),
        })
    }

    /// The folders that the command sees.
    pub fn volumes(&self) -> &[PackageVolume] {
        &self.volumes
    }

    /// Adds what the command is started with to a policy. Returns the name that its program sees as its own.
    pub(crate) fn apply(self, policy: &mut SecurityPolicy) -> Arc<str> {
        let variables = self.environment.into_iter();
        let variables = variables.map(|(name, value)| EnvironmentVariable::new(name, value));
        policy.environment.splice(..0, variables);
        policy.arguments.splice(..0, self.arguments);
        for PackageVolume { guest, bundle } in &*self.volumes {
            policy.bundles.push(BundleGrant { bundle: bundle.clone(), guest: guest.clone() });
        }
        self.program.into()
    }
}

/// The folders that the manifest shows to commands, or one of them that is in another package.
fn volumes(container: &Container) -> Result<(Arc<[PackageVolume]>, Option<String>)> {
    let manifest: &Manifest = container.manifest();
    let mappings = manifest.filesystem().map_err(|error| inspect::invalid(format!("{error:#}")))?;
    let mappings = mappings.unwrap_or_default();
    inspect::limit(PackageMeasure::ShownFolders, mappings.len() as u64, inspect::MOST_VOLUMES)?;
    let mut known: HashMap<&str, FileBundle> = HashMap::new();
    let (mut volumes, mut missing) = (Vec::new(), None);
    for mapping in mappings.iter() {
        let name = mapping.volume_name.as_str();
        if let Some(other) = &mapping.from {
            missing = Some(format!(
                "the folder {:?} is in the package {other:?}, which is not a part of this one",
                mapping.mount_path
            ));
            continue;
        }
        if mapping.mount_path.split('/').any(|name| name == "..") {
            let message = format!("a folder is to be shown at {:?}", mapping.mount_path);
            return Err(inspect::invalid(message));
        }
        let bundle = match known.get(name) {
            Some(bundle) => bundle.clone(),
            None => {
                let volume = container.get_volume(name).ok_or_else(|| {
                    inspect::invalid(format!(
                        "the manifest shows a folder {name:?} that is not there"
                    ))
                })?;
                let files = Arc::new(WebcVolumeFileSystem::new(volume));
                read_virtual(files, inspect::MOST_NODES)
                    .map_err(|error| inspect::invalid(error.to_string()))?
            }
        };
        known.insert(name, bundle.clone());
        let guest = format!("/{}", mapping.mount_path.trim_start_matches('/'));
        volumes.push(PackageVolume { guest, bundle });
    }
    Ok((volumes.into(), missing))
}

/// The module that a command runs, or why there is none.
fn module(container: &Container, name: &str, command: &Command) -> Result<Bytes, String> {
    if !command.runner.starts_with(WASI_RUNNER_URI) {
        return Err(format!(
            "it is for the runner {:?}, and a sandbox runs programs for WASI",
            command.runner
        ));
    }
    let atom = command.atom().map_err(|error| format!("{error:#}"))?;
    let (atom, dependency) =
        atom.map_or((name.to_owned(), None), |atom| (atom.name, atom.dependency));
    if let Some(dependency) = dependency {
        return Err(format!(
            "its module is in the package {dependency:?}, which is not a part of this one"
        ));
    }
    let module = container.get_atom(&atom);
    module.map(Bytes::from_owner).ok_or_else(|| format!("the package has no module {atom:?}"))
}

fn unreadable(path: &Path, error: std::io::Error) -> SandboxError {
    SandboxError::PackageUnreadable { path: path.to_owned(), error }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
