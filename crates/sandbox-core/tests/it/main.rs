//! The sandbox from outside, by its public API only.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cache;
mod calls;
mod cancellation;
mod guests;
mod hostile;
mod limits;
mod loading;
mod modules;
mod warnings;
mod wasi;
