//! Errors that guests return as values.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::SandboxError;
use crate::format::SerializationFormat;

/// An error that a guest returned as a value, as it was encoded.
#[derive(Clone, PartialEq, Eq)]
pub struct ErrorPayload {
    format: SerializationFormat,
    bytes: Box<[u8]>,
}

impl ErrorPayload {
    pub(crate) fn new(format: SerializationFormat, bytes: &[u8]) -> Self {
        Self { format, bytes: bytes.into() }
    }

    /// The format that the guest encoded it in.
    pub const fn format(&self) -> SerializationFormat {
        self.format
    }

    /// The encoded value. It comes from the guest, and may be anything.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Decodes the value.
    ///
    /// # Errors
    /// [`SandboxError::Undecodable`] if it is no such value, as the error of `function`.
    fn decode<E: DeserializeOwned>(&self, function: &str) -> super::Result<E> {
        self.format.decode(&self.bytes).map_err(|message| SandboxError::Undecodable {
            function: function.to_owned(),
            side: super::Side::Host,
            message,
            call: Box::default(),
        })
    }
}

impl fmt::Debug for ErrorPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ErrorPayload({} bytes of {})", self.bytes.len(), self.format)
    }
}

/// Errors as guests cause them, for the answers of a [mock](crate::MockSandbox).
impl SandboxError {
    /// The error of a function that returned one as text.
    pub fn returned(function: impl Into<String>, message: impl Into<String>) -> Self {
        let (function, message) = (function.into(), message.into());
        Self::GuestError { function, message, payload: None, call: Box::default() }
    }

    /// The error of a function that returned one as a value, which [`guest_error`](Self::guest_error) decodes.
    ///
    /// ```
    /// use sandbox_core::{Callable, MockSandbox, SandboxError};
    ///
    /// #[derive(Debug, PartialEq, thiserror::Error, serde::Serialize, serde::Deserialize)]
    /// #[error("only {left} are left")]
    /// struct OutOfStock { left: u32 }
    ///
    /// let shop = MockSandbox::new()
    ///     .function("order", |_| Err(SandboxError::returned_value("order", &OutOfStock { left: 3 })?));
    /// let error = shop.call_values_blocking("order", &[]).expect_err("there are too few");
    /// assert_eq!(error.to_string(), "`order` returned an error: only 3 are left");
    /// assert_eq!(error.guest_error::<OutOfStock>().transpose()?, Some(OutOfStock { left: 3 }));
    /// # Ok::<(), SandboxError>(())
    /// ```
    ///
    /// # Errors
    /// [`SandboxError::Unencodable`] if the value cannot be encoded.
    pub fn returned_value<E: fmt::Display + Serialize>(
        function: impl Into<String>,
        error: &E,
    ) -> super::Result<Self> {
        let (function, format) = (function.into(), SerializationFormat::default());
        match format.encode(error) {
            Ok(bytes) => {
                let (message, payload) =
                    (error.to_string(), Some(ErrorPayload::new(format, &bytes)));
                Ok(Self::GuestError { function, message, payload, call: Box::default() })
            }
            Err(message) => {
                let (side, call) = (super::Side::Guest, Box::default());
                Err(Self::Unencodable { function, side, message, call })
            }
        }
    }

    /// The error of a call that took longer than that.
    pub fn timed_out(function: impl Into<String>, limit: Duration) -> Self {
        Self::Timeout { function: function.into(), limit, call: Box::default() }
    }
}

impl SandboxError {
    /// Decodes the error that a guest's function returned as a value: of a guest in Rust, that is an `Err` of
    /// `sandbox_guest::Typed`. `None` if this error is another one, or if the guest gave its error only as text.
    ///
    /// The value is decoded within the bounds of results: it is nested at most 128 levels deep, and no larger than the
    /// policy's [`value_limit_bytes`](crate::SecurityPolicy::value_limit_bytes).
    ///
    /// ```
    /// use sandbox_core::{SandboxError, WasmSandbox};
    ///
    /// #[derive(Debug, PartialEq, serde::Deserialize)]
    /// enum OrderError { OutOfStock { left: u32 } }
    ///
    /// # fn main() -> sandbox_core::Result<()> {
    /// # // Status 4: a message of 4 bytes, and the error as JSON.
    /// # let wasm = wat::parse_str(r#"(module (memory (export "memory") 1)
    /// #     (data (i32.const 0) "\00\01\00\00\40\00\00\00\40\00\00\00\21\00\00\00")
    /// #     (data (i32.const 64) "\04\00\00\00none{\"OutOfStock\":{\"left\":3}}")
    /// #     (func (export "sandbox_exchange") (result i32) (i32.const 0))
    /// #     (func (export "sandbox_reserve") (param i32) (result i32) (i32.const 256))
    /// #     (func (export "order") (param i32) (result i32) (i32.const 4))
    /// #     (@custom "sandbox-guest" "{\"abi\":1,\"export\":\"order\",\"input\":\"unit\",\"output\":\"unit\"}"))"#)
    /// #     .expect("valid text");
    /// let sandbox = WasmSandbox::builder().source_bytes(&wasm).build_blocking()?;
    /// let error = sandbox.call_blocking::<()>("order", ()).expect_err("there are none");
    /// let order = error.guest_error::<OrderError>().transpose()?;
    /// assert_eq!(order, Some(OrderError::OutOfStock { left: 3 }));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SandboxError::Undecodable`] if the value is no `E`.
    pub fn guest_error<E: DeserializeOwned>(&self) -> Option<super::Result<E>> {
        let Self::GuestError { function, payload: Some(payload), .. } = self else { return None };
        Some(payload.decode(function))
    }
}
