//! Stages that need a nightly toolchain, which is used where it is installed and never asked for.
//!
//! They run what of sandbox-core needs neither Wasmer nor the system (`models/miri`): the code that counts turns and gives out
//! exclusive references. Miri can run no native code of guests, and sanitizers would have to see all of it.

use std::process::Command;

use crate::process::{cargo_of, read};
use crate::workspace::Workspace;

const TOOLCHAIN: &str = "nightly";

/// Commands that run the tests under Miri, or what is missing for that.
pub(super) fn miri(workspace: &Workspace) -> Result<Vec<Command>, String> {
    if read(nightly(workspace).args(["miri", "--version"])).is_err() {
        let remedy = "Miri is not installed: \
                      rustup toolchain install nightly --component miri,rust-src";
        return Err(remedy.to_owned());
    }
    let mut miri = nightly(workspace);
    miri.args(["miri", "test", "--quiet", "-p", "under_miri"]);
    // Tests look at the clock, and one waits for it.
    miri.env("MIRIFLAGS", "-Zmiri-disable-isolation");
    Ok(vec![miri])
}

/// Commands that run the tests with ThreadSanitizer and with AddressSanitizer, or what is missing for that.
pub(super) fn sanitizers(workspace: &Workspace) -> Result<Vec<Command>, String> {
    let mut compiler = Command::new("rustup");
    let Ok(sysroot) = read(compiler.args(["run", TOOLCHAIN, "rustc", "--print", "sysroot"])) else {
        let remedy = "a nightly toolchain is not installed: \
                      rustup toolchain install nightly --component rust-src";
        return Err(remedy.to_owned());
    };
    let sources = std::path::Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
    if !sources.is_dir() {
        let remedy = "the standard library's sources are not installed, which sanitizers have to see: \
                      rustup component add rust-src --toolchain nightly";
        return Err(remedy.to_owned());
    }
    let with = |sanitizer: &str| {
        let mut tests = nightly(workspace);
        let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        tests.args(["test", "--quiet", "-p", "under_miri", "-Zbuild-std", "--target", &target]);
        tests.env("RUSTFLAGS", format!("-Zsanitizer={sanitizer}"));
        tests.env("CARGO_TARGET_DIR", workspace.models_build().join(sanitizer));
        tests
    };
    Ok(vec![with("thread"), with("address")])
}

/// A cargo of the nightly toolchain, where the models are.
fn nightly(workspace: &Workspace) -> Command {
    let mut cargo = cargo_of(TOOLCHAIN);
    cargo.current_dir(workspace.models()).env("CARGO_TARGET_DIR", workspace.models_build());
    cargo
}
