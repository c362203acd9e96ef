//! Identity of native code: what it was made from, by what, and for what.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use wasmer::sys::Target;

use crate::error::{ArtifactRejection, BuildAspect};
use crate::module::compiler::{CodeSettings, RecordedSettings};
use crate::policy::SecurityPolicy;

/// Raised whenever this crate changes what native code it lets Wasmer make, or relies on, in a way that the other
/// fields of [`Identity`] do not show.
const REVISION: u32 = 8;

/// Everything that decides which native code comes out of a compilation.
///
/// Two modules of the same identity are interchangeable; that is what makes it the key of the caches. A new way to
/// influence code must become a field of [`CodeSettings`], which is all that the compiler is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The hash of the Wasm bytes, in hexadecimal.
    wasm: String,
    /// Their length.
    wasm_bytes: u64,
    settings: CodeSettings,
    build: Arc<Build>,
}

/// Part of an identity that all modules have in common which are compiled with the same options by one build of this
/// library on one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Build {
    /// Description that Wasmer gives of the compiler and its options.
    compiler_options: String,
    wasmer: String,
    sandbox: String,
    target: String,
    /// Sorted by name.
    cpu_features: Vec<String>,
}

impl Build {
    /// This build, on this machine. It is the same as long as the process lives, and kept.
    fn here(compiler_options: &'static str) -> Arc<Self> {
        static KNOWN: Mutex<Vec<Arc<Build>>> = Mutex::new(Vec::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(build) = known.iter().find(|build| build.compiler_options == compiler_options) {
            return Arc::clone(build);
        }
        let target = Target::default();
        let mut cpu_features: Vec<String> =
            target.cpu_features().iter().map(|feature| feature.to_string()).collect();
        cpu_features.sort_unstable();
        let build = Arc::new(Self {
            compiler_options: compiler_options.to_owned(),
            wasmer: wasmer_types::VERSION.to_owned(),
            sandbox: format!("{}.{REVISION}", env!("CARGO_PKG_VERSION")),
            target: target.triple().to_string(),
            cpu_features,
        });
        known.push(Arc::clone(&build));
        build
    }

    /// Processor features may be fewer than there are here, everything else must be as it is here.
    fn require_same_machine(&self, here: &Self) -> Result<(), ArtifactRejection> {
        if std::ptr::eq(self, here) {
            return Ok(());
        }
        same(BuildAspect::Wasmer, &self.wasmer, &here.wasmer)?;
        same(BuildAspect::SandboxCore, &self.sandbox, &here.sandbox)?;
        same(BuildAspect::Target, &self.target, &here.target)?;
        let missing: Vec<&str> = self
            .cpu_features
            .iter()
            .filter(|feature| !here.cpu_features.contains(feature))
            .map(String::as_str)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let missing = missing.into_iter().map(str::to_owned).collect();
        Err(ArtifactRejection::OtherProcessor { missing })
    }
}

/// Version of [`Record`], raised with every change of what is in it.
const RECORD_VERSION: u32 = 1;

/// Identity as artifacts have it, in words of their own: what is done to a public type changes none of them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record<'a> {
    version: u32,
    wasm: &'a str,
    wasm_bytes: u64,
    settings: RecordedSettings,
    compiler_options: &'a str,
    wasmer: &'a str,
    sandbox: &'a str,
    target: &'a str,
    #[serde(borrow)]
    cpu_features: Vec<&'a str>,
}

impl Record<'_> {
    /// Whether it is of a module that was made by that build.
    fn is_of(&self, build: &Build) -> bool {
        self.compiler_options == build.compiler_options
            && self.wasmer == build.wasmer
            && self.sandbox == build.sandbox
            && self.target == build.target
            && self.cpu_features == build.cpu_features
    }

    /// Build that made the module.
    fn build(&self) -> Build {
        Build {
            compiler_options: self.compiler_options.to_owned(),
            wasmer: self.wasmer.to_owned(),
            sandbox: self.sandbox.to_owned(),
            target: self.target.to_owned(),
            cpu_features: self.cpu_features.iter().map(|name| (*name).to_owned()).collect(),
        }
    }
}

impl Identity {
    /// Identity of what those bytes become if they are compiled here with those settings.
    pub(crate) fn new(wasm: &[u8], settings: &CodeSettings) -> Self {
        Self {
            wasm: blake3::hash(wasm).to_hex().to_string(),
            wasm_bytes: wasm.len() as u64,
            settings: settings.clone(),
            build: Build::here(settings.compiler_options()),
        }
    }

    /// The key under which caches know the module.
    pub(crate) fn digest(&self) -> blake3::Hash {
        blake3::hash(&self.to_bytes())
    }

    /// The hash of the Wasm bytes, in hexadecimal.
    pub(crate) fn wasm_hash(&self) -> &str {
        &self.wasm
    }

    /// The length of the Wasm bytes.
    pub(crate) fn wasm_bytes(&self) -> u64 {
        self.wasm_bytes
    }

    /// System and version of this library and of Wasmer that it was made for.
    pub(crate) fn build(&self) -> (&str, &str, &str) {
        (&self.build.target, &self.build.sandbox, &self.build.wasmer)
    }

    /// The processor features that its code may use.
    pub(crate) fn cpu_features(&self) -> &[String] {
        &self.build.cpu_features
    }

    pub(crate) fn settings(&self) -> &CodeSettings {
        &self.settings
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let Self { wasm, wasm_bytes, settings, build } = self;
        let Build { compiler_options, wasmer, sandbox, target, cpu_features } = &**build;
        let record = Record {
            version: RECORD_VERSION,
            wasm,
            wasm_bytes: *wasm_bytes,
            settings: settings.recorded(),
            compiler_options,
            wasmer,
            sandbox,
            target,
            cpu_features: cpu_features.iter().map(String::as_str).collect(),
        };
        serde_json::to_vec(&record).expect("strings and numbers can be written as JSON")
    }

    /// Reads a description. It must be authentic: one that cannot be read comes from another version.
    pub(super) fn parse(description: &[u8]) -> Result<Self, ArtifactRejection> {
        let unknown = |reason: String| ArtifactRejection::OtherBuild {
            aspect: BuildAspect::Description,
            made_for: format!("that is unknown ({reason})"),
            here: format!("sandbox-core {}", env!("CARGO_PKG_VERSION")),
        };
        let record: Record<'_> =
            serde_json::from_slice(description).map_err(|error| unknown(error.to_string()))?;
        if record.version != RECORD_VERSION {
            return Err(unknown(format!("its version is {}", record.version)));
        }
        let settings = record
            .settings
            .clone()
            .known()
            .ok_or_else(|| unknown("this build lacks its compiler".to_owned()))?;
        let here = Build::here(settings.compiler_options());
        let build = if record.is_of(&here) { here } else { Arc::new(record.build()) };
        let (wasm, wasm_bytes) = (record.wasm.to_owned(), record.wasm_bytes);
        Ok(Self { wasm, wasm_bytes, settings, build })
    }

    /// Refuses everything but the same module.
    pub(super) fn require_same(&self, expected: &Self) -> Result<(), ArtifactRejection> {
        self.build.require_same_machine(&expected.build)?;
        let same_settings = Self { wasm: self.wasm.clone(), ..expected.clone() };
        if *self != same_settings {
            return Err(ArtifactRejection::OtherBuild {
                aspect: BuildAspect::Settings,
                made_for: format!("{:?}", self.settings),
                here: format!("{:?}", expected.settings),
            });
        }
        same(BuildAspect::Module, &self.wasm, &expected.wasm)
    }

    /// Refuses what this machine or this build cannot run, and what the policy does not want.
    pub(super) fn require_runnable(
        &self,
        policy: &SecurityPolicy,
    ) -> Result<(), ArtifactRejection> {
        let here = Build::here(self.settings.compiler_options());
        self.build.require_same_machine(&here)?;
        let (made_with, here) = (&self.build.compiler_options, &here.compiler_options);
        same(BuildAspect::CompilerOptions, made_with, here)?;
        self.settings.require_allowed(policy)
    }
}

fn same(aspect: BuildAspect, made_for: &str, here: &str) -> Result<(), ArtifactRejection> {
    if made_for == here {
        return Ok(());
    }
    Err(ArtifactRejection::OtherBuild {
        aspect,
        made_for: made_for.to_owned(),
        here: here.to_owned(),
    })
}

#[cfg(test)]
mod tests;
