//! The sandbox from outside, by its public API only.

mod calls;
mod cancellation;
mod escapes;
mod files;
mod guests;
mod hostile_wasi;
mod limits;
mod loading;
mod modules;
mod probe;
mod run;
mod sources;
mod wasi;
