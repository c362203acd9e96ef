//! Functions of the host that a guest may call.
//!
//! ```text
//! HostFunctions --bind--> HostBinding (one a sandbox) --> HostLink (one an instance) --> Caller (one a call)
//! ```
//!
//! - A set of functions ([`HostFunctions`]) knows neither module nor sandbox, and any number of sandboxes share it.
//! - A binding is what one module imports of it, checked once, with the sandbox's context value.
//! - A link is an instance's own state. There is little of it, and each call begins with it empty, so an instance can
//!   be reset without regard to it.
//! - A caller is what a function sees of the guest while it serves it.
//!
//! No panic and no error of a host function unwinds through frames of the guest: each is caught where the guest
//! called ([`link`]), carried past the guest by Wasmer as a trap, and becomes a typed error on the other side.

mod binding;
mod caller;
mod define;
mod dynamic;
mod failure;
mod functions;
mod import_hint;
mod link;
mod numbers;
mod site;
mod state;
mod values;

pub(crate) use binding::HostBinding;
pub use caller::{Caller, MissingContext};
pub use define::{IntoAsyncHostFunction, IntoHostFunction, WithCaller, WithoutCaller};
pub use dynamic::WrongResults;
pub(crate) use failure::Unwound;
pub use functions::HostFunctions;
pub(crate) use import_hint::unknown_import;
pub(crate) use link::HostLink;
pub use numbers::{HostNumber, HostNumbers, HostOutcome};
pub(crate) use state::Context;
pub use values::{ExchangeError, IntoAsyncValueFunction, IntoValueFunction};
