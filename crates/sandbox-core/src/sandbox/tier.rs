//! Which compiler's code a sandbox runs.

use super::WasmSandbox;
use crate::module::Module;
use crate::policy::Compiler;
use crate::watchdog::cancellation::Scope;

impl WasmSandbox {
    /// Compiler of the code that the next call runs, unless better code comes first.
    ///
    /// Waits for its turn among the calls. It is the [chosen compiler](crate::WasmSandboxBuilder::compiler) unless the
    /// sandbox is on the first tier of [`Tiering::Auto`](crate::Tiering::Auto).
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn compiler(&self) -> Compiler {
        let turn = self.inner.turn("compiler", &Scope::default()).await.ok();
        let running = turn.and_then(|turn| turn.compiler());
        running.unwrap_or_else(|| self.inner.recipe.module.newest().compiler())
    }

    /// Waits until no better code of the module is being made, and returns the module with the best there is: that of
    /// the [chosen compiler](crate::WasmSandboxBuilder::compiler), unless that failed in the background.
    ///
    /// From then on new instances run that code: each call in the mode [`Fresh`](crate::InstanceMode::Fresh), and in
    /// the mode [`Persistent`](crate::InstanceMode::Persistent) the instance that replaces one that was stopped. Without
    /// [`Tiering::Auto`](crate::Tiering::Auto) there is nothing to wait for.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect; the compilation goes on as long as the sandbox is there.
    pub async fn optimised(&self) -> Module {
        self.inner.recipe.module.best().await.clone().under(&self.inner.recipe.policy)
    }
}
