//! Library for guests of the sandbox.
//!
//! A guest is a library crate compiled to WebAssembly. Functions marked with [`export`] are what its
//! host can call. This is a whole guest:
//!
//! ```toml
//! [package]
//! name = "greeter"
//! version = "0.1.0"
//! edition = "2024"
//!
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! sandbox-guest = { path = "../../crates/sandbox-guest" }
//! ```
//!
//! ```
//! #[sandbox_guest::export]
//! fn greet(name: &str) -> String {
//!     format!("Hello, {name}!")
//! }
//! # assert_eq!(greet("you"), "Hello, you!");
//! ```
//!
//! and this is how its host calls it:
//!
//! ```text
//! let greeting: String = sandbox.call("greet", "Ada").await?;
//! ```
//!
//! # What a function may take and return
//!
//! | in the signature | how it travels |
//! |---|---|
//! | only numbers and `bool` | in Wasm registers, the cheapest way |
//! | `&[u8]`, `Vec<u8>` | as bytes, copied once each way |
//! | `&str`, `String` | as UTF-8 |
//! | `Option<&[u8]>` alone | as the chunks of a stream, one a call, and `None` at its end |
//! | any other type | encoded with serde, in the format that the host chose |
//! | several parameters, not all numbers | as the tuple of them, encoded |
//! | `Result<T, E>` with `E: Display` | `T`, or the error's message, which the host receives as an error |
//! | `Result<T, Typed<E>>` | `T`, or the error's message and the error itself, which the host decodes ([`Typed`]) |
//!
//! A parameter of type `&T` is decoded as a `T`. [`export`] tells these cases apart by the names of
//! the types, so an alias of a number is "any other type" and still works, only slower.
//!
//! # Calling the host
//!
//! [`import`] declares functions that the host offers.
//!
//! # Streams
//!
//! A function of `Option<&[u8]>` transforms a stream: the host calls it with each chunk, sends on what
//! it returns, and calls it with `None` at the end for what is left. What it remembers between chunks
//! it keeps in a thread-local or a static; every stream has an instance of its own, so it begins anew.
//!
//! ```
//! use std::cell::Cell;
//!
//! thread_local!(static SUM: Cell<u64> = const { Cell::new(0) });
//!
//! /// Passes a stream on, with the sum of its bytes at the end.
//! #[sandbox_guest::export]
//! fn with_sum(chunk: Option<&[u8]>) -> Vec<u8> {
//!     match chunk {
//!         Some(bytes) => {
//!             SUM.set(SUM.get() + bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>());
//!             bytes.to_vec()
//!         }
//!         None => SUM.get().to_le_bytes().to_vec(),
//!     }
//! }
//! # assert_eq!(with_sum(Some(&[1, 2])), [1, 2]);
//! # assert_eq!(with_sum(None), [3, 0, 0, 0, 0, 0, 0, 0]);
//! ```
//!
//! # Panics
//!
//! A panic ends the call. The host receives its message and its place in the source, and discards
//! the instance. A guest that wants to fail and live on returns a `Result`.
//!
//! # Testing a guest
//!
//! An exported function stays an ordinary function. A guest whose `crate-type` also lists `rlib` can
//! be tested, and called, natively.
//!
//! # Features
//!
//! `json`, `messagepack` and `bincode` are the formats that values may travel in. All are on by
//! default, and each adds code to a guest that exchanges values. A guest of numbers, bytes and text
//! carries none of them.
//!
//! The contract with the host is written down in `ABI.md` beside this crate's manifest, for those
//! who write guests in other languages.

/// Makes a function callable from the host.
///
/// The function itself stays as it is. Beside it comes a function with the signature of the guest
/// ABI, exported under the same name, and a record in the custom section `sandbox-guest` that
/// tells the host what travels; a function of numbers needs no record, because its Wasm signature
/// says it all.
///
/// # Examples
///
/// Numbers travel in registers, everything else through memory:
///
/// ```
/// use sandbox_guest::export;
///
/// #[export]
/// fn add(a: i32, b: i32) -> i32 {
///     a.wrapping_add(b)
/// }
///
/// #[export]
/// fn without_spaces(text: &str) -> String {
///     text.split_whitespace().collect()
/// }
///
/// #[export]
/// fn inverted(mut bytes: Vec<u8>) -> Vec<u8> {
///     bytes.iter_mut().for_each(|byte| *byte = !*byte);
///     bytes
/// }
/// # assert_eq!((add(1, 2), without_spaces("a b"), inverted(vec![0])), (3, "ab".into(), vec![255]));
/// ```
///
/// Values that serde knows, and errors:
///
/// ```
/// use std::collections::BTreeMap;
///
/// #[sandbox_guest::export]
/// fn price(prices: BTreeMap<String, f64>, article: &str) -> Result<f64, String> {
///     prices.get(article).copied().ok_or_else(|| format!("there is no {article}"))
/// }
/// # assert_eq!(price(BTreeMap::new(), "bolt").unwrap_err(), "there is no bolt");
/// ```
///
/// The host can be told another name:
///
/// ```
/// #[sandbox_guest::export(name = "word_count")]
/// fn count(text: &str) -> u32 {
///     text.split_whitespace().map(|_| 1).sum()
/// }
/// # assert_eq!(count("one two"), 2);
/// ```
///
/// # What cannot be exported
///
/// Methods, because the host has no `self` to give:
///
/// ```compile_fail
/// struct Counter(u32);
///
/// impl Counter {
///     #[sandbox_guest::export]
///     fn next(&mut self) -> u32 {
///         self.0 += 1;
///         self.0
///     }
/// }
/// ```
///
/// Generic functions, because the host cannot choose a type:
///
/// ```compile_fail
/// #[sandbox_guest::export]
/// fn largest<T: Ord>(values: Vec<T>) -> Option<T> {
///     values.into_iter().max()
/// }
/// ```
///
/// `async` functions, because a guest has nothing to wait for:
///
/// ```compile_fail
/// #[sandbox_guest::export]
/// async fn fetch(name: String) -> String {
///     name
/// }
/// ```
///
/// Functions named like one of the C library, which the linker would take for it:
///
/// ```compile_fail
/// #[sandbox_guest::export]
/// fn read(name: &str) -> String {
///     name.to_owned()
/// }
/// ```
///
/// Values that serde does not know:
///
/// ```compile_fail
/// struct Order {
///     articles: Vec<String>,
/// }
///
/// #[sandbox_guest::export]
/// fn size(order: Order) -> usize {
///     order.articles.len()
/// }
/// ```
pub use sandbox_guest_macros::export;

/// Declares functions of the host, to be called like functions of the guest.
///
/// The block reads like a block of C functions, but the functions that it makes are safe, and take and return what an
/// exported function may: numbers travel in registers, bytes and text are copied once each way, and all else is encoded
/// with serde.
///
/// ```
/// #[sandbox_guest::import(module = "shop")]
/// extern "C" {
///     /// What an article costs now, or why it has no price.
///     fn price_of(article: &str, count: u32) -> Result<f64, String>;
///
///     #[link_name = "log"]
///     fn tell_host(message: &str);
/// }
///
/// #[sandbox_guest::export]
/// fn total(articles: Vec<(String, u32)>) -> Result<f64, String> {
///     tell_host("adding up");
///     articles.iter().map(|(article, count)| price_of(article, *count)).sum()
/// }
/// # let _ = total;
/// ```
///
/// The host offers them with `HostFunctions::value_function("shop", "price_of", ..)`, or with
/// `HostFunctions::function` if there are only numbers in the signature. A sandbox whose host lacks one of
/// them, or has one of another type, is not built.
///
/// Without `module` the functions are of the module `env`, like imports of C. `#[link_name = ".."]` gives a function
/// another name for the host.
///
/// A `Result` that such a function returns is a value like any other, made by the host for the guest. What goes
/// wrong in the host itself does not return: it ends the guest's call.
///
/// Where there is no host, in tests on the developer's machine, calling such a function panics.
///
/// # What cannot be imported
///
/// Functions that return references, because what comes from the host belongs to nobody else:
///
/// ```compile_fail
/// #[sandbox_guest::import]
/// extern "C" {
///     fn name() -> &'static str;
/// }
/// ```
pub use sandbox_guest_macros::import;

#[cfg(target_family = "wasm")]
mod exports;
mod format;
#[cfg(target_family = "wasm")]
mod imports;
mod number;
mod panics;
mod runtime;

pub use runtime::Typed;

/// Functions that the code written by [`export`] calls. Not for anybody else: they change without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::format::{FORMATS_RECORD, record};
    pub use crate::number::Number;
    pub use crate::runtime::{Failure, HostCall, Input, Output, Refusal, serve};
}

// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
