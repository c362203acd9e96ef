//! Calls of a pool's sandboxes with values whose types are known only at run time.

use std::future::Future;
use std::pin::Pin;

use super::SandboxPool;
use crate::error::Result;
use crate::marshal::value::{Value, Values};
use crate::sandbox::Callable;

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
