//! Launch of a guest: what it is started with.

use std::fmt;
use std::sync::Arc;

use super::errno::Errno;
use super::fs::{FileSystem, Grants};
use super::streams::Source;
use super::table::Input;
use crate::error::{GrantKind, Result, SandboxError};
use crate::output::Sinks;
use crate::policy::{BundleGrant, EnvironmentVariable, FolderGrant, GrantUse, SecurityPolicy};

/// Name that a guest sees as its own, in front of its arguments.
const PROGRAM: &str = "guest";

/// Names and values.
type Variables<'a> = Vec<(&'a str, &'a str)>;

/// Arguments, environment and input that a guest is given at its start.
pub(super) struct Given {
    pub(super) arguments: Strings,
    pub(super) environment: Strings,
    pub(super) stdin: Input,
    pub(super) grants: Arc<Grants>,
}

/// A list of strings as WASI passes it: each ends with a zero byte.
#[derive(Default)]
pub(super) struct Strings {
    bytes: Vec<u8>,
    /// Where each begins.
    starts: Vec<usize>,
}

impl Strings {
    fn push(&mut self, parts: &[&str]) {
        self.starts.push(self.bytes.len());
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part.as_bytes()));
        self.bytes.push(0);
    }

    /// All of them, one after the other.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where each begins in [`Strings::bytes`].
    pub(super) fn starts(&self) -> &[usize] {
        &self.starts
    }
}

/// Additions of one start of a guest to what the policy grants.
#[derive(Clone, Default)]
pub(crate) struct Launch {
    /// The guest's name for itself, if it is not to be the usual one.
    pub(crate) program: Option<String>,
    /// Come after those of the policy.
    pub(crate) arguments: Vec<String>,
    /// Replace those of the policy that have the same name.
    pub(crate) environment: Vec<EnvironmentVariable>,
    /// Standard input, unless there is a reader for it.
    pub(crate) stdin: Vec<u8>,
    pub(crate) reader: Option<Source>,
    /// Where standard output and standard error go.
    pub(crate) sinks: Sinks,
    /// Files in memory that are there when it starts, by their paths.
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// Shown beside those of the policy.
    pub(crate) folders: Vec<FolderGrant>,
    pub(crate) bundles: Vec<BundleGrant>,
}

impl Launch {
    /// Takes the files, which are put in place once there is a file system.
    pub(super) fn take_files(&mut self) -> Files {
        Files(std::mem::take(&mut self.files))
    }

    /// Collects what the guest is given, if the policy accepts grants. The sandbox has opened the policy's folders already.
    ///
    /// # Errors
    /// [`SandboxError::InvalidGrant`] if it does not, for a folder that cannot be opened or shown, or for a name or value
    /// that WASI cannot carry.
    pub(super) fn granted(
        self,
        policy: &SecurityPolicy,
        of_sandbox: &Arc<Grants>,
    ) -> Result<Given> {
        let given: Vec<&str> =
            policy.arguments.iter().chain(&self.arguments).map(String::as_str).collect();
        let variables = variables(policy.environment.iter().chain(&self.environment));
        self.check_use(policy, &given, &variables)?;
        let program = self.program.as_deref().unwrap_or(PROGRAM);
        check(GrantKind::ProgramName, program, !program.contains('\0'))?;
        let mut arguments = Strings::default();
        arguments.push(&[program]);
        for argument in given {
            check(GrantKind::Argument, argument, !argument.contains('\0'))?;
            arguments.push(&[argument]);
        }
        let mut environment = Strings::default();
        for (name, value) in variables {
            let carried = !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0');
            check(GrantKind::Variable, name, carried)?;
            environment.push(&[name, "=", value]);
        }
        let stdin = match self.reader {
            Some(source) => Input::Reader(source),
            None => Input::Bytes(self.stdin.into()),
        };
        let grants = if self.folders.is_empty() && self.bundles.is_empty() {
            Arc::clone(of_sandbox)
        } else {
            Arc::new(of_sandbox.and(&self.folders, &self.bundles)?)
        };
        Ok(Given { arguments, environment, stdin, grants })
    }

    /// Refuses all grants under a policy that does.
    fn check_use(
        &self,
        policy: &SecurityPolicy,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<()> {
        if policy.grants == GrantUse::Accepted {
            return Ok(());
        }
        let folder = policy.folders.iter().chain(&self.folders).next();
        let bundle = policy.bundles.iter().chain(&self.bundles).next();
        let variable = || environment.first().map(|(name, _)| quoted(GrantKind::Variable, name));
        let argument = || arguments.first().map(|argument| quoted(GrantKind::Argument, argument));
        let first = folder
            .map(|folder| (GrantKind::Folder, folder.host.display().to_string()))
            .or_else(|| bundle.map(|bundle| (GrantKind::Bundle, format!("as {:?}", bundle.guest))))
            .or_else(variable)
            .or_else(argument);
        match first {
            None => Ok(()),
            Some((kind, grant)) => Err(SandboxError::InvalidGrant {
                kind,
                grant,
                message: "the policy refuses grants of folders, bundles, environment and arguments"
                    .to_owned(),
                error: None,
            }),
        }
    }
}

impl fmt::Debug for Launch {
    /// Names and lengths only: arguments, values and contents may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let environment = self.environment.iter().map(|variable| &variable.name);
        let files = self.files.iter().map(|(path, contents)| (path, contents.len()));
        f.debug_struct("Launch")
            .field("program", &self.program)
            .field("arguments", &self.arguments.len())
            .field("environment", &environment.collect::<Vec<_>>())
            .field("stdin_bytes", &self.stdin.len())
            .field("reader", &self.reader)
            .field("sinks", &self.sinks)
            .field("files", &files.collect::<Vec<_>>())
            .field("folders", &self.folders)
            .field("bundles", &self.bundles)
            .finish()
    }
}

/// Files in memory that a guest begins with, by their paths.
pub(super) struct Files(Vec<(String, Vec<u8>)>);

impl Files {
    /// Puts the files in the guest's memory.
    ///
    /// # Errors
    /// [`SandboxError::InvalidGrant`] for one that has no place there.
    pub(super) fn put(self, system: &FileSystem) -> Result<()> {
        for (path, contents) in self.0 {
            system.put(&path, &contents).map_err(|errno| SandboxError::InvalidGrant {
                kind: GrantKind::File,
                grant: format!("{path:?}"),
                message: reason(errno),
                error: None,
            })?;
        }
        Ok(())
    }
}

/// Why a file has no place, and what to do about it.
fn reason(errno: Errno) -> String {
    match errno {
        Errno::NoSpc => "it does not fit into what a guest may keep in memory; \
                         `SecurityPolicy::with_scratch_limit` raises that"
            .to_owned(),
        Errno::XDev => "a granted folder of the host is there; put the file into that".to_owned(),
        errno => format!("a guest cannot have a file of that path: {errno}"),
    }
}

/// The variables by name, with the last value that each was given.
fn variables<'a>(all: impl Iterator<Item = &'a EnvironmentVariable>) -> Variables<'a> {
    let mut variables = Variables::new();
    for EnvironmentVariable { name, value } in all {
        match variables.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => variables.push((name, value)),
        }
    }
    variables
}

/// A kind of grant, and its name as text.
fn quoted(kind: GrantKind, name: &str) -> (GrantKind, String) {
    (kind, format!("{name:?}"))
}

fn check(kind: GrantKind, name: &str, carried: bool) -> Result<()> {
    if carried {
        return Ok(());
    }
    let message = "names and values are without zero bytes, and names without `=`".to_owned();
    let (kind, grant) = quoted(kind, name);
    Err(SandboxError::InvalidGrant { kind, grant, message, error: None })
}
