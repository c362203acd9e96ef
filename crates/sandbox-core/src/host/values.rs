//! Host functions of bytes, text and values: the other half of the guest crate's `import`.
//!
//! `ABI.md` beside the guest crate describes the calls. The arguments come out of the guest's memory, so all of them may
//! be lies: every pointer and length is checked, and what does not decode is an error.

use std::any::TypeId;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasmer::{Function, FunctionEnv, FunctionEnvMut, Store, Type};

use super::caller::Caller;
use super::define::{Blueprint, Definition, IntoHostFunction, Waits, WithCaller, WithoutCaller};
use super::failure::Unwound;
use super::numbers::BoxedError;
use super::site::Site;
use crate::format::SerializationFormat;
use crate::marshal::elements::InElements;
use crate::marshal::export::Payload;
use crate::marshal::results::same_type;
use crate::sys::identity;

/// The namespace of what this crate itself offers to guests that call such functions.
pub(super) const NAMESPACE: &str = "sandbox_host";
/// Fetches an output that was larger than the room for it.
const TAKE_OUTPUT: &str = "take_output";

/// A closure that can be a host function of bytes, text and values.
///
/// This is implemented for closures, and not meant to be implemented by others. What the parameters of the trait are
/// follows from the closure.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a host function of values",
    note = "it takes `&mut Caller<'_>` or not, then one argument that can be deserialised (a tuple, if the guest \
            passes several), and returns a `Result`; it is `Send`, `Sync` and `'static`",
    note = "the types of all its parameters have to be written out"
)]
pub trait IntoValueFunction<Kind, Argument, Outcome> {
    #[doc(hidden)]
    fn into_blueprint(self) -> Blueprint;
}

/// An async closure that can be a host function of bytes, text and values, like [`IntoValueFunction`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an async host function of values",
    note = "it takes `&mut Caller<'_>` or not, then one argument that can be deserialised (a tuple, if the guest \
            passes several), and returns a `Result`; it is `Send`, `Sync` and `'static`",
    note = "the types of all its parameters have to be written out"
)]
pub trait IntoAsyncValueFunction<Kind, Argument, Outcome> {
    #[doc(hidden)]
    fn into_blueprint(self) -> Blueprint;
}

/// Lengths and addresses that a guest passes when it calls such a function.
#[derive(Debug, Clone, Copy)]
struct PassedBuffers {
    input: u32,
    input_len: u32,
    output: u32,
    output_capacity: u32,
    format: u32,
}

/// Why the arguments or the result of a function did not get across.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The guest passed what is no such argument.
    #[error("failed to decode what the guest passed: {0}")]
    Argument(String),
    /// The value that the guest passed is larger than the policy has decoded (`value_limit_bytes`).
    #[error("the guest passed a value of {size_bytes} bytes, and the policy decodes {limit_bytes}")]
    TooLarge {
        /// Its size as it was encoded, in bytes.
        size_bytes: u32,
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// The function's result could not be encoded.
    #[error("failed to encode the result: {0}")]
    Result(String),
    /// The guest chose a format that there is not.
    #[error("the guest asked for values in format {0}, which does not exist")]
    Format(u32),
    /// The guest fetched an output that is not there, or with a wrong length.
    #[error("the guest fetched {asked} bytes of output, and there are {held}")]
    Output {
        /// The bytes that the guest made room for.
        asked: u32,
        /// The bytes that there are.
        held: usize,
    },
}

impl PassedBuffers {
    fn argument<A: DeserializeOwned + 'static>(self, caller: &Caller<'_>) -> Result<A, BoxedError> {
        let bytes = caller.bytes(self.input, self.input_len)?;
        let undecodable = |message: String| ExchangeError::Argument(message);
        let of_another_type = || undecodable(std::any::type_name::<A>().to_owned());
        Ok(match payload_of::<A>() {
            Payload::Unit => same_type(|| ()).ok_or_else(of_another_type)?,
            Payload::Bytes | Payload::Stream => same_type(|| bytes.to_vec())
                .or_else(|| same_type(|| Bytes::copy_from_slice(bytes)))
                .ok_or_else(of_another_type)?,
            Payload::Text => {
                let text =
                    std::str::from_utf8(bytes).map_err(|error| undecodable(error.to_string()))?;
                same_type(|| text.to_owned()).ok_or_else(of_another_type)?
            }
            Payload::Value => {
                let limit_bytes = caller.state().value_limit_bytes;
                if u64::from(self.input_len) > limit_bytes {
                    return Err(ExchangeError::TooLarge {
                        size_bytes: self.input_len,
                        limit_bytes,
                    }
                    .into());
                }
                self.format()?.decode(bytes).map_err(undecodable)?
            }
        })
    }

    /// Writes the result where the guest has room for it, or keeps it until the guest has made room.
    fn leave<T: Serialize + 'static>(
        self,
        caller: &mut Caller<'_>,
        result: &T,
    ) -> Result<u32, BoxedError> {
        let encoded;
        let bytes = match payload_of::<T>() {
            Payload::Unit => &[],
            Payload::Bytes | Payload::Stream => identity::as_bytes(result).unwrap_or_default(),
            Payload::Text => identity::as_text(result).unwrap_or_default().as_bytes(),
            Payload::Value => {
                encoded =
                    self.format()?.encode(&InElements(result)).map_err(ExchangeError::Result)?;
                &encoded
            }
        };
        let len = u32::try_from(bytes.len()).map_err(|_| {
            ExchangeError::Result(format!("{} bytes are more than a guest can hold", bytes.len()))
        })?;
        if len <= self.output_capacity {
            caller.write(self.output, bytes)?;
        } else {
            *caller.held() = bytes.to_vec();
        }
        Ok(len)
    }

    fn format(self) -> Result<SerializationFormat, ExchangeError> {
        SerializationFormat::ALL
            .iter()
            .copied()
            .find(|format| format.code() == self.format)
            .ok_or(ExchangeError::Format(self.format))
    }
}

/// Returns how a type travels.
fn payload_of<T: 'static>() -> Payload {
    let this = TypeId::of::<T>();
    let is = |types: &[TypeId]| types.contains(&this);
    if is(&[TypeId::of::<()>()]) {
        Payload::Unit
    } else if is(&[TypeId::of::<Vec<u8>>(), TypeId::of::<Bytes>(), TypeId::of::<&'static [u8]>()]) {
        Payload::Bytes
    } else if is(&[TypeId::of::<String>(), TypeId::of::<&'static str>()]) {
        Payload::Text
    } else {
        Payload::Value
    }
}

/// Returns this crate's own function of that name, if it offers one.
pub(super) fn own_function(namespace: &str, name: &str) -> Option<Definition> {
    (namespace == NAMESPACE && name == TAKE_OUTPUT)
        .then(|| take_output().named(namespace.to_owned(), name.to_owned()))
}

/// `take_output(at, len)`: fetches the output of the last call, once.
fn take_output() -> Blueprint {
    IntoHostFunction::into_blueprint(
        |caller: &mut Caller<'_>, at: u32, len: u32| -> Result<(), BoxedError> {
            let held = std::mem::take(&mut *caller.held());
            if held.len() != len as usize {
                return Err(ExchangeError::Output { asked: len, held: held.len() }.into());
            }
            Ok(caller.write(at, &held)?)
        },
    )
}

impl Caller<'_> {
    /// The output that waits to be fetched.
    fn held(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.state().held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn blueprint<A: 'static, T: 'static>(
    waits: Waits,
    serve: impl Fn(&Site, &mut FunctionEnvMut<'_, ()>, PassedBuffers) -> Result<u32, Unwound>
    + Send
    + Sync
    + 'static,
) -> Blueprint {
    let serve = Arc::new(serve);
    let make = move |store: &mut Store, env: &FunctionEnv<()>, site: Site| {
        let serve = Arc::clone(&serve);
        let function = move |mut context: FunctionEnvMut<'_, ()>,
                             input: u32,
                             input_len: u32,
                             output: u32,
                             output_capacity: u32,
                             format: u32|
              -> Result<u32, Unwound> {
            let buffers = PassedBuffers { input, input_len, output, output_capacity, format };
            serve(&site, &mut context, buffers)
        };
        Function::new_typed_with_env(store, env, function)
    };
    Blueprint::new::<u32>(&[Type::I32; 5], waits, make)
        .carrying(payload_of::<A>(), payload_of::<T>())
}

impl<F, A, T, E> IntoValueFunction<WithCaller, A, Result<T, E>> for F
where
    F: Fn(&mut Caller<'_>, A) -> Result<T, E> + Send + Sync + 'static,
    A: DeserializeOwned + 'static,
    T: Serialize + 'static,
    E: Into<BoxedError>,
{
    fn into_blueprint(self) -> Blueprint {
        blueprint::<A, T>(Waits::No, move |site, context, buffers| {
            site.serve(context, |caller| {
                let argument = buffers.argument(caller)?;
                let result = self(caller, argument).map_err(Into::into)?;
                buffers.leave(caller, &result)
            })
        })
    }
}

impl<F, A, T, E> IntoValueFunction<WithoutCaller, A, Result<T, E>> for F
where
    F: Fn(A) -> Result<T, E> + Send + Sync + 'static,
    A: DeserializeOwned + 'static,
    T: Serialize + 'static,
    E: Into<BoxedError>,
{
    fn into_blueprint(self) -> Blueprint {
        IntoValueFunction::<WithCaller, A, Result<T, E>>::into_blueprint(
            move |_: &mut Caller<'_>, argument: A| self(argument),
        )
    }
}

impl<F, A, T, E> IntoAsyncValueFunction<WithCaller, A, Result<T, E>> for F
where
    F: AsyncFn(&mut Caller<'_>, A) -> Result<T, E> + Send + Sync + 'static,
    A: DeserializeOwned + 'static,
    T: Serialize + 'static,
    E: Into<BoxedError>,
{
    fn into_blueprint(self) -> Blueprint {
        blueprint::<A, T>(Waits::Yes, move |site, context, buffers| {
            site.serve_waiting(context, async |caller: &mut Caller<'_>| {
                let argument = buffers.argument(caller)?;
                let result = self(caller, argument).await.map_err(Into::into)?;
                buffers.leave(caller, &result)
            })
        })
    }
}

impl<F, A, T, E> IntoAsyncValueFunction<WithoutCaller, A, Result<T, E>> for F
where
    F: AsyncFn(A) -> Result<T, E> + Send + Sync + 'static,
    A: DeserializeOwned + 'static,
    T: Serialize + 'static,
    E: Into<BoxedError>,
{
    fn into_blueprint(self) -> Blueprint {
        IntoAsyncValueFunction::<WithCaller, A, Result<T, E>>::into_blueprint(
            async move |_: &mut Caller<'_>, argument: A| self(argument).await,
        )
    }
}
