//! Many callers over a bounded number of sandboxes.
//!
//! A pool has *places*. A caller waits for one, in the order of asking, then takes the sandbox of its module that
//! was used last, or makes one, and gives both back. A sandbox whose guest was stopped in the middle of
//! something, or which only fails, is not given to the next caller.

mod builder;
mod callable;
mod places;
mod status;

use std::sync::Arc;
use std::time::Duration;

use crate::error::{Result, SandboxError};
use crate::marshal::convert::{FromGuest, IntoGuest};
use crate::sandbox::{RunOutput, RunRequest, WasmSandbox};
use crate::usage::ResourceUsage;
use crate::watchdog::cancel_handle::CancelHandle;
use crate::watchdog::cancellation::Scope;

pub use builder::SandboxPoolBuilder;
use places::Places;
pub use places::PooledSandbox;
pub use status::PoolStatus;

/// Serves many callers over a bounded number of sandboxes, of one module or of several.
///
/// Each caller has a sandbox to itself for the time of a call, or for as long as it keeps a
/// [`PooledSandbox`]. When all are in use, callers wait in the order of asking, at most as many and at most as long
/// as the builder says. In the mode [`Persistent`](crate::InstanceMode::Persistent), a guest's state lives on in
/// its sandbox, and the next caller may get any of them: use the pool for guests without state of their own, or with
/// caches only. In the mode [`Fresh`](crate::InstanceMode::Fresh) nothing lives on.
///
/// Cloning is cheap; all clones are the same pool.
///
/// ```
/// use sandbox_core::{SandboxPool, WasmSandbox};
///
/// # #[tokio::main]
/// # async fn main() -> sandbox_core::Result<()> {
/// # let wasm = wat::parse_str(r#"(module (func (export "add") (param i32 i32) (result i32)
/// #     local.get 0 local.get 1 i32.add))"#).expect("valid text");
/// let pool = SandboxPool::builder()
///     .sandbox(WasmSandbox::builder().source_bytes(&wasm))
///     .size(4)
///     .build()
///     .await?;
/// let sums = futures::future::join_all((0..100i32).map(|i| pool.call("add", (i, i))));
/// for (i, sum) in (0..).zip(sums.await) {
///     let sum: i32 = sum?;
///     assert_eq!(sum, 2 * i);
/// }
/// assert_eq!(pool.status().usage.calls, 100);
/// pool.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SandboxPool {
    places: Arc<Places>,
    /// The module whose sandboxes this value gives out.
    module: usize,
    scope: Scope,
}

impl SandboxPool {
    /// Starts describing a pool.
    pub fn builder() -> SandboxPoolBuilder {
        SandboxPoolBuilder::default()
    }

    /// Returns this pool for calls of another of its modules.
    ///
    /// # Errors
    /// [`SandboxError::NoSuchModule`].
    pub fn module(&self, name: &str) -> Result<Self> {
        let module = self.places.module(name)?;
        Ok(Self { module, ..self.clone() })
    }

    /// Returns this pool for calls that can be stopped with the handle, also while they wait
    /// for a sandbox.
    #[must_use]
    pub fn with_cancel_handle(&self, handle: &CancelHandle) -> Self {
        let scope = Scope { cancel: Some(handle.clone()), ..self.scope.clone() };
        Self { scope, ..self.clone() }
    }

    /// Returns this pool for calls in which a guest may take at most that long; waiting is not in it.
    #[must_use]
    pub fn with_time_limit(&self, limit: Duration) -> Self {
        let scope = Scope { time_limit: Some(limit), ..self.scope.clone() };
        Self { scope, ..self.clone() }
    }

    /// Calls a function in a sandbox of the pool.
    ///
    /// # Errors
    /// [`SandboxError::PoolExhausted`], [`SandboxError::PoolTimeout`] or [`SandboxError::PoolClosed`] if there is no
    /// sandbox; else as [`WasmSandbox::call`].
    ///
    /// # Cancel safety
    /// Dropping the future while it waits gives up its place in the queue. Dropping it later stops the guest within
    /// milliseconds, and then its sandbox is replaced.
    pub async fn call<R: FromGuest>(&self, function: &str, arguments: impl IntoGuest) -> Result<R> {
        self.acquire_for(function).await?.call(function, arguments).await
    }

    /// Waits for a sandbox on the calling thread, without an async runtime; do not use it in async code.
    ///
    /// # Errors
    /// As [`SandboxPool::call`].
    pub fn call_blocking<R: FromGuest>(
        &self,
        function: &str,
        arguments: impl IntoGuest,
    ) -> Result<R> {
        pollster::block_on(self.acquire_for(function))?.call_blocking(function, arguments)
    }

    /// Calls a function in a sandbox of the pool, and says what the call used.
    ///
    /// # Errors
    /// As [`SandboxPool::call`].
    ///
    /// # Cancel safety
    /// As [`SandboxPool::call`].
    pub async fn call_with_usage<R: FromGuest>(
        &self,
        function: &str,
        arguments: impl IntoGuest,
    ) -> Result<(R, ResourceUsage)> {
        self.acquire_for(function).await?.call_with_usage(function, arguments).await
    }

    /// Runs the module as a program, on one of the pool's places.
    ///
    /// # Errors
    /// As [`SandboxPool::call`] and [`WasmSandbox::run`].
    ///
    /// # Cancel safety
    /// As [`SandboxPool::call`].
    pub async fn run(&self, request: RunRequest) -> Result<RunOutput> {
        self.acquire_for("_start").await?.run(request).await
    }

    /// Waits for a sandbox, to have it for more than one call.
    ///
    /// ```
    /// use sandbox_core::{SandboxPool, WasmSandbox};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> sandbox_core::Result<()> {
    /// # let wasm = wat::parse_str(r#"(module (global $n (mut i32) (i32.const 0))
    /// #     (func (export "count") (result i32)
    /// #         (global.set $n (i32.add (global.get $n) (i32.const 1))) global.get $n))"#)
    /// #     .expect("valid text");
    /// # let pool = SandboxPool::builder()
    /// #     .sandbox(WasmSandbox::builder().source_bytes(&wasm)).size(2).build().await?;
    /// let sandbox = pool.acquire().await?;
    /// let first: i32 = sandbox.call("count", ()).await?;
    /// let second: i32 = sandbox.call("count", ()).await?;
    /// assert_eq!(second, first + 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`SandboxPool::call`], where it concerns the pool and instances.
    ///
    /// # Cancel safety
    /// Dropping the future gives up its place in the queue.
    pub async fn acquire(&self) -> Result<PooledSandbox> {
        self.acquire_for("acquire").await
    }

    async fn acquire_for(&self, purpose: &str) -> Result<PooledSandbox> {
        self.places.acquire(self.module, &self.scope, purpose).await
    }

    /// Returns how the pool is now, and what it has been through.
    pub fn status(&self) -> PoolStatus {
        self.places.status()
    }

    /// Closes the pool: callers that wait and those that come are told so, and this waits until all sandboxes
    /// are given back.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the pool closed.
    pub async fn close(&self) {
        self.places.close().await;
    }
}

impl std::fmt::Debug for SandboxPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SandboxPool").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// A module of a pool, and how its sandboxes are made.
struct PoolModule {
    name: String,
    /// The first sandbox; the others are its siblings.
    first: WasmSandbox,
}

/// The error for a call that was cancelled before it had a sandbox.
fn cancelled(function: &str) -> SandboxError {
    SandboxError::Cancelled { function: function.to_owned(), call: Box::default() }
}
