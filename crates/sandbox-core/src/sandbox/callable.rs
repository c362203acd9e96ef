//! Calls of functions that are known only at run time, of sandboxes and of what stands in for them.

use std::future::Future;
use std::pin::Pin;

use super::WasmSandbox;
use crate::error::Result;
use crate::marshal::value::{Value, Values};

/// Something whose functions can be called by name with values: a sandbox, a pool, or a [mock](crate::MockSandbox).
///
/// The trait can be made an object, so that a host can hold what it calls as `Arc<dyn Callable>`.
///
/// ```
/// use std::sync::Arc;
/// use sandbox_core::{Callable, MockSandbox, Result, Value, WasmSandbox};
///
/// async fn answer(plugin: &dyn Callable) -> Result<Option<i64>> {
///     Ok(plugin.call_values("answer", &[]).await?.as_i64())
/// }
///
/// # #[tokio::main]
/// # async fn main() -> Result<()> {
/// # let wasm = wat::parse_str(r#"(module (func (export "answer") (result i32) i32.const 42))"#)
/// #     .expect("valid text");
/// let plugins: [Arc<dyn Callable>; 2] = [
///     Arc::new(WasmSandbox::builder().source_bytes(&wasm).build().await?),
///     Arc::new(MockSandbox::new().function("answer", |_| Ok(Value::from(42)))),
/// ];
/// for plugin in plugins {
///     assert_eq!(answer(&*plugin).await?, Some(42));
/// }
/// # Ok(())
/// # }
/// ```
pub trait Callable: Send + Sync {
    /// Calls a function with as many arguments as it has parameters.
    ///
    /// The future is `Send`. Dropping it is what dropping that of [`WasmSandbox::call`] is.
    ///
    /// # Errors
    /// The future's are those of [`WasmSandbox::call`].
    fn call_values<'a>(
        &'a self,
        function: &'a str,
        arguments: &'a [Value],
    ) -> Pin<Box<dyn Future<Output = Result<Value>> + Send + 'a>>;

    /// Calls a function on the calling thread and without an async runtime.
    ///
    /// # Errors
    /// As [`WasmSandbox::call`].
    fn call_values_blocking(&self, function: &str, arguments: &[Value]) -> Result<Value>;
}

impl Callable for WasmSandbox {
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
