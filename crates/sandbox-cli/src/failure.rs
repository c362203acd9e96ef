//! Failures, and the exit codes that tell them apart.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use sandbox_core::{ErrorClass, SandboxError};

/// Text of `--help` about exit codes.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  N    the program's own, for `run`
  2    the command line or an argument is wrong
  124  stopped: it took longer than it may (--time)
  125  the sandbox or the system failed
  126  the module cannot be used under this policy, or not at all
  127  there is no such file
  134  it trapped or panicked
  137  stopped: it wanted more memory than it may have (--memory)
  152  stopped: it used up its fuel (--fuel)
  153  stopped: it wrote more output than it may (--output)";

const MORE_TIME: &str = "--time 2m gives it more, --time none all it wants";

/// Something that went wrong, in words and as an exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// The caller asked for what cannot be.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, message: message.into() }
    }

    /// The module cannot be used.
    pub(crate) fn unusable(message: impl Into<String>) -> Self {
        Self { code: 126, message: message.into() }
    }

    /// The system, or what stands on it, failed.
    pub(crate) fn system(error: &dyn std::error::Error) -> Self {
        Self { code: 125, message: chain(error) }
    }

    /// A program took too long, and waits for what does not come.
    pub(crate) fn timeout(limit: Duration) -> Self {
        let message = format!(
            "the program ran for longer than {limit:?}, and waits for standard input\n  {MORE_TIME}"
        );
        Self { code: 124, message }
    }

    /// Says what went wrong on standard error, and returns the exit code for it.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("sandbox: {}", self.message);
        ExitCode::from(self.code)
    }
}

impl From<SandboxError> for Failure {
    fn from(error: SandboxError) -> Self {
        let mut message = chain(&error);
        if let Some(hint) = hint(&error) {
            message.push_str("\n  ");
            message.push_str(hint);
        }
        Self { code: code_of(&error), message }
    }
}

/// Writes to standard output. That nobody reads it any longer, as where `head` has seen enough, is no failure.
pub(crate) fn print(bytes: impl AsRef<[u8]>) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::system(&error)),
        _ => Ok(()),
    }
}

/// The exit code for an error, as a shell has them for what ends programs.
fn code_of(error: &SandboxError) -> u8 {
    match error {
        SandboxError::Timeout { .. } => 124,
        SandboxError::OutOfFuel { .. } => 152,
        SandboxError::OutputLimit { .. } => 153,
        SandboxError::MemoryLimit { .. }
        | SandboxError::TableLimit { .. }
        | SandboxError::InstanceTooLarge { .. } => 137,
        SandboxError::SourceUnreadable { error, .. } if error.kind() == io::ErrorKind::NotFound => {
            127
        }
        _ => match error.class() {
            ErrorClass::Guest => 134,
            ErrorClass::Module => 126,
            ErrorClass::Usage | ErrorClass::Limit => 2,
            _ => 125,
        },
    }
}

/// Returns what to do about an error, where an option of this program helps.
fn hint(error: &SandboxError) -> Option<&'static str> {
    match error {
        SandboxError::Timeout { .. } => Some(MORE_TIME),
        SandboxError::OutOfFuel { .. } => Some("--fuel N gives it more"),
        SandboxError::OutputLimit { .. } => Some("--output 1GiB lets it write more"),
        SandboxError::MemoryLimit { .. } | SandboxError::InstanceTooLarge { .. } => {
            Some("--memory 1GiB gives it more")
        }
        SandboxError::ForbiddenFeature { .. }
        | SandboxError::CompileLimit { .. }
        | SandboxError::ModuleTooLarge { .. } => {
            Some("`sandbox inspect` says which policies would take it")
        }
        SandboxError::NoSuchFunction { name, .. } if name == "_start" => {
            Some("it is no program: `sandbox call MODULE FUNCTION` calls one of its functions")
        }
        SandboxError::NoSuchFunction { .. } => Some("`sandbox inspect` lists what can be called"),
        _ => None,
    }
}

/// The error and its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !message.contains(&cause) {
            message.push_str(": ");
            message.push_str(&cause);
        }
        source = error.source();
    }
    message
}
