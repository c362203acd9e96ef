//! A sandbox without a guest, for tests of what calls sandboxes.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use super::callable::Callable;
use crate::error::{Result, SandboxError};
use crate::marshal::value::Value;

type Answer = dyn Fn(&[Value]) -> Result<Value> + Send + Sync;

/// Stands in for a sandbox in the tests of a host: functions are closures, and all calls are noted.
///
/// ```
/// use sandbox_core::{Callable, MockSandbox, SandboxError, Value};
///
/// let plugin = MockSandbox::new()
///     .function("price", |arguments| Ok(Value::from(arguments.len() as f64)))
///     .function("fail", |_| Err(SandboxError::PoolClosed));
/// assert_eq!(plugin.call_values_blocking("price", &["bolt".into()]).ok(), Some(Value::F64(1.0)));
/// assert!(plugin.call_values_blocking("fail", &[]).is_err());
/// let error = plugin.call_values_blocking("prize", &[]).expect_err("there is none");
/// assert!(matches!(error, SandboxError::NoSuchFunction { .. }));
/// assert_eq!(plugin.calls()[0], ("price".to_owned(), vec!["bolt".into()]));
/// ```
#[derive(Default)]
pub struct MockSandbox {
    functions: BTreeMap<String, Box<Answer>>,
    calls: Mutex<Vec<(String, Vec<Value>)>>,
}

impl MockSandbox {
    /// A mock without functions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function, or replaces the one of that name.
    #[must_use]
    pub fn function(
        mut self,
        name: impl Into<String>,
        answer: impl Fn(&[Value]) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        self.functions.insert(name.into(), Box::new(answer));
        self
    }

    /// The calls that were made so far, in order, those of functions that there are not included.
    pub fn calls(&self) -> Vec<(String, Vec<Value>)> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Callable for MockSandbox {
    fn call_values<'a>(
        &'a self,
        function: &'a str,
        arguments: &'a [Value],
    ) -> Pin<Box<dyn Future<Output = Result<Value>> + Send + 'a>> {
        Box::pin(ready(self.call_values_blocking(function, arguments)))
    }

    fn call_values_blocking(&self, function: &str, arguments: &[Value]) -> Result<Value> {
        let call = (function.to_owned(), arguments.to_vec());
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        match self.functions.get(function) {
            Some(answer) => answer(arguments),
            None => Err(SandboxError::NoSuchFunction {
                name: function.to_owned(),
                available: self.functions.keys().cloned().collect(),
                more: 0,
            }),
        }
    }
}

impl fmt::Debug for MockSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockSandbox")
            .field("functions", &self.functions.keys())
            .field("calls", &self.calls())
            .finish()
    }
}
