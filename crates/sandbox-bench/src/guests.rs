//! Finding the compiled guests.

use camino::{Utf8Path, Utf8PathBuf};
use sandbox_core::{ResourceUsage, SecurityPolicy, WasmSandbox};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{runtime, suite};

/// A guest that benchmarks run, by the name of its folder under `guest-modules`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guest(pub &'static str);

/// Why a guest cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the guest {name} is not built: run `cargo xtask build-guests` (no file {path})")]
pub struct GuestMissing {
    name: &'static str,
    path: Utf8PathBuf,
    #[source]
    error: std::io::Error,
}

impl Guest {
    /// The guest's file, built or not.
    pub fn path(self) -> Utf8PathBuf {
        let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests");
        root.join(self.0).with_extension("wasm")
    }

    /// The size of the guest's file in bytes, without reading it; zero while it is not built.
    pub fn size_bytes(self) -> u64 {
        std::fs::metadata(self.path()).map_or(0, |file| file.len())
    }

    /// The guest's bytes.
    ///
    /// # Errors
    /// [`GuestMissing`], which says how to build it.
    pub fn wasm(self) -> Result<Vec<u8>, GuestMissing> {
        let path = self.path();
        fs_err::read(&path).map_err(|error| GuestMissing { name: self.0, path, error })
    }

    /// A sandbox of the guest. The module is compiled once for each process.
    pub fn sandbox(self, policy: SecurityPolicy) -> WasmSandbox {
        let wasm = suite::expect(self.wasm());
        let builder = WasmSandbox::builder().source_bytes(wasm).security_policy(policy);
        suite::expect(builder.build_blocking())
    }
}

/// Calls a function once and compares its result with the host's own, before anything is timed. Returns what the
/// call used.
///
/// # Panics
/// When the results differ: there is nothing to measure then.
pub fn check<A, R>(
    sandbox: &WasmSandbox,
    function: &str,
    arguments: A,
    expected: &R,
) -> ResourceUsage
where
    A: Serialize + Send,
    R: DeserializeOwned + PartialEq + Send + 'static,
{
    let call = || runtime::shared().block_on(sandbox.call_with_usage::<R>(function, arguments));
    // On a thread of its own, because this one may be in the runtime already.
    let called = std::thread::scope(|threads| threads.spawn(call).join());
    let (result, usage) = suite::expect(called.expect("a call does not panic"));
    assert!(result == *expected, "{function} returned something else than the host computed");
    usage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_guest_says_how_to_build_it() {
        let error = Guest("no_such_guest").wasm().unwrap_err();
        assert!(error.to_string().contains("cargo xtask build-guests"), "{error}");
    }
}
