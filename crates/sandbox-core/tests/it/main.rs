//! The sandbox from outside, by its public API only.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod beside;
mod cache;
mod calls;
mod cancellation;
mod cancelling;
mod escapes;
mod examples;
mod files;
mod guests;
mod host_functions;
mod hostile;
mod hostile_wasi;
mod limits;
mod loading;
mod modes;
mod modules;
mod playground;
mod polls;
mod pool;
mod probe;
mod run;
mod sources;
mod streaming;
mod usage;
mod warnings;
mod wasi;
