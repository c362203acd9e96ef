//! Models of what waits and counts across threads in sandbox-core.
//!
//! A model is a small scene of two or three threads. loom runs it in every order that the memory model allows, within a bound of
//! preemptions, and fails where one ends with a lost wake-up (all threads wait), two owners, or something lost. The files of
//! sandbox-core are compiled as they are; [`sync::primitives`] puts loom's atomics and locks in the place of the real ones.
//!
//! Not modelled is what is a lock of the standard library or of tokio and nothing else: the single flight of the module cache (a mutex for each
//! module), and the slots of worker threads (a semaphore).

#![allow(dead_code, reason = "the models use a part of what the files offer")]

mod sync;
mod sys;

#[path = "../../crates/sandbox-core/src/instance/pool/free_list.rs"]
mod free_list;

pub mod scenes;
