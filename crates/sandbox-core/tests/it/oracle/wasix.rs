//! A guest in plain Wasmer with WASIX.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use sandbox_core::virtual_fs::{FileSystem, host_fs, mem_fs};
use wasmer::{Engine, Instance, Module, Store, Value};
use wasmer_wasix::runtime::task_manager::tokio::TokioTaskManager;
use wasmer_wasix::{PluggableRuntime, WasiEnvBuilder, WasiFunctionEnv};

use super::guest::Passes;
use crate::probe;

/// The guest, compiled once, and the threads that WASIX asks for.
struct Shared {
    engine: Engine,
    module: Module,
    runtime: tokio::runtime::Runtime,
}

static SHARED: LazyLock<Shared> = LazyLock::new(|| {
    let engine = Engine::default();
    let text = probe::module("wasi_snapshot_preview1");
    let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    Shared { engine, module, runtime }
});

pub(super) struct Wasix {
    store: Store,
    instance: Instance,
    /// Ends the environment when it is dropped.
    _environment: WasiFunctionEnv,
}

impl Wasix {
    /// Makes a guest with files in memory, or with a folder of the host.
    pub(super) fn new(folder: Option<&Path>) -> Self {
        let Shared { engine, module, runtime } = &*SHARED;
        let _entered = runtime.enter();
        let tasks = TokioTaskManager::new(runtime.handle().clone());
        let mut pluggable = PluggableRuntime::new(Arc::new(tasks));
        pluggable.set_engine(engine.clone());
        let mut store = Store::new(engine.clone());
        let files: Arc<dyn FileSystem + Send + Sync> = match folder {
            None => Arc::new(mem_fs::FileSystem::default()),
            Some(folder) => {
                Arc::new(host_fs::FileSystem::new(runtime.handle().clone(), folder).unwrap())
            }
        };
        let builder = WasiEnvBuilder::new("guest")
            .runtime(Arc::new(pluggable))
            .fs(files)
            .preopen_dir("/")
            .unwrap();
        let (instance, environment) = builder.instantiate(module.clone(), &mut store).unwrap();
        Self { store, instance, _environment: environment }
    }
}

impl Passes for Wasix {
    fn call(&mut self, name: &str, arguments: &[i64]) -> Result<i32, String> {
        let _entered = SHARED.runtime.enter();
        let function = self.instance.exports.get_function(name).unwrap().clone();
        let types = function.ty(&self.store);
        let values: Vec<Value> = types
            .params()
            .iter()
            .zip(arguments)
            .map(|(ty, value)| match ty {
                wasmer::Type::I64 => Value::I64(*value),
                _ => Value::I32(i32::try_from(*value).unwrap()),
            })
            .collect();
        let called = catch_unwind(AssertUnwindSafe(|| function.call(&mut self.store, &values)));
        match called {
            Ok(Ok(results)) => Ok(results[0].unwrap_i32()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("WASIX panicked".to_owned()),
        }
    }

    fn put(&mut self, at: u32, bytes: &[u8]) {
        let memory = self.instance.exports.get_memory("memory").unwrap();
        memory.view(&self.store).write(u64::from(at), bytes).unwrap();
    }

    fn get(&mut self, at: u32, len: u32) -> Vec<u8> {
        let memory = self.instance.exports.get_memory("memory").unwrap();
        let mut bytes = vec![0; len as usize];
        memory.view(&self.store).read(u64::from(at), &mut bytes).unwrap();
        bytes
    }
}
