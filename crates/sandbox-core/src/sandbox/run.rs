//! Running a module as a program: its `_start` from beginning to end.

use std::sync::Arc;

use super::{Inner, WasmSandbox, spans};
use crate::error::{Result, SandboxError};
use crate::instance::Instance;
use crate::marshal::arguments::Arguments;
use crate::output::Output;
use crate::policy::EnvironmentVariable;
use crate::sync::permits::Permit;
use crate::sys::fork;
use crate::threads::dispatch::on_worker;
use crate::wasi::Launch;
use crate::watchdog::cancellation::Cancellation;

/// The function that a WASI program begins with.
const START: &str = "_start";

/// Arguments, input and files that a program is run with.
///
/// ```
/// use sandbox_core::RunRequest;
///
/// let request = RunRequest::new()
///     .argument("--verbose")
///     .environment("LANG", "C")
///     .file("/etc/motd", "hello\n")
///     .stdin("three lines\nof\ninput\n");
/// # let _ = request;
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a request does nothing until it is run"]
pub struct RunRequest {
    launch: Launch,
}

impl RunRequest {
    /// Neither arguments nor environment nor input, beyond what the policy grants.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the name that the program sees as its own, before its arguments. Without it, that is what the command of a
    /// package says, else `guest`.
    pub fn program(mut self, name: impl Into<String>) -> Self {
        self.launch.program = Some(name.into());
        self
    }

    /// Adds an argument after those of the policy. The program's own name comes before all of them.
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.launch.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    pub fn arguments<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.launch.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable in the program's environment, whatever the policy sets it to.
    pub fn environment(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.launch.environment.push(EnvironmentVariable::new(name, value));
        self
    }

    /// Puts a file in the program's memory before it starts, with the folders that lead to it. The path begins at `/`,
    /// with or without saying so. It counts as files that a guest writes do, and is not for granted folders.
    pub fn file(mut self, path: impl Into<String>, contents: impl Into<Vec<u8>>) -> Self {
        self.launch.files.push((path.into(), contents.into()));
        self
    }

    /// Sets what the program reads from its standard input.
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.launch.stdin = input.into();
        self
    }
}

/// Exit code and output of a program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunOutput {
    /// Number that it gave to `proc_exit`, or 0 if it returned.
    pub exit_code: i32,
    /// Bytes that it wrote to standard output.
    pub stdout: Vec<u8>,
    /// Bytes that it wrote to standard error.
    pub stderr: Vec<u8>,
}

impl WasmSandbox {
    /// Runs the module as a program, in an instance of its own, under the sandbox's policy.
    ///
    /// Any WASI preview 1 command will do; it need not know of this crate. Runs go side by side, and see nothing of each
    /// other but the granted folders. At most [`max_instances`](crate::SecurityPolicy::max_instances) of them have an
    /// instance at once, together with fresh calls of the same sandbox; further ones wait for their turn.
    ///
    /// An exit code other than 0 is not an error. If the program fails, what it wrote until then is
    /// [in the error](SandboxError::output).
    ///
    /// # Errors
    /// [`SandboxError::NoSuchFunction`] if the module has no `_start`; [`SandboxError::InvalidGrant`] if the
    /// policy refuses the arguments or the environment, or a file has no place in memory; [`SandboxError::NestedCall`] if a host function that a run
    /// waits for asks for one more than there may be; a trap or a limit as with [`WasmSandbox::call`].
    ///
    /// # Cancel safety
    /// Dropping the future before the run has its turn has no effect. Dropping it later stops the program within
    /// milliseconds.
    ///
    /// # Examples
    /// ```no_run
    /// use sandbox_core::{RunRequest, WasmSandbox};
    ///
    /// # async fn example() -> sandbox_core::Result<()> {
    /// let sandbox = WasmSandbox::builder().source("wc.wasm").build().await?;
    /// let output = sandbox.run(RunRequest::new().argument("-l").stdin("one\ntwo\n")).await?;
    /// assert_eq!((output.exit_code, output.stdout.as_slice()), (0, &b"2\n"[..]));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run(&self, request: RunRequest) -> Result<RunOutput> {
        let cancellation = self.scope.droppable();
        let guard = cancellation.on_drop();
        let inner = Arc::clone(&self.inner);
        let span = spans::call(&inner, START, 1);
        let permit = self.run_permit().await?;
        let program = on_worker(START, move || {
            // Also if the future is dropped: the guest is there until it has stopped.
            let _permit = permit;
            spans::traced_blocking(&span, || inner.run_program(request, &cancellation))
        });
        let output = program.await;
        guard.disarm();
        output?
    }

    /// Runs the module as [`WasmSandbox::run`] does, on the calling thread and without an async runtime.
    ///
    /// # Errors
    /// As [`WasmSandbox::run`].
    pub fn run_blocking(&self, request: RunRequest) -> Result<RunOutput> {
        let _permit = pollster::block_on(self.run_permit())?;
        spans::traced_blocking(&spans::call(&self.inner, START, 1), || {
            self.inner.run_program(request, &self.scope.undroppable())
        })
    }

    /// Waits until one more run may have an instance, unless it is cancelled first. A host function does not wait for the
    /// run that waits for it.
    async fn run_permit(&self) -> Result<RunPermit> {
        let Inner { instances, recipe, .. } = &*self.inner;
        fork::check()?;
        let permits = instances.permits_of_runs(recipe);
        let permit = match permits.try_take() {
            Some(permit) => Some(permit),
            None if instances.recipe_of_runs(recipe).host.is_running_here() => {
                return Err(SandboxError::NestedCall {
                    function: START.to_owned(),
                    message: "as many instances as may be are in use, and one of them waits for the host function"
                        .to_owned(),
                });
            }
            None => self.scope.wait_for(permits.wait()).await,
        };
        let cancelled =
            || SandboxError::Cancelled { function: START.to_owned(), output: Box::default() };
        let permit = permit.ok_or_else(cancelled)?;
        Ok(RunPermit { inner: Arc::clone(&self.inner), permit: Some(permit) })
    }
}

/// The right to have one instance for a run, until it is dropped.
struct RunPermit {
    inner: Arc<Inner>,
    permit: Option<Permit>,
}

impl Drop for RunPermit {
    fn drop(&mut self) {
        let Inner { instances, recipe, .. } = &*self.inner;
        if let Some(permit) = self.permit.take() {
            instances.permits_of_runs(recipe).give_up(permit);
        }
    }
}

impl Inner {
    fn run_program(
        &self,
        mut request: RunRequest,
        cancellation: &Cancellation,
    ) -> Result<RunOutput> {
        if request.launch.program.is_none() {
            request.launch.program = self.program.as_deref().map(str::to_owned);
        }
        let (id, export) = self.recipe.module.function(START)?;
        let mut arguments =
            Arguments::prepare(export, &(), self.format, self.recipe.module.formats())?;
        if cancellation.is_cancelled() {
            return Err(self.cancelled(id));
        }
        let recipe = self.instances.recipe_of_runs(&self.recipe);
        let meter = self.totals.begin_exact();
        let launched = Instance::create_with(recipe, request.launch, cancellation);
        let mut instance = launched.inspect_err(|_| self.totals.count_failure())?;
        let turn = instance.begin_turn();
        cancellation.attach(instance.control(), turn);
        let returned = instance.enter(id, export, arguments.call_buffer());
        self.account(&meter, id, &mut instance, 0, &returned);
        let (exit_code, output) = match returned.map_err(|error| *error) {
            Ok(_) => (0, instance.take_output()),
            Err(SandboxError::Exited { code, output, .. }) => (code, *output),
            Err(error) => {
                self.totals.count_failure();
                return Err(error);
            }
        };
        let Output { stdout, stderr } = output;
        Ok(RunOutput { exit_code, stdout, stderr })
    }
}
