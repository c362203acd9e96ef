//! Why a guest was unwound in a call of a host function.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::numbers::BoxedError;
use crate::error::SandboxError;
use crate::text::panic_message;

/// Under which name the guest imports a function.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ImportName {
    pub(crate) module: String,
    pub(crate) name: String,
}

impl fmt::Display for ImportName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.module, self.name)
    }
}

/// Payload that Wasmer carries past the guest's frames.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unwound {
    /// The call is to stop. Why is known to its control.
    #[error("the call is to stop")]
    Stopped,
    /// The function returned an error.
    #[error("the host function `{function}` failed")]
    Failed {
        function: Arc<ImportName>,
        #[source]
        error: BoxedError,
    },
    /// The function panicked.
    #[error("the host function `{function}` panicked: {message}")]
    Panicked { function: Arc<ImportName>, message: String },
}

impl Unwound {
    pub(super) fn panicked(function: &Arc<ImportName>, panic: &(dyn Any + Send)) -> Self {
        Self::Panicked { function: Arc::clone(function), message: panic_message(panic) }
    }

    /// The error of a call of `function`; nothing if the call was stopped, which says more.
    pub(crate) fn into_error(self, function: &str) -> Option<SandboxError> {
        let (function, call) = (function.to_owned(), Box::default());
        match self {
            Self::Stopped => None,
            Self::Failed { function: host_function, error } => {
                let host_function = host_function.to_string();
                Some(SandboxError::HostFunctionFailed { function, host_function, error, call })
            }
            Self::Panicked { function: host_function, message } => {
                let host_function = host_function.to_string();
                Some(SandboxError::HostFunctionPanicked { function, host_function, message, call })
            }
        }
    }
}
