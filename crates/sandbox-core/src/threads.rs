//! Where guests run: on the caller's thread, or on one of the library's own.
//!
//! [`dispatch`] decides, [`callers_thread`] and [`workers`] are the two places, and [`runtime`] is what the library's own
//! threads belong to. [`nesting`] knows which guests wait for host functions on a thread.

pub(crate) mod callers_runtime;
pub(crate) mod callers_thread;
pub(crate) mod dispatch;
pub(crate) mod nesting;
pub(crate) mod runtime;
pub(crate) mod workers;
