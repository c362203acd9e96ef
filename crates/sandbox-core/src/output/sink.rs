//! Places that the output of guests goes to.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Output;

/// A stream that a guest writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamName {
    Stdout,
    Stderr,
}

/// Treatment of output beyond the limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutputOverflow {
    /// The guest is stopped, and that is an error ([`OutputLimit`](crate::SandboxError::OutputLimit)).
    #[default]
    Stop,
    /// The guest goes on, and what it writes is dropped and counted.
    Discard,
}

/// Receiver of what guests write to standard output and standard error during some calls; see
/// [`WasmSandbox::with_output`](crate::WasmSandbox::with_output).
///
/// Either it keeps the output until that is taken, or it passes it on to writers at once. What fresh instances wrote is there
/// too, and what a guest wrote before it was stopped. Clones are the same sink; calls that go on at once need one each, or
/// their output is mixed.
///
/// ```
/// use sandbox_core::OutputSink;
///
/// let kept = OutputSink::new();
/// let shown = OutputSink::to(std::io::stdout(), std::io::stderr());
/// # let _ = (kept, shown);
/// ```
#[derive(Debug, Clone)]
pub struct OutputSink {
    sinks: Sinks,
    kept: Arc<Mutex<Output>>,
}

impl OutputSink {
    /// A sink that keeps the output. Each call may write as much as its policy says
    /// ([`output_limit_bytes`](crate::SecurityPolicy::output_limit_bytes)).
    pub fn new() -> Self {
        let kept = Arc::default();
        let stream = |name| Some(Sink(Receiver::Kept(Arc::clone(&kept), name)));
        let (stdout, stderr) = (stream(StreamName::Stdout), stream(StreamName::Stderr));
        Self { sinks: Sinks { stdout, stderr, ..Sinks::default() }, kept }
    }

    /// A sink that passes each stream on to a writer.
    ///
    /// Each write of the guest is one of the writer's, followed by a flush, and the guest waits until it is done: a writer
    /// that blocks is back-pressure. Its errors are those of the guest's write. A writer is not interrupted: one that may
    /// block for ever keeps the thread of the call.
    pub fn to(stdout: impl Write + Send + 'static, stderr: impl Write + Send + 'static) -> Self {
        let (stdout, stderr) = (Some(Sink::new(stdout)), Some(Sink::new(stderr)));
        Self { sinks: Sinks { stdout, stderr, ..Sinks::default() }, kept: Arc::default() }
    }

    /// Sets what becomes of output beyond the policy's limit of one call. The default is that the guest is stopped.
    #[must_use]
    pub fn overflow(mut self, overflow: OutputOverflow) -> Self {
        self.sinks.overflow = overflow;
        self
    }

    /// Takes what was kept so far. A sink that passes output on keeps nothing.
    pub fn take(&self) -> Output {
        std::mem::take(&mut *lock(&self.kept))
    }

    pub(crate) fn sinks(&self) -> &Sinks {
        &self.sinks
    }
}

impl Default for OutputSink {
    /// Returns [`OutputSink::new`].
    fn default() -> Self {
        Self::new()
    }
}

/// Where the output of a guest goes, if it is not captured, and what becomes of too much of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sinks {
    pub(crate) stdout: Option<Sink>,
    pub(crate) stderr: Option<Sink>,
    pub(crate) overflow: OutputOverflow,
}

impl Sinks {
    pub(crate) fn of(&self, name: StreamName) -> Option<&Sink> {
        match name {
            StreamName::Stdout => self.stdout.as_ref(),
            StreamName::Stderr => self.stderr.as_ref(),
        }
    }
}

/// Receiver of one stream. Clones are the same.
#[derive(Clone)]
pub(crate) struct Sink(Receiver);

#[derive(Clone)]
enum Receiver {
    Writer(Arc<Mutex<dyn Write + Send>>),
    Kept(Arc<Mutex<Output>>, StreamName),
}

impl Sink {
    pub(crate) fn new(writer: impl Write + Send + 'static) -> Self {
        Self(Receiver::Writer(Arc::new(Mutex::new(writer))))
    }

    /// Whether a write may take long.
    pub(crate) const fn may_wait(&self) -> bool {
        matches!(self.0, Receiver::Writer(_))
    }

    /// Writes all of the bytes and flushes, however long the writer takes.
    ///
    /// # Errors
    /// Those of the writer.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match &self.0 {
            Receiver::Writer(writer) => {
                let mut writer = lock(writer);
                writer.write_all(bytes)?;
                writer.flush()
            }
            Receiver::Kept(kept, name) => {
                let mut kept = lock(kept);
                let stream = match name {
                    StreamName::Stdout => &mut kept.stdout,
                    StreamName::Stderr => &mut kept.stderr,
                };
                stream.extend_from_slice(bytes);
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
