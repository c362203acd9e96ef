//! Where the guests are that the examples call.

use std::path::PathBuf;

/// The file of a guest that `cargo xtask build-guests` built.
pub(crate) fn guest(name: &str) -> PathBuf {
    let guests = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/guests");
    let path = PathBuf::from(guests).join(name).with_extension("wasm");
    assert!(path.exists(), "{name} is not built: run `cargo xtask build-guests`");
    path
}
