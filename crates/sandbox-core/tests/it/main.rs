//! The sandbox from outside, by its public API only.

mod calls;
mod cancellation;
mod guests;
mod limits;
mod loading;
mod modules;
mod wasi;
