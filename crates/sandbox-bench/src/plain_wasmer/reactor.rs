//! WASI reactors in Wasmer without a sandbox.

use std::sync::Arc;

use wasmer::Store;
use wasmer_wasix::runtime::task_manager::tokio::TokioTaskManager;
use wasmer_wasix::{PluggableRuntime, WasiEnvBuilder};

use super::{PlainError, PlainInstance, PlainModule};
use crate::runtime;

/// A compiled module that imports WASI and nothing else.
pub struct PlainReactor {
    module: PlainModule,
    runtime: Arc<PluggableRuntime>,
}

impl PlainReactor {
    /// Compiles a module.
    ///
    /// # Errors
    /// [`PlainError`] if the module is not valid.
    pub fn compile(wasm: &[u8]) -> Result<Self, PlainError> {
        let module = PlainModule::compile(wasm)?;
        let tasks = TokioTaskManager::new(runtime::shared().handle().clone());
        let mut runtime = PluggableRuntime::new(Arc::new(tasks));
        runtime.set_engine(module.engine.clone());
        Ok(Self { module, runtime: Arc::new(runtime) })
    }

    /// Makes an instance with a WASI environment that has nothing in it, and initialises it.
    ///
    /// # Errors
    /// [`PlainError`] if the module imports something else, or traps.
    pub fn instantiate(&self) -> Result<PlainInstance, PlainError> {
        // WASIX asks for the runtime that it is called in.
        let _entered = runtime::shared().enter();
        let mut store = Store::new(self.module.engine.clone());
        let builder = WasiEnvBuilder::new("guest").runtime(self.runtime.clone());
        let made = builder.instantiate(self.module.module.clone(), &mut store);
        let (instance, _) = made.map_err(PlainError::from)?;
        Ok(PlainInstance { instance, store })
    }
}
