//! Many callers over a bounded number of sandboxes.
//!
//! A pool has *places*, which its *tenants* share. A caller waits for one, in the order of asking among those of its tenant,
//! then takes the sandbox of its module that was used last, or makes one, and gives both back. A sandbox whose guest was
//! stopped in the middle of something, or which only fails, is not given to the next caller.
//!
//! ```text
//! SandboxPool (a view: module, tenant, scope) --Caller--> FairQueue --Place--> PooledSandbox --drop--> next in the queue
//! ```

mod builder;
mod lease;
mod modules;
mod places;
mod queue;
mod status;

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::context::Context;
use crate::error::{Result, SandboxError};
use crate::marshal::convert::{FromGuest, IntoGuest};
use crate::marshal::value::{Value, Values};
use crate::output::OutputSink;
use crate::sandbox::{Callable, RunOutput, RunReport, RunRequest, WasmSandboxBuilder};
use crate::usage::ResourceUsage;
use crate::watchdog::cancel_handle::CancelHandle;
use crate::watchdog::cancellation::Scope;

pub use builder::SandboxPoolBuilder;
pub use lease::{PooledFunction, PooledSandbox};
use modules::PoolModule;
use places::Places;
pub use status::{ModuleStatus, PoolStatus, TenantStatus};

/// Serves many callers over a bounded number of sandboxes, of one module or of several.
///
/// Each caller has a sandbox to itself for the time of a call, or for as long as it keeps a
/// [`PooledSandbox`]. When all are in use, callers wait, at most as many and at most as long as the builder says.
///
/// # Tenants
/// Callers that wait are served fairly between *tenants*, and in the order of asking within each. Every module is a tenant,
/// unless callers [say](Self::tenant) for whom they ask. A tenant pays for the time in which it has a place, and the one that
/// has paid least is next: so one that asks a thousand times, or whose guests run until they are stopped, gets no more of
/// a busy pool than each of the others that want as much. [`places_per_tenant`](SandboxPoolBuilder::places_per_tenant) keeps
/// some places from tenants that come when nobody else is there, and [`waiting_per_tenant`](SandboxPoolBuilder::waiting_per_tenant)
/// bounds the queue of each.
///
/// # Modules that come and go
/// [`insert`](Self::insert), [`replace`](Self::replace) and [`remove`](Self::remove) change the modules of a pool in use. A
/// plugin is swapped without dropping a call by `replace`: calls in progress end on the old code, callers that wait and
/// those that come get the new, and when it returns nobody uses the old one any more.
///
/// # State
/// In the mode [`Persistent`](crate::InstanceMode::Persistent), a guest's state lives on in
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
    caller: Caller,
}

/// Wishes of those who ask for a sandbox.
#[derive(Clone)]
struct Caller {
    /// The module whose sandboxes they get.
    module: Arc<str>,
    /// The tenant that pays.
    tenant: Arc<str>,
    /// Whether that was said, and is not just the module.
    has_tenant: HasTenant,
    scope: Scope,
    deadline: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum HasTenant {
    Said,
    TheModule,
}

impl Caller {
    fn new(module: Arc<str>) -> Self {
        let (tenant, has_tenant) = (Arc::clone(&module), HasTenant::TheModule);
        Self { module, tenant, has_tenant, scope: Scope::default(), deadline: None }
    }

    /// Time for which it waits at most.
    fn time_to_wait(&self, limit: Option<Duration>) -> Option<Duration> {
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match (limit, left) {
            (Some(limit), Some(left)) => Some(limit.min(left)),
            (limit, left) => limit.or(left),
        }
    }
}

impl SandboxPool {
    /// Starts describing a pool.
    pub fn builder() -> SandboxPoolBuilder {
        SandboxPoolBuilder::default()
    }

    /// Returns this pool for calls of another of its modules.
    ///
    /// The view that comes back goes by the name: it calls what has that name at the time.
    ///
    /// # Errors
    /// [`SandboxError::NoSuchModule`].
    pub fn module(&self, name: &str) -> Result<Self> {
        self.places.check_module(name)?;
        let mut caller = self.caller.clone();
        caller.module = name.into();
        if caller.has_tenant == HasTenant::TheModule {
            caller.tenant = Arc::clone(&caller.module);
        }
        Ok(self.for_callers(caller))
    }

    /// Returns this pool for calls that a tenant of that name pays for, whatever module they call. Tenants need not be made
    /// known.
    #[must_use]
    pub fn tenant(&self, name: &str) -> Self {
        let tenant = name.into();
        self.for_callers(Caller { tenant, has_tenant: HasTenant::Said, ..self.caller.clone() })
    }

    /// Returns this pool for calls that can be stopped with the handle, also while they wait
    /// for a sandbox.
    #[must_use]
    pub fn with_cancel_handle(&self, handle: &CancelHandle) -> Self {
        self.with_scope(self.caller.scope.with_cancel_handle(handle))
    }

    /// Returns this pool for calls in which a guest may take at most that long; waiting is not in it.
    #[must_use]
    pub fn with_time_limit(&self, limit: Duration) -> Self {
        self.with_scope(self.caller.scope.with_time_limit(limit))
    }

    /// Returns this pool for calls that are over by that time, waiting and running: who still waits then gets
    /// [`SandboxError::PoolTimeout`], and a guest that still runs is stopped with [`SandboxError::Timeout`].
    #[must_use]
    pub fn with_deadline(&self, deadline: Instant) -> Self {
        let scope = self.caller.scope.with_deadline(deadline);
        self.for_callers(Caller { scope, deadline: Some(deadline), ..self.caller.clone() })
    }

    /// Returns this pool for calls whose host functions find that value in their `Caller`; see
    /// [`WasmSandbox::with_context`](crate::WasmSandbox::with_context).
    #[must_use]
    pub fn with_context<T: Any + Send + Sync>(&self, context: T) -> Self {
        let scope = &self.caller.scope;
        self.with_scope(scope.with_brought(|brought| brought.context = Context::new(context)))
    }

    /// Returns this pool for calls whose output goes to the sink; see [`WasmSandbox::with_output`](crate::WasmSandbox::with_output).
    #[must_use]
    pub fn with_output(&self, sink: &OutputSink) -> Self {
        let scope = &self.caller.scope;
        self.with_scope(scope.with_brought(|brought| brought.output = Some(sink.clone())))
    }

    fn with_scope(&self, scope: Scope) -> Self {
        self.for_callers(Caller { scope, ..self.caller.clone() })
    }

    fn for_callers(&self, caller: Caller) -> Self {
        Self { places: Arc::clone(&self.places), caller }
    }

    /// Calls a function in a sandbox of the pool.
    ///
    /// # Errors
    /// [`SandboxError::PoolExhausted`], [`SandboxError::PoolTimeout`] or [`SandboxError::PoolClosed`] if there is no
    /// sandbox; else as [`WasmSandbox::call`](crate::WasmSandbox::call).
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
    /// As [`SandboxPool::call`] and [`WasmSandbox::run`](crate::WasmSandbox::run).
    ///
    /// # Cancel safety
    /// As [`SandboxPool::call`].
    pub async fn run(&self, request: RunRequest) -> Result<RunOutput> {
        self.acquire_for("_start").await?.run(request).await
    }

    /// Runs the module as a program as [`SandboxPool::run`] does, and reports whatever happens; see
    /// [`WasmSandbox::run_reported`](crate::WasmSandbox::run_reported).
    ///
    /// # Errors
    /// Those of the pool, where there is no sandbox.
    ///
    /// # Cancel safety
    /// As [`SandboxPool::call`].
    pub async fn run_reported(&self, request: RunRequest) -> Result<RunReport> {
        Ok(self.acquire_for("_start").await?.run_reported(request).await)
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
        self.places.acquire(&self.caller, purpose).await.map(PooledSandbox::new)
    }

    /// Takes a sandbox if there is a place for it now, without waiting for others. `None` if all places are taken or asked
    /// for, or the tenant has as many as it may.
    ///
    /// # Errors
    /// As [`SandboxPool::acquire`], but for those of waiting.
    ///
    /// # Cancel safety
    /// Dropping the future gives the place back.
    pub async fn try_acquire(&self) -> Result<Option<PooledSandbox>> {
        Ok(self.places.try_acquire(&self.caller).await?.map(PooledSandbox::new))
    }

    /// Adds a module under a name of its own, while the pool is in use.
    ///
    /// # Errors
    /// [`SandboxError::DuplicateModule`], [`SandboxError::PoolClosed`], and those of [`WasmSandboxBuilder::build`].
    ///
    /// # Cancel safety
    /// As [`WasmSandboxBuilder::build`]; the pool is as it was then.
    pub async fn insert(&self, name: &str, sandbox: WasmSandboxBuilder) -> Result<()> {
        let first = sandbox.one_at_a_time().build().await?;
        self.places.insert(PoolModule::new(name, first))
    }

    /// Puts a module in place of another one, and waits until the last caller of that is done.
    ///
    /// No call is dropped: calls in progress go on with the old module, and whoever gets a sandbox from now on, after
    /// waiting or not, gets one of the new. If that cannot be built, everything is as before.
    ///
    /// ```
    /// use sandbox_core::{SandboxPool, WasmSandbox};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> sandbox_core::Result<()> {
    /// # let version = |number| WasmSandbox::builder().source_bytes(wat::parse_str(format!(
    /// #     r#"(module (func (export "version") (result i32) i32.const {number}))"#)).expect("valid text"));
    /// let pool = SandboxPool::builder().named("plugin", version(1)).build().await?;
    /// let in_progress = pool.acquire().await?;
    /// let swap = tokio::spawn({
    ///     let (pool, new) = (pool.clone(), version(2));
    ///     async move { pool.replace("plugin", new).await }
    /// });
    /// # while pool.module_status("plugin")?.draining == 0 { tokio::task::yield_now().await; }
    /// assert_eq!(in_progress.call::<i32>("version", ()).await?, 1);
    /// drop(in_progress);
    /// swap.await.expect("it does not panic")?;
    /// assert_eq!(pool.call::<i32>("version", ()).await?, 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SandboxError::NoSuchModule`], [`SandboxError::PoolClosed`], and those of [`WasmSandboxBuilder::build`].
    ///
    /// # Cancel safety
    /// Dropping the future before the new module is built changes nothing; later, it only ends the waiting.
    pub async fn replace(&self, name: &str, sandbox: WasmSandboxBuilder) -> Result<()> {
        self.places.check_module(name)?;
        let first = sandbox.one_at_a_time().build().await?;
        let old = self.places.replace(PoolModule::new(name, first))?;
        self.places.drained(old).await;
        Ok(())
    }

    /// Removes a module, and waits until its last caller is done. Callers that wait for it get
    /// [`SandboxError::NoSuchModule`] when their turn comes, and calls in progress go on.
    ///
    /// # Errors
    /// [`SandboxError::NoSuchModule`].
    ///
    /// # Cancel safety
    /// Dropping the future only ends the waiting.
    pub async fn remove(&self, name: &str) -> Result<()> {
        let old = self.places.remove(name)?;
        self.places.drained(old).await;
        Ok(())
    }

    /// Returns how the pool is now, and what it has been through.
    pub fn status(&self) -> PoolStatus {
        self.places.status()
    }

    /// The names of the modules, in the order in which they came.
    pub fn module_names(&self) -> Vec<String> {
        self.places.module_names()
    }

    /// Returns how one of the modules is now, and what it has been through.
    ///
    /// # Errors
    /// [`SandboxError::NoSuchModule`].
    pub fn module_status(&self, name: &str) -> Result<ModuleStatus> {
        self.places.module_status(name)
    }

    /// Returns how a tenant is now. One that never asked has nothing.
    pub fn tenant_status(&self, name: &str) -> TenantStatus {
        self.places.tenant_status(name)
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

impl Callable for SandboxPool {
    fn call_values<'a>(
        &'a self,
        function: &'a str,
        arguments: &'a [Value],
    ) -> Pin<Box<dyn Future<Output = Result<Value>> + Send + 'a>> {
        Box::pin(self.call(function, Values(arguments)))
    }

    fn call_values_blocking(&self, function: &str, arguments: &[Value]) -> Result<Value> {
        self.call_blocking(function, Values(arguments))
    }
}

impl std::fmt::Debug for SandboxPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SandboxPool").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// The error for a call that was cancelled before it had a sandbox.
fn cancelled(function: &str) -> SandboxError {
    SandboxError::Cancelled { function: function.to_owned(), call: Box::default() }
}
