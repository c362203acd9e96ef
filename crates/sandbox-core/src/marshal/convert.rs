//! Types that can be arguments and results of guests.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::format::SerializationFormat;

/// Arguments that can be passed to a guest.
///
/// Every type that serde can serialise is one, and how its values travel is decided by the function's own signature:
///
/// | the function takes | what fits |
/// |---|---|
/// | numbers | a number, or a tuple of as many as the function has parameters |
/// | bytes | `Vec<u8>`, `&[u8]`, [`Bytes`](bytes::Bytes), `Box<[u8]>`, `Cow<[u8]>`, `Arc<[u8]>` and references to them: from where they lie; `&[u8; N]`, `b"abc"`, the types of `serde_bytes` and other sequences of `u8`: copied first |
/// | text | `&str`, `String`, `Box<str>`, `Cow<str>`, `Arc<str>` and references to them: from where they lie; whatever else serialises as text: copied first |
/// | a value | any serde value, in the sandbox's [`SerializationFormat`] or in that of [`Json`], [`MsgPack`] or [`Bincode`] |
/// | nothing | `()` |
///
/// A function with several parameters of which not all are numbers takes a tuple as its value. Bytes in such a tuple are
/// passed as bytes, whatever their type; a field of a structure is what its type makes of it (`serde_bytes` and
/// [`Bytes`](bytes::Bytes) make bytes of it, `Vec<u8>` numbers).
///
/// serde knows arrays of up to 32 elements. Since it could come to know longer ones, Rust lets no other crate say what to
/// do with those: pass a slice of them, as in `&LONG_ARRAY[..]`.
///
/// This is implemented for all types that it is meant for.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be passed to a guest",
    note = "numbers, tuples, bytes, text and all types that implement `serde::Serialize` can",
    note = "an array of more than 32 bytes is passed as a slice: `&array[..]`"
)]
pub trait IntoGuest: sealed::Passed {
    /// The type of serde that is passed.
    #[doc(hidden)]
    type Passed: Serialize;
    /// The format that values have to be in, if it matters.
    #[doc(hidden)]
    const FORMAT: Option<SerializationFormat>;

    #[doc(hidden)]
    fn passed(&self) -> &Self::Passed;
}

/// A result that can be had of a guest.
///
/// Every type that serde can deserialise is one, and how it travels is decided by the function's own signature: numbers
/// by their value, bytes and text as they are (into `Vec<u8>`, [`Bytes`](bytes::Bytes), `Box<[u8]>`, `[u8; N]`, `String`,
/// `Arc<str>` and the like), values in the format of the call. [`Json`], [`MsgPack`] and [`Bincode`] choose a format.
///
/// This is implemented for all types that it is meant for.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be had of a guest",
    note = "numbers, tuples, bytes, text and all types that implement `serde::Deserialize` and borrow nothing can"
)]
pub trait FromGuest: Sized + sealed::Returned {
    /// The type of serde that comes back.
    #[doc(hidden)]
    type Returned: DeserializeOwned + 'static;
    /// The format that values have to be in, if it matters.
    #[doc(hidden)]
    const FORMAT: Option<SerializationFormat>;

    #[doc(hidden)]
    fn from_returned(returned: Self::Returned) -> Self;
}

/// Bounds that no other crate can name.
mod sealed {
    pub trait Passed {}
    pub trait Returned {}
}

impl<T: Serialize> sealed::Passed for T {}
impl<T: DeserializeOwned + 'static> sealed::Returned for T {}

impl<T: Serialize> IntoGuest for T {
    type Passed = T;
    const FORMAT: Option<SerializationFormat> = None;

    #[inline]
    fn passed(&self) -> &T {
        self
    }
}

impl<T: DeserializeOwned + 'static> FromGuest for T {
    type Returned = T;
    const FORMAT: Option<SerializationFormat> = None;

    #[inline]
    fn from_returned(returned: T) -> T {
        returned
    }
}

macro_rules! formats {
    ($($(#[$attribute:meta])* $name:ident => $format:ident),+ $(,)?) => {$(
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name<T>(pub T);

        impl<T: Serialize> sealed::Passed for $name<T> {}
        impl<T: DeserializeOwned + 'static> sealed::Returned for $name<T> {}

        impl<T: Serialize> IntoGuest for $name<T> {
            type Passed = T;
            const FORMAT: Option<SerializationFormat> = Some(SerializationFormat::$format);

            #[inline]
            fn passed(&self) -> &T {
                &self.0
            }
        }

        impl<T: DeserializeOwned + 'static> FromGuest for $name<T> {
            type Returned = T;
            const FORMAT: Option<SerializationFormat> = Some(SerializationFormat::$format);

            #[inline]
            fn from_returned(returned: T) -> Self {
                Self(returned)
            }
        }
    )+};
}

formats! {
    /// A value as JSON, whatever the sandbox's format is.
    ///
    /// Of a function that takes or returns a value it chooses the format; to one that takes text or bytes it is passed as
    /// the text of the value, so that guests in any language can be called with values.
    ///
    /// ```
    /// use sandbox_core::{Json, WasmSandbox};
    ///
    /// # fn main() -> sandbox_core::Result<()> {
    /// # // Gives back the text that it is given.
    /// # let wasm = wat::parse_str(r#"(module (memory (export "memory") 1)
    /// #     (data (i32.const 0) "\40\00\00\00\00\10\00\00")
    /// #     (func (export "sandbox_exchange") (result i32) (i32.const 0))
    /// #     (func (export "sandbox_reserve") (param i32) (result i32) (i32.const 64))
    /// #     (func (export "echo") (param i32) (result i32)
    /// #         (i32.store (i32.const 8) (i32.const 64)) (i32.store (i32.const 12) (local.get 0)) (i32.const 0))
    /// #     (@custom "sandbox-guest" "{\"abi\":1,\"export\":\"echo\",\"input\":\"text\",\"output\":\"text\"}"))"#)
    /// #     .expect("valid text");
    /// let sandbox = WasmSandbox::builder().source_bytes(&wasm).build_blocking()?;
    /// let text: String = sandbox.call_blocking("echo", Json(("bolt", 12)))?;
    /// assert_eq!(text, r#"["bolt",12]"#);
    /// let Json(pair): Json<(String, u32)> = sandbox.call_blocking("echo", Json(("bolt", 12)))?;
    /// assert_eq!(pair, ("bolt".to_owned(), 12));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The arguments and the result of one call are in one format. That two are asked for is an error of the compiler:
    ///
    /// ```compile_fail
    /// # use sandbox_core::{Json, MsgPack, Result, WasmSandbox};
    /// # fn example(sandbox: &WasmSandbox) -> Result<MsgPack<u32>> {
    /// sandbox.call_blocking("f", Json(1))
    /// # }
    /// # fn main() { let _: fn(&WasmSandbox) -> Result<MsgPack<u32>> = example; }
    /// ```
    Json => Json,
    /// A value in MessagePack, whatever the sandbox's format is: to a function of values, or as bytes to one that takes
    /// or returns bytes. See [`Json`].
    MsgPack => MessagePack,
    /// A value in bincode, whatever the sandbox's format is: to a function of values, or as bytes to one that takes or
    /// returns bytes. See [`Json`].
    Bincode => Bincode,
}

/// The format that the types of a call ask for, if they do.
pub(crate) const fn asked_format<A: IntoGuest, R: FromGuest>() -> Option<SerializationFormat> {
    match (A::FORMAT, R::FORMAT) {
        (Some(arguments), Some(result)) => {
            assert!(
                arguments as u8 == result as u8,
                "the arguments and the result of one call are in one format"
            );
            Some(arguments)
        }
        (Some(format), None) | (None, Some(format)) => Some(format),
        (None, None) => None,
    }
}
