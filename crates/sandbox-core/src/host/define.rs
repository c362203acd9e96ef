//! From closures to functions that Wasmer can call.

use std::fmt;
use std::sync::Arc;

use wasmer::{ExternType, Function, FunctionEnv, FunctionEnvMut, FunctionType, Store};

use super::caller::Caller;
use super::failure::{ImportName, Unwound};
use super::numbers::{HostNumber, HostNumbers, HostOutcome, Number};
use super::site::Site;
use crate::marshal::export::{Payload, Payloads, signature_in_words};

/// Marks closures that take a [`Caller`] before their numbers.
#[derive(Debug)]
pub enum WithCaller {}

/// Marks closures that take numbers only.
#[derive(Debug)]
pub enum WithoutCaller {}

/// A closure that can be a host function: up to twelve numbers, with `&mut Caller<'_>` before them or not.
///
/// This is implemented for closures, and not meant to be implemented by others. What the parameters of the trait are
/// follows from the closure.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a host function",
    note = "a host function takes `&mut Caller<'_>` or not, then up to twelve of `i32`, `u32`, `i64`, `u64`, `f32`, \
            `f64`; it returns `()`, one of them, a tuple of two to four, or a `Result` of that; it is `Send`, `Sync` \
            and `'static`",
    note = "the types of all its parameters have to be written out"
)]
pub trait IntoHostFunction<Kind, Arguments, Outcome> {
    #[doc(hidden)]
    fn into_blueprint(self) -> Blueprint;
}

/// An async closure that can be a host function, like [`IntoHostFunction`].
///
/// Its future runs on one thread from beginning to end, so it need not be `Send`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an async host function",
    note = "an async host function takes `&mut Caller<'_>` or not, then up to twelve of `i32`, `u32`, `i64`, `u64`, \
            `f32`, `f64`; it returns `()`, one of them, a tuple of two to four, or a `Result` of that; it is `Send`, \
            `Sync` and `'static`",
    note = "the types of all its parameters have to be written out"
)]
pub trait IntoAsyncHostFunction<Kind, Arguments, Outcome> {
    #[doc(hidden)]
    fn into_blueprint(self) -> Blueprint;
}

/// Whether a function may make its thread wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    No,
    Yes,
}

type Make = dyn Fn(&mut Store, &FunctionEnv<()>, Site) -> Function + Send + Sync;

/// A host function that has no name yet.
pub struct Blueprint {
    signature: FunctionType,
    waits: Waits,
    payloads: Option<Payloads>,
    make: Box<Make>,
}

impl Blueprint {
    pub(super) fn new<R: HostNumbers>(
        parameters: &[wasmer::Type],
        waits: Waits,
        make: impl Fn(&mut Store, &FunctionEnv<()>, Site) -> Function + Send + Sync + 'static,
    ) -> Self {
        Self::of(FunctionType::new(parameters, R::TYPES), waits, make)
    }

    /// Of a function whose type is a value.
    pub(super) fn of(
        signature: FunctionType,
        waits: Waits,
        make: impl Fn(&mut Store, &FunctionEnv<()>, Site) -> Function + Send + Sync + 'static,
    ) -> Self {
        Self { signature, waits, payloads: None, make: Box::new(make) }
    }

    /// Says that the function takes more than numbers.
    pub(super) fn carrying(self, input: Payload, output: Payload) -> Self {
        Self { payloads: Some(Payloads { input, output }), ..self }
    }

    /// Says that the function may make its thread wait.
    pub(super) fn that_waits(self) -> Self {
        Self { waits: Waits::Yes, ..self }
    }

    pub(super) fn named(self, module: String, name: String) -> Definition {
        let Self { signature, waits, payloads, make } = self;
        Definition { name: Arc::new(ImportName { module, name }), signature, waits, payloads, make }
    }
}

/// A host function.
pub(crate) struct Definition {
    pub(super) name: Arc<ImportName>,
    pub(super) signature: FunctionType,
    pub(super) waits: Waits,
    /// Payloads that it takes and returns, if that is more than numbers.
    pub(super) payloads: Option<Payloads>,
    /// Makes the function in the store of an instance.
    pub(super) make: Box<Make>,
}

impl Definition {
    /// The Wasm signature in words, for errors.
    pub(super) fn signature_in_words(&self) -> String {
        signature_in_words(&ExternType::Function(self.signature.clone()))
    }
}

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Definition")
            .field("name", &self.name)
            .field("signature", &self.signature)
            .field("waits", &self.waits)
            .finish_non_exhaustive()
    }
}

macro_rules! closures {
    ($($argument:ident)*) => {
        #[allow(non_snake_case, reason = "an argument is named like its type")]
        impl<F, $($argument: HostNumber,)* R: HostOutcome>
            IntoHostFunction<WithCaller, ($($argument,)*), R> for F
        where
            F: Fn(&mut Caller<'_>, $($argument),*) -> R + Send + Sync + 'static,
        {
            fn into_blueprint(self) -> Blueprint {
                let function = Arc::new(self);
                let parameters = [$(<$argument as Number>::TYPE),*];
                Blueprint::new::<R::Numbers>(&parameters, Waits::No, move |store, env, site| {
                    let function = Arc::clone(&function);
                    let serve = move |mut context: FunctionEnvMut<'_, ()>, $($argument: $argument),*|
                        -> Result<R::Numbers, Unwound> {
                        site.serve(&mut context, |caller| {
                            function(caller, $($argument),*).into_numbers()
                        })
                    };
                    Function::new_typed_with_env(store, env, serve)
                })
            }
        }

        #[allow(non_snake_case, reason = "an argument is named like its type")]
        impl<F, $($argument: HostNumber,)* R: HostOutcome>
            IntoHostFunction<WithoutCaller, ($($argument,)*), R> for F
        where
            F: Fn($($argument),*) -> R + Send + Sync + 'static,
        {
            fn into_blueprint(self) -> Blueprint {
                IntoHostFunction::<WithCaller, ($($argument,)*), R>::into_blueprint(
                    move |_: &mut Caller<'_>, $($argument: $argument),*| self($($argument),*),
                )
            }
        }

        #[allow(non_snake_case, reason = "an argument is named like its type")]
        impl<F, $($argument: HostNumber,)* R: HostOutcome>
            IntoAsyncHostFunction<WithCaller, ($($argument,)*), R> for F
        where
            F: AsyncFn(&mut Caller<'_>, $($argument),*) -> R + Send + Sync + 'static,
        {
            fn into_blueprint(self) -> Blueprint {
                let function = Arc::new(self);
                let parameters = [$(<$argument as Number>::TYPE),*];
                Blueprint::new::<R::Numbers>(&parameters, Waits::Yes, move |store, env, site| {
                    let function = Arc::clone(&function);
                    let serve = move |mut context: FunctionEnvMut<'_, ()>, $($argument: $argument),*|
                        -> Result<R::Numbers, Unwound> {
                        site.serve_waiting(&mut context, async |caller: &mut Caller<'_>| {
                            function(caller, $($argument),*).await.into_numbers()
                        })
                    };
                    Function::new_typed_with_env(store, env, serve)
                })
            }
        }

        #[allow(non_snake_case, reason = "an argument is named like its type")]
        impl<F, $($argument: HostNumber,)* R: HostOutcome>
            IntoAsyncHostFunction<WithoutCaller, ($($argument,)*), R> for F
        where
            F: AsyncFn($($argument),*) -> R + Send + Sync + 'static,
        {
            fn into_blueprint(self) -> Blueprint {
                IntoAsyncHostFunction::<WithCaller, ($($argument,)*), R>::into_blueprint(
                    async move |_: &mut Caller<'_>, $($argument: $argument),*| {
                        self($($argument),*).await
                    },
                )
            }
        }
    };
}

closures!();
closures!(A);
closures!(A B);
closures!(A B C);
closures!(A B C D);
closures!(A B C D E);
closures!(A B C D E G);
closures!(A B C D E G H);
closures!(A B C D E G H I);
closures!(A B C D E G H I J);
closures!(A B C D E G H I J K);
closures!(A B C D E G H I J K L);
closures!(A B C D E G H I J K L M);
