//! What a guest is started with.

use crate::error::{Result, SandboxError};
use crate::policy::{EnvironmentVariable, GrantUse, SecurityPolicy};

/// What a guest sees as its own name, in front of its arguments.
pub(super) const PROGRAM: &str = "guest";

/// Names and values.
pub(super) type Variables = Vec<(String, String)>;

/// What one start of a guest adds to what the policy grants.
#[derive(Debug, Clone, Default)]
pub(crate) struct Launch {
    /// Come after those of the policy.
    pub(crate) arguments: Vec<String>,
    /// Replace those of the policy that have the same name.
    pub(crate) environment: Vec<EnvironmentVariable>,
    /// Standard input.
    pub(crate) stdin: Vec<u8>,
}

impl Launch {
    /// All arguments and variables, if the policy accepts grants.
    ///
    /// # Errors
    /// [`SandboxError::InvalidGrant`] if it does not, or for a name or value that WASI cannot carry.
    pub(super) fn granted(&self, policy: &SecurityPolicy) -> Result<(Vec<String>, Variables)> {
        let arguments: Vec<String> =
            policy.arguments.iter().chain(&self.arguments).cloned().collect();
        let environment = policy.environment.iter().chain(&self.environment);
        let environment: Variables =
            environment.map(|variable| (variable.name.clone(), variable.value.clone())).collect();
        check_use(policy, &arguments, &environment)?;
        for argument in &arguments {
            check(format!("the argument {argument:?}"), !argument.contains('\0'))?;
        }
        for (name, value) in &environment {
            let carried = !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0');
            check(format!("the environment variable {name:?}"), carried)?;
        }
        Ok((arguments, environment))
    }
}

fn check(grant: String, carried: bool) -> Result<()> {
    if carried {
        return Ok(());
    }
    let message = "names and values are without zero bytes, and names without `=`".to_owned();
    Err(SandboxError::InvalidGrant { grant, message })
}

fn check_use(
    policy: &SecurityPolicy,
    arguments: &[String],
    environment: &[(String, String)],
) -> Result<()> {
    if policy.grants == GrantUse::Accepted {
        return Ok(());
    }
    let folder = policy.folders.first();
    let first = folder
        .map(|folder| format!("the folder {}", folder.host.display()))
        .or_else(|| environment.first().map(|(name, _)| format!("the variable {name:?}")))
        .or_else(|| arguments.first().map(|argument| format!("the argument {argument:?}")));
    match first {
        None => Ok(()),
        Some(grant) => Err(SandboxError::InvalidGrant {
            grant,
            message: "the policy refuses grants of folders, environment and arguments".to_owned(),
        }),
    }
}
