//! Wasmer without a sandbox: the baseline of what the sandbox adds to it.
//!
//! The engine is set up as the sandbox sets up its own: the same compiler with the same settings, in the same build of
//! Wasmer.

#[cfg(feature = "wasix")]
mod reactor;

use std::num::NonZero;

use wasmer::sys::{Cranelift, EngineBuilder};
use wasmer::{Engine, ExportError, Imports, Instance, Module, Store, WasmTypeList};

#[cfg(feature = "wasix")]
pub use reactor::PlainReactor;
pub use wasmer::TypedFunction;

/// A compiled module without imports.
pub struct PlainModule {
    engine: Engine,
    module: Module,
}

/// An instance of a module without imports.
pub struct PlainInstance {
    instance: Instance,
    store: Store,
}

/// Why there is no such instance.
#[derive(Debug, thiserror::Error)]
#[error("failed to run a module with plain Wasmer")]
pub struct PlainError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl PlainModule {
    /// Compiles a module.
    ///
    /// # Errors
    /// [`PlainError`] if the module is not valid.
    pub fn compile(wasm: &[u8]) -> Result<Self, PlainError> {
        let mut cranelift = Cranelift::new();
        cranelift.num_threads(NonZero::<usize>::MIN);
        let engine: Engine = EngineBuilder::new(cranelift).engine().into();
        let module = Module::from_binary(&engine, wasm).map_err(PlainError::from)?;
        Ok(Self { engine, module })
    }

    /// Makes an instance, with a store of its own: a store frees nothing before it is dropped.
    ///
    /// # Errors
    /// [`PlainError`] if the module imports anything.
    pub fn instantiate(&self) -> Result<PlainInstance, PlainError> {
        let mut store = Store::new(self.engine.clone());
        let instance = Instance::new(&mut store, &self.module, &Imports::new());
        Ok(PlainInstance { instance: instance.map_err(PlainError::from)?, store })
    }
}

impl PlainInstance {
    /// Compiles and instantiates a module.
    ///
    /// # Errors
    /// [`PlainError`] if the module is not valid or imports anything.
    pub fn new(wasm: &[u8]) -> Result<Self, PlainError> {
        PlainModule::compile(wasm)?.instantiate()
    }

    /// A function with the signature that its type parameters say.
    ///
    /// # Errors
    /// [`PlainError`] if there is none.
    pub fn function<A: WasmTypeList, R: WasmTypeList>(
        &self,
        name: &str,
    ) -> Result<TypedFunction<A, R>, PlainError> {
        let function: Result<_, ExportError> =
            self.instance.exports.get_typed_function(&self.store, name);
        function.map_err(PlainError::from)
    }

    /// Store that calls of its functions need.
    #[inline]
    pub fn store(&mut self) -> &mut Store {
        &mut self.store
    }
}

impl PlainError {
    fn from(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts;

    #[test]
    fn a_function_is_called_by_its_signature() {
        let mut plain = PlainInstance::new(&texts::wasm(texts::NUMBERS)).unwrap();
        let add = plain.function::<(i32, i32), i32>("add").unwrap();
        assert_eq!(add.call(plain.store(), 42, 24).unwrap(), 66);
        assert!(plain.function::<i32, i32>("add").is_err());
        let spin = plain.function::<i64, i64>("count").unwrap();
        assert_eq!(spin.call(plain.store(), 1000).unwrap(), texts::count(1000));
    }
}
