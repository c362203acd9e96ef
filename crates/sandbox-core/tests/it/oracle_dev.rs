#![allow(dead_code, unused_imports, clippy::unwrap_used, reason = "dev")]
//! Dev.
mod modules;
mod oracle;
mod probe;
