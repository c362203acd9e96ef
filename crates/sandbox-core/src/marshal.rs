//! Arguments into what a function takes, and what it returned into what the caller asked for.
//!
//! Numbers go through Wasm values ([`numbers`]), everything else through the exchange area. Which it is the export's
//! own signature says ([`export`]).

pub(crate) mod arguments;
pub(crate) mod export;
pub(crate) mod numbers;
pub(crate) mod results;
