//! Native code outside the process: sealed when it leaves, verified before it comes back.
//!
//! ```text
//! compiled module --seal--> header | description | native code --unseal--> NativeCode --sys::artifact--> module
//!                              \________ authenticated as one ________/
//! ```
//!
//! Two questions are asked of every file, in this order. Is it what somebody with the key wrote, to the last
//! byte? ([`envelope`]) And was it made by this build of the library, for this processor, with settings that
//! are wanted here? ([`identity`]) Only who has both answers gets a [`NativeCode`], and only a `NativeCode` can be
//! loaded.

mod ballast;
mod envelope;
mod identity;
mod linking;

use bytes::Bytes;

use super::Behaviour;
use super::names::Names;
use super::signing::{Purpose, SigningKey};
use crate::policy::SecurityPolicy;

pub(super) use ballast::unload;
pub(super) use identity::Identity;

/// Native code that may be executed: authenticated, and made for this machine and this build of the library.
///
/// The fields are private to this module, and the functions below are the only ones that fill it.
#[derive(Debug)]
pub(crate) struct NativeCode {
    native: Bytes,
    behaviour: Behaviour,
    names: Names,
}

impl NativeCode {
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.native
    }

    /// What was found out about the WebAssembly that it was compiled from.
    pub(crate) fn behaviour(&self) -> &Behaviour {
        &self.behaviour
    }

    /// The names that its functions had in the WebAssembly.
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }
}

/// Why a file with a compiled module was not loaded. Its code was not looked at, let alone run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactRejection {
    /// The file is something else, or was made by a version of this library with another file format.
    #[error("it is no compiled module that this version knows: precompile the module again")]
    Unrecognised,

    /// The file is shorter or longer than it was.
    #[error("it has {actual_bytes} bytes and should have {declared_bytes}: copy it again, whole")]
    WrongLength {
        /// The length that its header tells, in bytes.
        declared_bytes: u64,
        /// The length that it has, in bytes.
        actual_bytes: u64,
    },

    /// The file was sealed with another key.
    #[error("it was sealed with another key: load it with the key that it was precompiled with")]
    ForeignKey,

    /// The file is not what was sealed.
    #[error("it was changed after it was sealed: copy it again, or precompile the module again")]
    Altered,

    /// The file is genuine and was made for something else.
    #[error("it was made for {aspect} {made_for}, and here is {here}: compile the module for this")]
    Incompatible {
        /// In what the two differ.
        aspect: &'static str,
        /// What it was made for.
        made_for: String,
        /// What is needed here.
        here: String,
    },

    /// The file is genuine and fits, and still cannot be loaded.
    #[error("Wasmer cannot load it: {message}; precompile the module again")]
    Unloadable {
        /// What Wasmer said.
        message: String,
    },
}

/// Seals native code together with what it is.
pub(super) fn seal(
    native: &[u8],
    identity: &Identity,
    behaviour: &Behaviour,
    names: &Names,
    key: &SigningKey,
    purpose: Purpose,
) -> Vec<u8> {
    envelope::seal(&describe(identity, behaviour, names), native, key, purpose)
}

/// A description is one line of JSON for each part, and the names after them. Within a line, JSON has no line feeds.
fn describe(identity: &Identity, behaviour: &Behaviour, names: &Names) -> Vec<u8> {
    let lines = [&identity.to_bytes()[..], &behaviour.to_bytes(), names.as_bytes()];
    lines.join(&b'\n')
}

/// What stands in a description.
type Description = (Identity, Behaviour, Names);

/// Reads a description. It must be authentic: one that cannot be read comes from another version.
fn parse(description: &Bytes) -> Result<Description, ArtifactRejection> {
    let mut lines = description.splitn(3, |byte| *byte == b'\n');
    let identity = Identity::parse(lines.next().unwrap_or_default())?;
    let behaviour = Behaviour::parse(lines.next().unwrap_or_default()).map_err(|error| {
        ArtifactRejection::Incompatible {
            aspect: "a description",
            made_for: format!("that is unknown ({error})"),
            here: format!("sandbox-core {}", env!("CARGO_PKG_VERSION")),
        }
    })?;
    let names = lines.next().map(|names| description.slice_ref(names)).unwrap_or_default();
    Ok((identity, behaviour, Names::read_when_needed(names)))
}

/// Opens a file that must hold exactly the module that is looked for.
pub(super) fn unseal_expected(
    file: Bytes,
    expected: &Identity,
    key: &SigningKey,
) -> Result<NativeCode, ArtifactRejection> {
    let opened = envelope::open(file, key, Purpose::Cache)?;
    let (identity, behaviour, names) = parse(&opened.description)?;
    identity.require_same(expected)?;
    Ok(NativeCode { native: opened.native, behaviour, names })
}

/// Opens a file that may hold any module that this machine can run and the policy accepts, and says which.
pub(super) fn unseal_shipped(
    file: Bytes,
    policy: &SecurityPolicy,
    key: &SigningKey,
) -> Result<(NativeCode, Identity), ArtifactRejection> {
    let opened = envelope::open(file, key, Purpose::Shipping)?;
    let (identity, behaviour, names) = parse(&opened.description)?;
    identity.require_runnable(policy)?;
    Ok((NativeCode { native: opened.native, behaviour, names }, identity))
}

#[cfg(test)]
mod tests;
