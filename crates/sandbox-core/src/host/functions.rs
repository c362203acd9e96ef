//! Sets of host functions.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::caller;
use super::define::{Blueprint, Definition, IntoAsyncHostFunction, IntoHostFunction};
use super::dynamic;
use super::numbers::BoxedError;
use super::values::{IntoAsyncValueFunction, IntoValueFunction};
use crate::error::{Result, SandboxError};
use crate::marshal::types::NumberType;
use crate::marshal::value;

/// A set of functions of the host, for guests to call.
///
/// A set can be given to any number of sandboxes with
/// [`host_functions`](crate::WasmSandboxBuilder::host_functions); cloning it is cheap. Of the functions in it, a module
/// can reach those that it imports, and the types of those are checked when its sandbox is built.
///
/// ```
/// use sandbox_core::{Caller, GuestMemoryError, HostFunctions, WasmSandbox};
///
/// # #[tokio::main]
/// # async fn main() -> sandbox_core::Result<()> {
/// let functions = HostFunctions::new()
///     .function("math", "power", |base: i64, exponent: u32| base.wrapping_pow(exponent))
///     .function("env", "log", |caller: &mut Caller<'_>, text: u32, len: u32| {
///         println!("the guest says {}", caller.text(text, len)?);
///         Ok::<(), GuestMemoryError>(())
///     })
///     .async_function("env", "sleep", async |milliseconds: u32| {
///         tokio::time::sleep(std::time::Duration::from_millis(milliseconds.into())).await;
///     });
///
/// # let wasm = wat::parse_str(r#"(module
/// #     (import "math" "power" (func $power (param i64 i32) (result i64)))
/// #     (import "env" "log" (func $log (param i32 i32)))
/// #     (import "env" "sleep" (func $sleep (param i32)))
/// #     (memory (export "memory") 1) (data (i32.const 8) "hello")
/// #     (func (export "run") (result i64)
/// #         (call $log (i32.const 8) (i32.const 5)) (call $sleep (i32.const 1))
/// #         (call $power (i64.const 2) (i32.const 10))))"#).expect("valid text");
/// let sandbox = WasmSandbox::builder()
///     .source_bytes(&wasm)
///     .host_functions(&functions)
///     .build()
///     .await?;
/// assert_eq!(sandbox.call::<i64>("run", ()).await?, 1024);
/// # Ok(())
/// # }
/// ```
///
/// # Errors and panics
///
/// A function that returns an `Err` or panics ends the guest's call: the guest is unwound in the middle of what it did,
/// whoever called it gets [`SandboxError::HostFunctionFailed`](crate::SandboxError::HostFunctionFailed) or
/// [`SandboxError::HostFunctionPanicked`](crate::SandboxError::HostFunctionPanicked), and the instance is replaced
/// before the next call. What the guest shall handle itself, a function returns as a number.
///
/// # Time
///
/// A host function counts to its guest's wall clock limit, and is never interrupted. Where it returns, a guest that
/// is to stop is stopped. So a function that works for long holds its thread for so long, and asks
/// [`Caller::is_stopping`](crate::Caller::is_stopping) meanwhile.
///
/// The thread may be that of an async caller (see [`WasmSandbox::call`](crate::WasmSandbox::call)). So a function that
/// waits for something is an [`async_function`](Self::async_function), or at least a
/// [`blocking_function`](Self::blocking_function): modules that import one of these run on worker threads only.
///
/// # Calls back into sandboxes
///
/// A host function calls the guest that it serves with [`Caller::call`](crate::Caller::call). It may call other
/// sandboxes too; guests nest up to 16 deep. A call of the sandbox that it serves
/// needs another instance than the one that waits for it: with
/// [`InstanceMode::Fresh`](crate::InstanceMode::Fresh) there may be one; else the call fails at once with
/// [`SandboxError::NestedCall`](crate::SandboxError::NestedCall) rather than wait for itself. Only
/// calls made from the function's own thread can be told from others.
///
/// A guest that is called and awaited by an async function is stopped with the call that waits for it. One that is
/// called with `call_blocking` runs until its own limit. A closure that holds the sandbox which it serves keeps that
/// alive for ever.
#[derive(Clone, Default)]
#[must_use = "a set of functions does nothing until a sandbox is given it"]
pub struct HostFunctions {
    set: Arc<Set>,
}

/// Namespace and name of a function.
type Name = (String, String);

#[derive(Clone, Default)]
struct Set {
    functions: BTreeMap<Name, Arc<Definition>>,
    /// Names that several functions were given.
    duplicates: BTreeSet<Name>,
}

impl HostFunctions {
    /// A set without functions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function, which a guest imports as `name` from `module`. If there is one of that name already, no sandbox is
    /// built with the set ([`SandboxError::DuplicateHostFunction`](crate::SandboxError::DuplicateHostFunction)):
    /// [`replace`](Self::replace) is the way to put another in its place.
    ///
    /// The closure takes `&mut` [`Caller`](crate::Caller) or not, and then up to twelve numbers, whose types have to be
    /// written out. It returns `()`, a number, a tuple of two to four numbers, or a `Result` of one of these with any
    /// error. It is shared by all instances of all sandboxes that use the set, which may call it at the same time.
    ///
    /// A function in WASI's namespace takes the place of WASI's own.
    pub fn function<Kind, Arguments, Outcome>(
        self,
        module: impl Into<String>,
        name: impl Into<String>,
        function: impl IntoHostFunction<Kind, Arguments, Outcome>,
    ) -> Self {
        self.with(module.into(), name.into(), function.into_blueprint())
    }

    /// Adds a function that may block its thread: that reads files, takes locks that others hold for long, or blocks on
    /// a future.
    ///
    /// It is the same as [`function`](Self::function), but that its thread is never that of an async caller. It holds
    /// a worker thread while it blocks, and cannot be stopped; an
    /// [`async_function`](Self::async_function) can.
    pub fn blocking_function<Kind, Arguments, Outcome>(
        self,
        module: impl Into<String>,
        name: impl Into<String>,
        function: impl IntoHostFunction<Kind, Arguments, Outcome>,
    ) -> Self {
        self.with(module.into(), name.into(), function.into_blueprint().that_waits())
    }

    /// Adds an async function.
    ///
    /// The guest waits for the future, and its thread with it. That is never the thread of an async caller: a
    /// module that imports an async function runs on worker threads only. When the call is stopped (by its wall clock
    /// limit, or because its caller dropped it), so is the waiting: the future is dropped where it is. At most 512
    /// guests of a process compute on worker threads at once, and some thousands more can wait for the host; further
    /// calls begin when one of them has ended or waits.
    ///
    /// The future is polled in the context of the tokio runtime that the caller of
    /// [`WasmSandbox::call`](crate::WasmSandbox::call) is on. Without one, it has the library's own, which has timers and
    /// no input or output; the same goes for [`call_blocking`](crate::WasmSandbox::call_blocking) on a single-threaded
    /// runtime, which could not go on while its only thread is blocked.
    ///
    /// ```
    /// use sandbox_core::{Caller, HostFunctions};
    /// # async fn fetch(url: &str) -> std::io::Result<Vec<u8>> { Ok(url.into()) }
    ///
    /// type Error = Box<dyn std::error::Error + Send + Sync>;
    ///
    /// let functions = HostFunctions::new().async_function(
    ///     "env",
    ///     "fetch",
    ///     async |caller: &mut Caller<'_>, url: u32, len: u32, to: u32| -> Result<u32, Error> {
    ///         let body = fetch(caller.text(url, len)?).await?;
    ///         caller.write(to, &body)?;
    ///         Ok(body.len().try_into()?)
    ///     },
    /// );
    /// # let _ = functions;
    /// ```
    pub fn async_function<Kind, Arguments, Outcome>(
        self,
        module: impl Into<String>,
        name: impl Into<String>,
        function: impl IntoAsyncHostFunction<Kind, Arguments, Outcome>,
    ) -> Self {
        self.with(module.into(), name.into(), function.into_blueprint())
    }

    /// Adds a function of bytes, text or values, for guests written with `sandbox-guest`:
    ///
    /// ```text
    /// #[sandbox_guest::import(module = "shop")]
    /// extern "C" {
    ///     fn price_of(article: &str, count: u32) -> Result<f64, String>;
    /// }
    /// ```
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use std::convert::Infallible;
    /// use sandbox_core::{Caller, HostFunctions, MissingContext};
    ///
    /// type Prices = BTreeMap<String, f64>;
    ///
    /// let functions = HostFunctions::new().value_function(
    ///     "shop",
    ///     "price_of",
    ///     |caller: &mut Caller<'_>, (article, count): (String, u32)| {
    ///         let prices = caller.context::<Prices>()?;
    ///         let price = prices.get(&article).map(|price| price * f64::from(count));
    ///         Ok::<Result<f64, String>, MissingContext>(price.ok_or_else(|| format!("no {article} here")))
    ///     },
    /// );
    /// # let _ = functions;
    /// ```
    ///
    /// The closure takes `&mut` [`Caller`](crate::Caller) or not, and then one argument: what the guest's
    /// function takes, or the tuple of it if there are several. `Vec<u8>`, [`Bytes`](bytes::Bytes) and `String` travel as
    /// they are, `()` stands for nothing, and any other type travels as a serde value in the format of the guest's call. The
    /// closure returns a `Result`. Its `Ok` is what the guest gets, so an error that the guest shall handle is an `Err`
    /// inside it, as above; an `Err` of its own ends the guest's call, like an `Err` of any host function.
    ///
    /// What guest and host say about the types is compared when a sandbox is built, as far as `bytes`, `text` and
    /// `value` go. Whether a value is of the right type turns out when it is decoded; what cannot be decoded ends the
    /// guest's call with [`ExchangeError`](crate::ExchangeError) as the source.
    pub fn value_function<Kind, Argument, Outcome>(
        self,
        module: impl Into<String>,
        name: impl Into<String>,
        function: impl IntoValueFunction<Kind, Argument, Outcome>,
    ) -> Self {
        self.with(module.into(), name.into(), function.into_blueprint())
    }

    /// Adds an async function of bytes, text or values: [`value_function`](Self::value_function), waiting like
    /// [`async_function`](Self::async_function).
    pub fn async_value_function<Kind, Argument, Outcome>(
        self,
        module: impl Into<String>,
        name: impl Into<String>,
        function: impl IntoAsyncValueFunction<Kind, Argument, Outcome>,
    ) -> Self {
        self.with(module.into(), name.into(), function.into_blueprint())
    }

    /// Adds a function whose types are known only at run time: of an interface that is read from a file, or of whatever a
    /// module [imports](crate::Module::imports).
    ///
    /// The closure is given a number for each parameter, and returns one for each result, which has to fit its type as
    /// an argument of a guest has to fit a parameter. If they do not, the guest's call ends with
    /// [`WrongResults`](crate::WrongResults) as the source. Such a function costs some allocations at each call, which
    /// one with types of Rust does not.
    ///
    /// Functions of bytes, text and values need no other method: [`value_function`](Self::value_function) takes closures
    /// from [`Value`](crate::Value) to [`Value`](crate::Value).
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use sandbox_core::{Caller, HostFunctions, NumberType, Value, WasmSandbox};
    ///
    /// # fn main() -> sandbox_core::Result<()> {
    /// # let wasm = wat::parse_str(r#"(module (import "env" "sum" (func $sum (param i32 i64) (result i64)))
    /// #     (func (export "run") (result i64) (call $sum (i32.const 2) (i64.const 40))))"#).expect("valid text");
    /// let functions = HostFunctions::new().dynamic_function(
    ///     "env",
    ///     "sum",
    ///     &[NumberType::I32, NumberType::I64],
    ///     &[NumberType::I64],
    ///     |_caller: &mut Caller<'_>, arguments: &[Value]| {
    ///         let sum: i64 = arguments.iter().filter_map(Value::as_i64).sum();
    ///         Ok::<_, Infallible>(vec![sum.into()])
    ///     },
    /// );
    /// let sandbox =
    ///     WasmSandbox::builder().source_bytes(&wasm).host_functions(&functions).build_blocking()?;
    /// assert_eq!(sandbox.call_blocking::<i64>("run", ())?, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn dynamic_function<E: Into<BoxedError>>(
        self,
        module: impl Into<String>,
        name: impl Into<String>,
        parameters: &[NumberType],
        results: &[NumberType],
        function: impl Fn(&mut caller::Caller<'_>, &[value::Value]) -> Result<Vec<value::Value>, E>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.with(module.into(), name.into(), dynamic::blueprint(parameters, results, function))
    }

    /// Adds all functions of another set. Two that have one name are duplicates, as with [`function`](Self::function),
    /// unless they are one and the same.
    pub fn merge(mut self, other: &Self) -> Self {
        if self.set.functions.is_empty() {
            return other.clone();
        }
        let set = Arc::make_mut(&mut self.set);
        for (name, function) in &other.set.functions {
            set.add(name.clone(), Arc::clone(function));
        }
        set.duplicates.extend(other.set.duplicates.iter().cloned());
        self
    }

    /// Adds all functions of another set, in place of those that have their names: of a test, or of one tenant.
    ///
    /// ```
    /// use sandbox_core::HostFunctions;
    ///
    /// let functions = HostFunctions::new().function("env", "now", || 1_700_000_000u64);
    /// let fixed = HostFunctions::new().function("env", "now", || 0u64);
    /// let functions = functions.replace(&fixed);
    /// assert_eq!(functions.names().count(), 1);
    /// ```
    pub fn replace(mut self, others: &Self) -> Self {
        let set = Arc::make_mut(&mut self.set);
        for (name, function) in &others.set.functions {
            set.duplicates.remove(name);
            set.functions.insert(name.clone(), Arc::clone(function));
        }
        set.duplicates.extend(others.set.duplicates.iter().cloned());
        self
    }

    /// The names of the functions: module and name, sorted.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.set.functions.keys().map(|(module, name)| (module.as_str(), name.as_str()))
    }

    fn with(mut self, module: String, name: String, blueprint: Blueprint) -> Self {
        let key = (module.clone(), name.clone());
        let definition = Arc::new(blueprint.named(module, name));
        Arc::make_mut(&mut self.set).add(key, definition);
        self
    }

    pub(super) fn get(&self, module: &str, name: &str) -> Option<&Arc<Definition>> {
        if self.set.functions.is_empty() {
            return None;
        }
        self.set.functions.get(&(module.to_owned(), name.to_owned()))
    }

    /// Refuses a set in which it is not said which function a name stands for.
    ///
    /// # Errors
    /// [`SandboxError::DuplicateHostFunction`].
    pub(super) fn require_unambiguous(&self) -> Result<()> {
        match self.set.duplicates.first().cloned() {
            None => Ok(()),
            Some((module, name)) => Err(SandboxError::DuplicateHostFunction { module, name }),
        }
    }
}

impl Set {
    fn add(&mut self, name: Name, function: Arc<Definition>) {
        match self.functions.entry(name) {
            Entry::Vacant(free) => {
                free.insert(function);
            }
            Entry::Occupied(taken) => {
                if !Arc::ptr_eq(taken.get(), &function) {
                    self.duplicates.insert(taken.key().clone());
                }
            }
        }
    }
}

impl std::fmt::Debug for HostFunctions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.names().map(|(module, name)| format!("{module}.{name}"));
        f.debug_set().entries(names).finish()
    }
}
