//! Running a module as a program: its `_start` from beginning to end.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use tracing::Span;

use super::{Inner, WasmSandbox, spans};
use crate::bundle::FileBundle;
use crate::error::{NestingFault, Result, SandboxError};
use crate::instance::Instance;
use crate::marshal::arguments::Arguments;
use crate::output::{Output, OutputOverflow, Sink};
use crate::policy::{Access, BundleGrant, EnvironmentVariable, FolderGrant};
use crate::sync::permits::Permit;
use crate::sys::fork;
use crate::threads::dispatch::on_worker;
use crate::usage::ResourceUsage;
use crate::wasi::{GuestFiles, Launch, Source};
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

    /// Shows the program a folder of the host, for this run, beside those of the policy; see
    /// [`SecurityPolicy::with_folder`](crate::SecurityPolicy::with_folder). A policy that refuses grants refuses this one
    /// too.
    pub fn folder(
        self,
        host: impl Into<PathBuf>,
        guest: impl Into<String>,
        access: Access,
    ) -> Self {
        self.folder_grant(FolderGrant::new(host, guest, access))
    }

    /// Shows the program a folder of the host as [`folder`](Self::folder) does, with a
    /// [quota](FolderGrant::with_quota) for this run if it has one.
    pub fn folder_grant(mut self, grant: FolderGrant) -> Self {
        self.launch.folders.push(grant);
        self
    }

    /// Shows the program the files of a bundle, for this run, beside those of the policy; see
    /// [`SecurityPolicy::with_bundle`](crate::SecurityPolicy::with_bundle).
    pub fn bundle(mut self, bundle: &FileBundle, guest: impl Into<String>) -> Self {
        self.launch.bundles.push(BundleGrant::new(bundle, guest));
        self
    }

    /// Sets what the program reads from its standard input.
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        (self.launch.stdin, self.launch.reader) = (input.into(), None);
        self
    }

    /// Has the program read its standard input from a reader, as it comes. What is not read stays there.
    ///
    /// The program waits while the reader does, and its wall clock goes on. A reader is not interrupted: one that may wait
    /// for ever keeps the thread of the run, and a run that is stopped is over when it returns. Clones of the request
    /// share it.
    pub fn stdin_from(mut self, reader: impl Read + Send + 'static) -> Self {
        self.launch.reader = Some(Source::new(reader));
        self
    }

    /// Passes what the program writes to standard output on to a writer, at once, instead of keeping it.
    ///
    /// Each write of the program is one of the writer's, followed by a flush, and the program waits until it is done: a
    /// writer that blocks is back-pressure. Its errors are those of the program's write. It is not interrupted, as a
    /// [reader](Self::stdin_from) is not. The policy's [limit](crate::SecurityPolicy::output_limit_bytes) counts what is
    /// passed on too; see [`output_overflow`](Self::output_overflow).
    pub fn stdout_to(mut self, writer: impl Write + Send + 'static) -> Self {
        self.launch.sinks.stdout = Some(Sink::new(writer));
        self
    }

    /// Passes what the program writes to standard error on to a writer, as [`stdout_to`](Self::stdout_to) does.
    pub fn stderr_to(mut self, writer: impl Write + Send + 'static) -> Self {
        self.launch.sinks.stderr = Some(Sink::new(writer));
        self
    }

    /// Sets what becomes of output beyond the policy's limit. The default is that the program is stopped.
    pub fn output_overflow(mut self, overflow: OutputOverflow) -> Self {
        self.launch.sinks.overflow = overflow;
        self
    }
}

/// Exit code and output of a program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "an exit code other than 0 is no error"]
pub struct RunOutput {
    /// Number that it gave to `proc_exit`, or 0 if it returned.
    pub exit_code: i32,
    /// Bytes that it wrote to standard output.
    pub stdout: Vec<u8>,
    /// Bytes that it wrote to standard error.
    pub stderr: Vec<u8>,
}

/// Report on a program, whether it succeeded or not.
///
/// Whoever drops it unread does not know whether the program failed:
///
/// ```compile_fail
/// #![deny(unused_must_use)]
/// # use sandbox_core::{RunRequest, WasmSandbox};
/// # fn example(sandbox: &WasmSandbox) {
/// sandbox.run_reported_blocking(RunRequest::new());
/// # }
/// # fn main() { let _: fn(&WasmSandbox) = example; }
/// ```
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "only the report says whether the program failed"]
pub struct RunReport {
    /// Number that it gave to `proc_exit`, or 0 if it returned; else the error why it was stopped, or did not start.
    /// The output of that error is here and not there.
    pub ended: Result<i32>,
    /// Bytes that it wrote to standard output, as far as that went to no [writer](RunRequest::stdout_to).
    pub stdout: Vec<u8>,
    /// Bytes that it wrote to standard error, as far as that went to no [writer](RunRequest::stderr_to).
    pub stderr: Vec<u8>,
    /// Number of bytes that it wrote beyond the limit of its output.
    pub output_bytes_beyond_limit: u64,
    /// The files that it left in memory. Nothing if it did not start, or imports nothing of WASI.
    pub files: Option<GuestFiles>,
    /// Resources that it used, also if it failed. All zeros but for the counts if it did not start.
    pub usage: ResourceUsage,
}

impl RunReport {
    /// The report of a program that did not start.
    fn of_failure(mut error: SandboxError) -> Self {
        let Output { stdout, stderr } = error.take_output();
        let usage = ResourceUsage { calls: 1, failed_calls: 1, ..ResourceUsage::default() };
        let (output_bytes_beyond_limit, files) = (0, None);
        Self { ended: Err(error), stdout, stderr, output_bytes_beyond_limit, files, usage }
    }

    fn into_output(self) -> Result<RunOutput> {
        let Self { ended, stdout, stderr, .. } = self;
        match ended {
            Ok(exit_code) => Ok(RunOutput { exit_code, stdout, stderr }),
            Err(error) => Err(error.with_output(Output { stdout, stderr })),
        }
    }
}

impl WasmSandbox {
    /// Runs the module as [`WasmSandbox::run`] does, and reports whatever happens: what the program wrote, the files
    /// that it left in memory and what it used are there also if it failed.
    ///
    /// # Cancel safety
    /// As [`WasmSandbox::run`]. What a program did whose future was dropped is not reported.
    ///
    /// # Examples
    /// ```no_run
    /// use sandbox_core::{OutputOverflow, RunRequest, WasmSandbox};
    ///
    /// # async fn example() -> sandbox_core::Result<()> {
    /// let sandbox = WasmSandbox::builder().source("generated.wasm").build().await?;
    /// let request = RunRequest::new()
    ///     .file("/in.csv", "a,b\n")
    ///     .stdout_to(std::io::stdout())
    ///     .output_overflow(OutputOverflow::Discard);
    /// let report = sandbox.run_reported(request).await;
    /// println!("ended with {:?} after {:?}", report.ended, report.usage.wall_time);
    /// if let Some(files) = &report.files {
    ///     for file in files.list() {
    ///         println!("{} has {} bytes", file.path, files.read(&file.path)?.len());
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run_reported(&self, request: RunRequest) -> RunReport {
        self.run_somewhere(request).await.unwrap_or_else(RunReport::of_failure)
    }

    /// Runs the module as [`WasmSandbox::run_reported`] does, on the calling thread and without an async runtime.
    pub fn run_reported_blocking(&self, request: RunRequest) -> RunReport {
        self.run_here(request).unwrap_or_else(RunReport::of_failure)
    }

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
    /// policy refuses a grant, a folder cannot be opened, or a file has no place in memory; [`SandboxError::NestedCall`] if a host function that a run
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
        self.run_somewhere(request).await?.into_output()
    }

    /// Runs the module as [`WasmSandbox::run`] does, on the calling thread and without an async runtime.
    ///
    /// # Errors
    /// As [`WasmSandbox::run`].
    pub fn run_blocking(&self, request: RunRequest) -> Result<RunOutput> {
        self.run_here(request)?.into_output()
    }

    async fn run_somewhere(&self, request: RunRequest) -> Result<RunReport> {
        let cancellation = self.scope.droppable();
        let guard = cancellation.on_drop();
        let inner = Arc::clone(&self.inner);
        let span = spans::call(&inner, START, 1);
        let permit = self.run_permit().await?;
        let program = on_worker(START, move || {
            // Also if the future is dropped: the guest is there until it has stopped.
            let _permit = permit;
            inner.run_program(request, &span, &cancellation)
        });
        let report = program.await;
        guard.disarm();
        report?
    }

    fn run_here(&self, request: RunRequest) -> Result<RunReport> {
        let _permit = pollster::block_on(self.run_permit())?;
        let span = spans::call(&self.inner, START, 1);
        self.inner.run_program(request, &span, &self.scope.undroppable())
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
                    fault: NestingFault::NoInstanceLeft,
                });
            }
            None => self.scope.wait_for(permits.wait()).await,
        };
        let cancelled =
            || SandboxError::Cancelled { function: START.to_owned(), call: Box::default() };
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

/// Why a program failed or did not start.
fn failure(report: &Result<RunReport>) -> Option<&SandboxError> {
    match report {
        Ok(report) => report.ended.as_ref().err(),
        Err(error) => Some(error),
    }
}

impl Inner {
    fn run_program(
        &self,
        request: RunRequest,
        span: &Span,
        cancellation: &Cancellation,
    ) -> Result<RunReport> {
        spans::recorded(span, || self.launch(request, cancellation), failure)
    }

    /// # Errors
    /// Why the program did not start.
    fn launch(&self, mut request: RunRequest, cancellation: &Cancellation) -> Result<RunReport> {
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
        let mut returned = instance.enter(id, export, arguments.call_buffer());
        let mut usage = self.account(&meter, id, &mut instance, 0, &mut returned);
        let (ended, output) = match returned.map_err(|error| *error) {
            Ok(_) => (Ok(0), instance.take_output()),
            Err(SandboxError::Exited { code, call, .. }) => (Ok(code), call.output),
            Err(mut error) => {
                self.totals.count_failure();
                let output = error.take_output();
                (Err(error), output)
            }
        };
        usage.failed_calls = u64::from(ended.is_err());
        let Output { stdout, stderr } = output;
        let output_bytes_beyond_limit = instance.output_beyond_limit();
        let files = instance.files();
        Ok(RunReport { ended, stdout, stderr, output_bytes_beyond_limit, files, usage })
    }
}
