//! Errors that functions return to the host.

use std::fmt::Display;
use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;

use super::{AREA, Refusal, Status};
use crate::format::Format;

/// An error that an exported function can return: any that is `Display`, or a [`Typed`] one.
///
/// This is implemented for all types that it is meant for.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of an exported function",
    note = "a type that implements `Display` reaches the host as text, and `sandbox_guest::Typed` of one that implements \
            `Display` and `serde::Serialize` as a value too"
)]
pub trait Failure {
    #[doc(hidden)]
    fn into_refusal(self) -> Refusal;
}

/// An error that reaches the host as a value, and as its text.
///
/// The host decodes it with `SandboxError::guest_error`. Any error becomes one with `?` or `into`:
///
/// ```
/// use std::fmt;
/// use sandbox_guest::Typed;
///
/// #[derive(Debug, PartialEq, serde::Serialize)]
/// enum OrderError {
///     OutOfStock { left: u32 },
/// }
///
/// impl fmt::Display for OrderError {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         let Self::OutOfStock { left } = self;
///         write!(f, "only {left} are left")
///     }
/// }
///
/// #[sandbox_guest::export]
/// fn order(article: &str, count: u32) -> Result<u32, Typed<OrderError>> {
///     let left = u32::try_from(article.len()).unwrap_or(u32::MAX);
///     if count > left { Err(OrderError::OutOfStock { left })? }
///     Ok(left - count)
/// }
/// # assert_eq!(order("bolt", 1), Ok(3));
/// # assert_eq!(order("bolt", 5), Err(Typed(OrderError::OutOfStock { left: 4 })));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Typed<E>(pub E);

impl<E> From<E> for Typed<E> {
    fn from(error: E) -> Self {
        Self(error)
    }
}

impl<E: Display> Failure for E {
    fn into_refusal(self) -> Refusal {
        Refusal::with_text(Status::Failed, self)
    }
}

impl<E: Display + Serialize> Failure for Typed<E> {
    /// The output is the length of the text, the text, and the value in the format that the status says: that of the call,
    /// or one that this guest knows if the call has none.
    fn into_refusal(self) -> Refusal {
        let Self(error) = self;
        let called_in = AREA.with(|area| area.exchange.format.load(Relaxed));
        let Ok(format) = Format::preferred(called_in) else { return error.into_refusal() };
        let text = error.to_string();
        let Ok(len) = u32::try_from(text.len()) else { return error.into_refusal() };
        let mut output = Vec::from(len.to_le_bytes());
        output.extend_from_slice(text.as_bytes());
        let status = match format {
            Format::Json => Status::FailedWithJson,
            Format::MessagePack => Status::FailedWithMessagePack,
            Format::Bincode => Status::FailedWithBincode,
        };
        match format.encode(&error, &mut output) {
            Ok(()) => Refusal { status, output },
            Err(reason) => Refusal::unencodable(reason),
        }
    }
}
