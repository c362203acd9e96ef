//! Functions that are resolved once.

use std::marker::PhantomData;

use super::{Session, WasmSandbox};
use crate::error::{Result, SandboxError};
use crate::marshal::convert::{FromGuest, IntoGuest};
use crate::module::FunctionId;

/// A function of a sandbox, resolved by [`WasmSandbox::function`](super::WasmSandbox::function): the name is
/// looked up once, and the types of its arguments and result are fixed.
///
/// Arguments that borrow may live as long or as short as each call likes: `Function<&str, String>`, written
/// `Function<&'static str, String>` where a lifetime has to be named, takes any `&str`.
///
/// A handle is `Send`, `Sync` and cheap to clone, and keeps its sandbox alive.
///
/// ```
/// use sandbox_core::WasmSandbox;
///
/// # fn main() -> sandbox_core::Result<()> {
/// # let wasm = wat::parse_str(r#"(module (func (export "add") (param i32 i32) (result i32)
/// #     local.get 0 local.get 1 i32.add))"#).expect("valid text");
/// let sandbox = WasmSandbox::builder().source_bytes(&wasm).build_blocking()?;
/// let add = sandbox.function::<(i32, i32), i32>("add")?;
/// assert_eq!(add.call_blocking((42, 24))?, 66);
/// # Ok(())
/// # }
/// ```
pub struct Function<A, R> {
    sandbox: WasmSandbox,
    id: FunctionId,
    /// Covariant in the arguments: a handle for those that live for ever will do for others too.
    signature: PhantomData<fn() -> (A, R)>,
}

impl<A: IntoGuest, R: FromGuest> Function<A, R> {
    pub(super) fn new(sandbox: WasmSandbox, id: FunctionId) -> Self {
        Self { sandbox, id, signature: PhantomData }
    }

    /// The function's name.
    pub fn name(&self) -> &str {
        &self.sandbox.inner.recipe.module.export(self.id).name
    }

    /// Calls the function.
    ///
    /// # Errors
    /// As [`WasmSandbox::call`](super::WasmSandbox::call).
    ///
    /// # Cancel safety
    /// As [`WasmSandbox::call`](super::WasmSandbox::call).
    pub async fn call(&self, arguments: A) -> Result<R> {
        self.sandbox.inner.call(self.id, &arguments, &self.sandbox.scope).await
    }

    /// Calls the function on the calling thread, without an async runtime.
    ///
    /// # Errors
    /// As [`WasmSandbox::call`](super::WasmSandbox::call).
    pub fn call_blocking(&self, arguments: A) -> Result<R> {
        self.sandbox.inner.call_blocking(self.id, &arguments, &self.sandbox.scope)
    }

    /// Calls the function in a session of its sandbox: the quickest way to make many calls, each of which waits for nobody.
    ///
    /// Limits of time and cancel handles are those of the session.
    ///
    /// # Errors
    /// As [`Session::call`], and [`SandboxError::OtherSandbox`] if the session is of another sandbox.
    ///
    /// # Cancel safety
    /// As [`Session::call`].
    pub async fn call_in(&self, session: &mut Session, arguments: A) -> Result<R> {
        self.require_of(session)?;
        session.call_by_id(self.id, &arguments).await
    }

    /// Calls the function as [`Function::call_in`] does, on the calling thread and without an async runtime.
    ///
    /// ```
    /// # use sandbox_core::WasmSandbox;
    /// # fn main() -> sandbox_core::Result<()> {
    /// # let wasm = wat::parse_str(r#"(module (func (export "add") (param i32 i32) (result i32)
    /// #     local.get 0 local.get 1 i32.add))"#).expect("valid text");
    /// # let sandbox = WasmSandbox::builder().source_bytes(&wasm).build_blocking()?;
    /// let add = sandbox.function::<(i32, i32), i32>("add")?;
    /// let mut session = sandbox.session_blocking()?;
    /// let mut sum = 0;
    /// for number in 1..=10 {
    ///     sum = add.call_in_blocking(&mut session, (sum, number))?;
    /// }
    /// assert_eq!(sum, 55);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Function::call_in`].
    #[inline]
    pub fn call_in_blocking(&self, session: &mut Session, arguments: A) -> Result<R> {
        self.require_of(session)?;
        session.call_by_id_blocking(self.id, &arguments)
    }

    /// Numbers of functions are those of one module.
    #[inline]
    fn require_of(&self, session: &Session) -> Result<()> {
        if session.is_of(&self.sandbox.inner) {
            return Ok(());
        }
        Err(SandboxError::OtherSandbox { function: self.name().to_owned() })
    }

    /// Calls the function and has its output read where it lies, as
    /// [`WasmSandbox::call_with`](super::WasmSandbox::call_with) does.
    ///
    /// # Errors
    /// As [`WasmSandbox::call_with`](super::WasmSandbox::call_with).
    ///
    /// # Cancel safety
    /// As [`WasmSandbox::call`](super::WasmSandbox::call).
    pub async fn call_with<T>(&self, arguments: A, read: impl FnOnce(&[u8]) -> T) -> Result<T> {
        self.sandbox.inner.call_with(self.id, &arguments, &self.sandbox.scope, read).await
    }

    /// Calls the function as [`Function::call_with`] does, on the calling thread and without an async runtime.
    ///
    /// # Errors
    /// As [`WasmSandbox::call_with`](super::WasmSandbox::call_with).
    pub fn call_with_blocking<T>(&self, arguments: A, read: impl FnOnce(&[u8]) -> T) -> Result<T> {
        self.sandbox.inner.call_with_blocking(self.id, &arguments, &self.sandbox.scope, read)
    }
}

impl<A, R> Clone for Function<A, R> {
    fn clone(&self) -> Self {
        Self { sandbox: self.sandbox.clone(), id: self.id, signature: PhantomData }
    }
}

impl<A, R> std::fmt::Debug for Function<A, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let export = self.sandbox.inner.recipe.module.export(self.id);
        write!(f, "Function({}, {})", export.name, export.signature())
    }
}
