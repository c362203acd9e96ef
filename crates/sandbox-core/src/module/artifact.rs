//! Native code outside the process: sealed when it leaves, verified before it comes back.
//!
//! ```text
//! compiled module --seal--> header | description | native code --unseal--> Unsealed --sys::artifact--> module
//!                              \________ authenticated as one ________/
//! ```
//!
//! Two questions are asked of every file, in this order. Is it what somebody with the key wrote, to the last
//! byte? ([`envelope`]) And was it made by this build of the library, for this processor, with settings that
//! are wanted here? ([`identity`]) Only who has both answers gets a [`NativeCode`], and only a `NativeCode` can be
//! loaded.

mod identity;
mod linking;
mod stripping;

use bytes::Bytes;

use super::Behaviour;
use super::names::Names;
use crate::error::{ArtifactRejection, BuildAspect};
use crate::policy::SecurityPolicy;
use crate::signing::{KeyRing, Purpose, Sealer, SigningKey};
use crate::sys::artifact::{NativeCode, envelope};

pub(super) use identity::Identity;
pub(super) use stripping::strip;

/// A compiled module whose file was opened: its native code, and what was found out about the WebAssembly before.
#[derive(Debug)]
pub(super) struct Unsealed {
    native: NativeCode,
    behaviour: Behaviour,
    names: Names,
}

impl Unsealed {
    pub(super) fn native(&self) -> &NativeCode {
        &self.native
    }

    /// Behaviour of the WebAssembly that it was compiled from.
    pub(super) fn behaviour(&self) -> &Behaviour {
        &self.behaviour
    }

    /// The names that its functions had in the WebAssembly.
    pub(super) fn names(&self) -> &Names {
        &self.names
    }
}

/// Seals native code together with what it is.
pub(super) fn seal(
    native: &[u8],
    identity: &Identity,
    behaviour: &Behaviour,
    names: &Names,
    key: Sealer<'_>,
    purpose: Purpose,
) -> Vec<u8> {
    envelope::seal(&describe(identity, behaviour, names), native, key, purpose)
}

/// A description is one line of JSON for each part, and the names after them. Within a line, JSON has no line feeds.
fn describe(identity: &Identity, behaviour: &Behaviour, names: &Names) -> Vec<u8> {
    let lines = [&identity.to_bytes()[..], &behaviour.to_bytes(), names.as_bytes()];
    lines.join(&b'\n')
}

/// Content of a description.
type Description = (Identity, Behaviour, Names);

/// Reads a description. It must be authentic: one that cannot be read comes from another version.
fn parse(description: &Bytes) -> Result<Description, ArtifactRejection> {
    let mut lines = description.splitn(3, |byte| *byte == b'\n');
    let identity = Identity::parse(lines.next().unwrap_or_default())?;
    let behaviour = Behaviour::parse(lines.next().unwrap_or_default()).map_err(|error| {
        ArtifactRejection::OtherBuild {
            aspect: BuildAspect::Description,
            made_for: format!("that is unknown ({error})"),
            here: format!("sandbox-core {}", env!("CARGO_PKG_VERSION")),
        }
    })?;
    let names = lines.next().map(|names| description.slice_ref(names)).unwrap_or_default();
    Ok((identity, behaviour, Names::read_when_needed(names)))
}

/// Reads what a file says of itself, whoever made it.
pub(super) fn claimed(file: &Bytes) -> Result<(envelope::Claims, Identity), ArtifactRejection> {
    let claims = envelope::claims(file)?;
    let identity = Identity::parse(
        claims.description.split(|byte| *byte == b'\n').next().unwrap_or_default(),
    )?;
    Ok((claims, identity))
}

/// Opens a file that must hold exactly the module that is looked for.
pub(super) fn unseal_expected(
    file: Bytes,
    expected: &Identity,
    key: &SigningKey,
) -> Result<Unsealed, ArtifactRejection> {
    let fits = |description: &Bytes| {
        let (identity, behaviour, names) = parse(description)?;
        identity.require_same(expected)?;
        Ok((behaviour, names))
    };
    let (native, (behaviour, names)) =
        envelope::open(file, &key.into(), Purpose::Cache)?.accept_if(fits)?;
    Ok(Unsealed { native, behaviour, names })
}

/// Opens a file that may hold any module that this machine can run and the policy accepts, and says which.
pub(super) fn unseal_shipped(
    file: Bytes,
    policy: &SecurityPolicy,
    keys: &KeyRing,
) -> Result<(Unsealed, Identity), ArtifactRejection> {
    let fits = |description: &Bytes| {
        let description = parse(description)?;
        description.0.require_runnable(policy)?;
        Ok(description)
    };
    let (native, (identity, behaviour, names)) =
        envelope::open(file, keys, Purpose::Shipping)?.accept_if(fits)?;
    Ok((Unsealed { native, behaviour, names }, identity))
}

#[cfg(test)]
mod tests;
