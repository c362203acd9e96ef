//! Arguments into what a function takes, and what it returned into what the caller asked for.
//!
//! Numbers go through Wasm values ([`numbers`]), everything else through the exchange area. Which it is the export's
//! own signature says ([`export`]). Which types can travel is in [`convert`].

pub(crate) mod arguments;
pub(crate) mod convert;
pub(crate) mod elements;
pub(crate) mod export;
pub(crate) mod fitting;
pub(crate) mod numbers;
pub(crate) mod results;
pub(crate) mod types;
mod unencoded;
pub(crate) mod value;
