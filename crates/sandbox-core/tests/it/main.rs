//! The sandbox from outside, by its public API only.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cache;
mod calls;
mod cancellation;
mod escapes;
mod files;
mod fresh;
mod guests;
mod host_functions;
/// Attacks on an instance that all calls share.
#[path = "."]
mod hostile_persistent {
    const MODE: sandbox_core::InstanceMode = sandbox_core::InstanceMode::Persistent;
    mod hostile;
}
/// The same attacks, each on an instance of its own.
#[path = "."]
mod hostile_fresh {
    const MODE: sandbox_core::InstanceMode = sandbox_core::InstanceMode::Fresh;
    mod hostile;
}
mod hostile_wasi;
mod limits;
mod loading;
mod modes;
mod modules;
mod playground;
mod polls;
mod probe;
mod run;
mod sources;
mod streaming;
mod warnings;
mod wasi;
