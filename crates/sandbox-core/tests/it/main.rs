//! The sandbox from outside, by its public API only.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod beside;
mod cache;
mod calls;
mod cancellation;
mod cancelling;
mod escapes;
mod examples;
mod exchange_area;
mod features;
mod files;
mod fuel;
mod guests;
mod host_functions;
mod hostile;
mod hostile_wasi;
mod limits;
mod loading;
mod malformed;
mod modes;
mod modules;
mod network;
mod playground;
mod polls;
mod pool;
mod probe;
mod run;
mod signals;
mod sources;
mod streaming;
mod threads;
mod usage;
mod warnings;
mod wasi;
