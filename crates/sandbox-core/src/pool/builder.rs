//! Describing a pool.

use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;

use super::modules::PoolModule;
use super::places::{Places, Rules};
use super::queue::Limits;
use super::{Caller, SandboxPool};
use crate::error::{Result, SandboxError};
use crate::sandbox::WasmSandboxBuilder;

/// Number of calls in a row that may fail in one sandbox before it is replaced: more than an unlucky caller makes,
/// and few enough that a broken guest is soon gone.
const REPLACE_AFTER: u32 = 8;

/// Describes a [`SandboxPool`]; [`SandboxPool::builder`] makes one.
///
/// ```no_run
/// use std::time::Duration;
/// use sandbox_core::{SandboxPool, WasmSandbox};
///
/// # async fn example() -> sandbox_core::Result<()> {
/// let pool = SandboxPool::builder()
///     .named("resize", WasmSandbox::builder().source("resize.wasm"))
///     .named("ocr", WasmSandbox::builder().source("ocr.wasm"))
///     .size(8)
///     .max_waiting(100)
///     .wait_limit(Duration::from_secs(2))
///     .build()
///     .await?;
/// let text: String = pool.module("ocr")?.call("read", vec![0u8; 100]).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until it is built"]
pub struct SandboxPoolBuilder {
    modules: Vec<(String, WasmSandboxBuilder)>,
    size: Option<usize>,
    warm: usize,
    limits: Limits,
    wait_limit: Option<Duration>,
    replace_after: Option<u32>,
}

impl SandboxPoolBuilder {
    /// Adds a module under the name `default`, for a pool of one.
    pub fn sandbox(self, sandbox: WasmSandboxBuilder) -> Self {
        self.named("default", sandbox)
    }

    /// Adds a module under a name. The first is the one that [`SandboxPool::call`] calls;
    /// [`SandboxPool::module`] gets at the others. A name that is there already is replaced.
    pub fn named(mut self, name: impl Into<String>, sandbox: WasmSandboxBuilder) -> Self {
        let name = name.into();
        let sandbox = sandbox.one_at_a_time();
        match self.modules.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = sandbox,
            None => self.modules.push((name, sandbox)),
        }
        self
    }

    /// Sets how many sandboxes there are at most, of all modules together, at least one. The default is one for
    /// each processor.
    pub fn size(mut self, sandboxes: usize) -> Self {
        self.size = Some(sandboxes.max(1));
        self
    }

    /// Sets how many sandboxes of each module are made beforehand, as far as the size goes. The default is one.
    pub fn warm(mut self, sandboxes: usize) -> Self {
        self.warm = sandboxes;
        self
    }

    /// Sets how many callers may wait for a sandbox; the next one gets [`SandboxError::PoolExhausted`]. By default
    /// any number may.
    ///
    /// A full queue is shared between [tenants](SandboxPool#tenants): one of a tenant with fewer callers in it takes the place
    /// of the latest caller of the tenant with most.
    pub fn max_waiting(mut self, callers: usize) -> Self {
        self.limits.waiting = Some(callers);
        self
    }

    /// Sets how many callers of each [tenant](SandboxPool#tenants) may wait; the next one gets
    /// [`SandboxError::PoolExhausted`]. By default any number may.
    pub fn waiting_per_tenant(mut self, callers: usize) -> Self {
        self.limits.waiting_per_tenant = Some(callers);
        self
    }

    /// Sets how many places each [tenant](SandboxPool#tenants) may have at once, at least one, although others are free. By
    /// default there is no limit.
    pub fn places_per_tenant(mut self, places: usize) -> Self {
        self.limits.places_per_tenant = Some(places.max(1));
        self
    }

    /// Sets how long a caller may wait for a sandbox; then it gets [`SandboxError::PoolTimeout`]. By default there
    /// is no limit.
    pub fn wait_limit(mut self, limit: Duration) -> Self {
        self.wait_limit = Some(limit);
        self
    }

    /// Sets after how many failed calls in a row a sandbox is replaced although none of them poisoned it, at least
    /// one. The default is 8.
    pub fn replace_after(mut self, failures: u32) -> Self {
        self.replace_after = Some(failures.max(1));
        self
    }

    /// Builds the first sandbox of each module, and those to be made beforehand.
    ///
    /// # Errors
    /// [`SandboxError::NoSource`] if there is no module; else as [`WasmSandboxBuilder::build`].
    ///
    /// # Cancel safety
    /// As [`WasmSandboxBuilder::build`].
    pub async fn build(self) -> Result<SandboxPool> {
        if self.modules.is_empty() {
            return Err(SandboxError::NoSource);
        }
        let size = self.size.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
        });
        let modules = self
            .modules
            .into_iter()
            .map(|(name, sandbox)| async move { sandbox.build().await.map(|first| (name, first)) });
        // Numbered in the order in which they were named, whichever was built first.
        let built = try_join_all(modules).await?.into_iter();
        let modules: Vec<_> =
            built.map(|(name, first)| Arc::new(PoolModule::new(&name, first))).collect();
        let mut idle = Vec::new();
        for round in 0..self.warm.max(1) {
            for module in &modules {
                if idle.len() < size {
                    let first = round == 0;
                    let sandbox = if first {
                        module.first.clone()
                    } else {
                        module.first.independent_sibling().await?
                    };
                    idle.push((module.id, sandbox));
                }
            }
        }
        let rules = Rules {
            size,
            limits: self.limits,
            wait_limit: self.wait_limit,
            replace_after: self.replace_after.unwrap_or(REPLACE_AFTER),
        };
        let caller = Caller::new(Arc::clone(&modules[0].name));
        let places = Arc::new(Places::new(modules, idle, rules));
        Ok(SandboxPool { places, caller })
    }

    /// Builds the pool on the calling thread, without an async runtime.
    ///
    /// # Errors
    /// As [`SandboxPoolBuilder::build`].
    pub fn build_blocking(self) -> Result<SandboxPool> {
        pollster::block_on(self.build())
    }
}
