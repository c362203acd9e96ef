//! The files of sandbox-core that need neither Wasmer nor the system, with their own tests: Miri can run those.

#![allow(dead_code, reason = "the files are parts of another crate")]

mod sync;

mod sys;

#[path = "../../../crates/sandbox-core/src/instance/pool/free_list.rs"]
mod free_list;
