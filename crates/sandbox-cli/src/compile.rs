//! `sandbox compile`: modules that are compiled once and loaded with a key.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use sandbox_core::Module;

use crate::failure::Failure;
use crate::keys::Key;
use crate::options::{ModuleFile, PolicyOptions, write};
use crate::usage::bytes;

/// Compile a module once, to be loaded later or elsewhere without compiling
///
/// The result is native code for processors like this one. It is signed: `sandbox run`, `call`, `bench` and `inspect` take it in place
/// of a module, with --key and the public key.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sandbox keygen my.key                       # my.key is secret, my.key.pub is not
  sandbox compile --key my.key --policy strict plugin.wasm
  sandbox call --key my.key.pub --policy strict plugin.compiled add 42 24")]
pub(crate) struct Compile {
    // Whose options decide about the code: the metering of --fuel, and what the preset forbids.
    #[command(flatten)]
    policy: PolicyOptions,
    #[command(flatten)]
    module: ModuleFile,
    /// Where to write it; without it, beside the module with the extension `compiled`
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Compile {
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        let Some(Key::Secret(key)) = self.module.key()? else {
            return Err(Failure::usage(
                "--key FILE is to name a secret key: `sandbox keygen FILE` makes one",
            ));
        };
        let wasm = self.module.read_wasm()?;
        let artifact = Module::precompile(&wasm, &self.policy.policy()?, &key)?;
        let output =
            self.out.clone().unwrap_or_else(|| self.module.path().with_extension("compiled"));
        write(&output, &artifact)?;
        eprintln!("{}: {}", output.display(), bytes(artifact.len() as u64));
        Ok(ExitCode::SUCCESS)
    }
}
