//! A sandbox of a pool in the hands of a caller.

use std::marker::PhantomData;

use super::places::{Held, Places, Taken};
use crate::error::Result;
use crate::marshal::convert::{FromGuest, IntoGuest};
use crate::module::Module;
use crate::output::Output;
use crate::policy::SecurityPolicy;
use crate::sandbox::{
    BatchResults, Condition, Function, RunOutput, RunReport, RunRequest, Session, WasmSandbox,
};
use crate::threads::runtime;
use crate::usage::ResourceUsage;

/// A sandbox of a pool, for its holder alone until this is dropped.
///
/// Only a [session](Self::session) outlives this, and what that has open counts as in use until it is dropped.
#[must_use = "a sandbox that is dropped goes back to its pool"]
pub struct PooledSandbox {
    /// Sandbox that is held. `None` once it is given back.
    held: Option<Held>,
    /// That sandbox, under the conditions of the caller.
    sandbox: WasmSandbox,
}

impl PooledSandbox {
    pub(super) fn new(taken: Taken) -> Self {
        Self { held: Some(taken.held), sandbox: taken.scoped }
    }

    /// Calls an exported function; see [`WasmSandbox::call`].
    ///
    /// # Errors
    /// As [`WasmSandbox::call`].
    ///
    /// # Cancel safety
    /// As [`WasmSandbox::call`].
    pub async fn call<R: FromGuest>(&self, function: &str, arguments: impl IntoGuest) -> Result<R> {
        self.sandbox.call(function, arguments).await
    }

    /// Calls an exported function as [`PooledSandbox::call`] does, on the calling thread and without an async runtime.
    ///
    /// # Errors
    /// As [`WasmSandbox::call`].
    pub fn call_blocking<R: FromGuest>(
        &self,
        function: &str,
        arguments: impl IntoGuest,
    ) -> Result<R> {
        self.sandbox.call_blocking(function, arguments)
    }

    /// Calls a function and says what the call used; see [`WasmSandbox::call_with_usage`].
    ///
    /// # Errors
    /// As [`WasmSandbox::call`].
    ///
    /// # Cancel safety
    /// As [`WasmSandbox::call`].
    pub async fn call_with_usage<R: FromGuest>(
        &self,
        function: &str,
        arguments: impl IntoGuest,
    ) -> Result<(R, ResourceUsage)> {
        self.sandbox.call_with_usage(function, arguments).await
    }

    /// Makes many calls of one function; see [`WasmSandbox::call_batch`].
    ///
    /// # Errors
    /// As [`WasmSandbox::call_batch`].
    ///
    /// # Cancel safety
    /// As [`WasmSandbox::call`].
    pub async fn call_batch<R: FromGuest + Send + 'static>(
        &self,
        function: &str,
        arguments: impl IntoIterator<Item = impl IntoGuest>,
    ) -> Result<BatchResults<R>> {
        self.sandbox.call_batch(function, arguments).await
    }

    /// Resolves a function once, to be called many times; see [`WasmSandbox::function`].
    ///
    /// # Errors
    /// As [`WasmSandbox::function`].
    pub fn function<A, R>(&self, function: &str) -> Result<PooledFunction<'_, A, R>>
    where
        A: IntoGuest,
        R: FromGuest,
    {
        let function = self.sandbox.function(function)?;
        Ok(PooledFunction { function, of: PhantomData })
    }

    /// Runs the module as a program; see [`WasmSandbox::run`].
    ///
    /// # Errors
    /// As [`WasmSandbox::run`].
    ///
    /// # Cancel safety
    /// As [`WasmSandbox::run`].
    pub async fn run(&self, request: RunRequest) -> Result<RunOutput> {
        self.sandbox.run(request).await
    }

    /// Runs the module as a program and reports whatever happens; see [`WasmSandbox::run_reported`].
    ///
    /// # Cancel safety
    /// As [`WasmSandbox::run_reported`].
    pub async fn run_reported(&self, request: RunRequest) -> RunReport {
        self.sandbox.run_reported(request).await
    }

    /// Holds one instance of the sandbox for several calls; see [`WasmSandbox::session`].
    ///
    /// # Errors
    /// As [`WasmSandbox::session`].
    ///
    /// # Cancel safety
    /// As [`WasmSandbox::session`].
    pub async fn session(&mut self) -> Result<Session> {
        self.sandbox.session().await
    }

    /// Takes what the guest has written; see [`WasmSandbox::take_output`].
    ///
    /// # Cancel safety
    /// As [`WasmSandbox::take_output`].
    pub async fn take_output(&self) -> Output {
        self.sandbox.take_output().await
    }

    /// The module that runs in the sandbox.
    pub fn module(&self) -> &Module {
        self.sandbox.module()
    }

    /// The policy that the guest runs under.
    pub fn policy(&self) -> &SecurityPolicy {
        self.sandbox.policy()
    }

    /// Resources that the holder's calls have used so far.
    pub fn usage(&self) -> ResourceUsage {
        self.sandbox.usage()
    }
}

impl Drop for PooledSandbox {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else { return };
        if held.sandbox.condition() != Condition::Busy {
            return Places::give_back(held);
        }
        // A session of it is still open, or a call was dropped and its guest is being stopped. Until then its place is
        // taken.
        if let Ok(runtime) = runtime::get() {
            runtime.spawn(async move {
                held.sandbox.settled().await;
                Places::give_back(held);
            });
        }
    }
}

impl std::fmt::Debug for PooledSandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PooledSandbox").field(&self.sandbox).finish()
    }
}

/// A function of a sandbox of a pool, resolved by [`PooledSandbox::function`]; it is there as long as the sandbox is held.
pub struct PooledFunction<'a, A, R> {
    function: Function<A, R>,
    of: PhantomData<&'a PooledSandbox>,
}

impl<A: IntoGuest, R: FromGuest> PooledFunction<'_, A, R> {
    /// The function's name.
    pub fn name(&self) -> &str {
        self.function.name()
    }

    /// Calls the function.
    ///
    /// # Errors
    /// As [`WasmSandbox::call`].
    ///
    /// # Cancel safety
    /// As [`WasmSandbox::call`].
    pub async fn call(&self, arguments: A) -> Result<R> {
        self.function.call(arguments).await
    }

    /// Calls the function on the calling thread, without an async runtime.
    ///
    /// # Errors
    /// As [`WasmSandbox::call`].
    pub fn call_blocking(&self, arguments: A) -> Result<R> {
        self.function.call_blocking(arguments)
    }
}

impl<A, R> std::fmt::Debug for PooledFunction<'_, A, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PooledFunction").field(&self.function).finish()
    }
}
