//! The machine that a file names.

use bench_stats::model::Fingerprint;

/// Machine that measured, as a file or the user names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct NamedMachine {
    /// The processor's model, or the host's name where that is all there is.
    pub(super) cpu: Option<String>,
    pub(super) cores: Option<u32>,
    /// The operating system and architecture, such as `linux x86_64`.
    pub(super) os: Option<String>,
    /// The compiler or interpreter of what was measured.
    pub(super) compiler: Option<String>,
}

const UNKNOWN: &str = "unknown";

impl NamedMachine {
    /// Whether it says which machine it was.
    pub(super) fn is_named(&self) -> bool {
        self.cpu.is_some()
    }

    /// The fingerprint of a run on it: this machine's, where none is named. Of a machine that is
    /// named, nothing is taken from this one.
    pub(super) fn fingerprint(&self, here: &Fingerprint) -> Fingerprint {
        let compiler = || self.compiler.clone();
        match &self.cpu {
            None => Fingerprint {
                rustc: compiler().unwrap_or_else(|| here.rustc.clone()),
                ..here.clone()
            },
            Some(cpu) => Fingerprint {
                cpu: cpu.clone(),
                cores: self.cores.unwrap_or(Fingerprint::UNKNOWN_CORES),
                os: self.os.clone().unwrap_or_else(|| UNKNOWN.to_owned()),
                rustc: compiler().unwrap_or_else(|| UNKNOWN.to_owned()),
                profile: here.profile.clone(),
            },
        }
    }

    /// What of it belongs to the identity of a run.
    pub(super) fn identity(&self) -> Option<String> {
        (*self != Self::default()).then(|| format!("{self:?}"))
    }
}
