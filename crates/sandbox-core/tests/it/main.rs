//! The sandbox from outside, by its public API only.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod calls;
mod cancellation;
mod escapes;
mod files;
mod guests;
mod hostile_wasi;
mod limits;
mod loading;
mod modules;
mod playground;
mod polls;
mod probe;
mod run;
mod sources;
mod wasi;
