//! Streams of bytes through a guest.

mod builder;
mod item;
mod output;

use std::time::Duration;

use futures::stream::Stream;

use crate::error::{Result, SandboxError};
use crate::marshal::convert::{FromGuest, IntoGuest};
use crate::marshal::export::{ExportKind, Payload};
use crate::module::{FunctionId, Module};
use crate::sandbox::WasmSandbox;
use crate::watchdog::cancel_handle::CancelHandle;

pub use builder::StreamingSandboxBuilder;
pub use item::StreamItem;
pub use output::StreamOutput;

/// A sandbox whose guest transforms streams of bytes.
///
/// Each stream has an instance of its own, which remembers what it likes from chunk to chunk. The guest is
/// called when the output is asked for, and the next input is taken when the guest has handled the last, so a
/// stream of any length takes as much memory as one chunk in and one chunk out.
///
/// ```no_run
/// use bytes::Bytes;
/// use futures::StreamExt;
/// use sandbox_core::StreamingSandbox;
///
/// # async fn example() -> sandbox_core::Result<()> {
/// let sandbox = StreamingSandbox::builder()
///     .source("stream_processor.wasm")
///     .buffer_size(64 * 1024)
///     .build()
///     .await?;
/// let input = futures::stream::iter([Bytes::from("first"), Bytes::from("second")]);
/// let mut processor = sandbox.create_stream_processor().await?;
/// let mut output = processor.process_stream(input).await?;
/// while let Some(chunk) = output.next().await {
///     println!("{} bytes", chunk?.len());
/// }
/// println!("{} bytes went in", output.usage().bytes_in);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct StreamingSandbox {
    sandbox: WasmSandbox,
    function: FunctionId,
    buffer_bytes: usize,
    time_limit: Option<Duration>,
}

impl StreamingSandbox {
    /// Starts describing a streaming sandbox.
    pub fn builder() -> StreamingSandboxBuilder {
        StreamingSandboxBuilder::default()
    }

    fn new(sandbox: WasmSandbox, function: Option<&str>, buffer_bytes: usize) -> Result<Self> {
        let function = function_of(sandbox.module(), function)?;
        Ok(Self { sandbox, function, buffer_bytes, time_limit: None })
    }

    /// Makes a processor with an instance of its own, for one stream.
    ///
    /// # Errors
    /// As [`WasmSandboxBuilder::build`](crate::WasmSandboxBuilder::build), where it concerns instances.
    ///
    /// # Cancel safety
    /// Dropping the future stops a guest that is being started.
    pub async fn create_stream_processor(&self) -> Result<StreamProcessor> {
        Ok(StreamProcessor {
            sandbox: self.sandbox.sibling().await?,
            function: self.function,
            buffer_bytes: self.buffer_bytes,
            time_limit: self.time_limit,
            state: State::Unused,
        })
    }

    /// Returns the sandbox for streams that can be stopped with the handle.
    #[must_use]
    pub fn with_cancel_handle(&self, handle: &CancelHandle) -> Self {
        Self { sandbox: self.sandbox.with_cancel_handle(handle), ..self.clone() }
    }

    /// Returns the sandbox for streams on each of which the guest may work for so long in all.
    ///
    /// The policy's wall clock still holds for each chunk. Waiting for input, and until output is asked for, is not the
    /// guest's time; to bound that too, drop the output.
    #[must_use]
    pub fn with_time_limit(&self, limit: Duration) -> Self {
        Self { time_limit: Some(limit), ..self.clone() }
    }

    /// The sandbox behind it, for functions that are not of streams.
    pub fn sandbox(&self) -> &WasmSandbox {
        &self.sandbox
    }
}

/// The stream function of that name, or the only one there is.
fn function_of(module: &Module, name: Option<&str>) -> Result<FunctionId> {
    let mut of_streams = module.functions().filter(|(_, export)| {
        matches!(&export.kind, ExportKind::Declared(declared) if declared.input == Payload::Stream)
            && name.is_none_or(|name| name == export.name)
    });
    match (of_streams.next(), of_streams.next(), name) {
        (Some((id, _)), None, _) => Ok(id),
        (Some(_), Some(_), _) => Err(SandboxError::InvalidDeclaration {
            message: "the module has several functions of streams: choose one with `function`"
                .to_owned(),
        }),
        (None, _, None) => Err(SandboxError::InvalidDeclaration {
            message: "the module has no function of streams".to_owned(),
        }),
        (None, _, Some(name)) => {
            let (_, export) = module.function(name)?;
            Err(SandboxError::SignatureMismatch {
                function: name.to_owned(),
                expected: export.signature(),
                given: "a stream".to_owned(),
            })
        }
    }
}

/// Passes one stream through an instance of its own.
///
/// Before the stream the instance can be set up with [`StreamProcessor::call`]. Dropping a processor leaves a stream that
/// it has begun alone.
#[derive(Debug)]
#[must_use = "a processor does nothing until it is given a stream"]
pub struct StreamProcessor {
    sandbox: WasmSandbox,
    function: FunctionId,
    buffer_bytes: usize,
    time_limit: Option<Duration>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unused,
    Used,
}

impl StreamProcessor {
    /// Calls another function of the instance that the next stream is to pass through: to set it up.
    ///
    /// One stream sees what it changes, since each has an instance of its own.
    ///
    /// # Errors
    /// As [`WasmSandbox::call`], and as [`StreamingSandbox::create_stream_processor`] after a stream.
    ///
    /// # Cancel safety
    /// As [`WasmSandbox::call`]. If the guest is stopped, the next call finds a new instance, which is not set up.
    pub async fn call<R: FromGuest>(
        &mut self,
        function: &str,
        arguments: impl IntoGuest,
    ) -> Result<R> {
        self.renew().await?;
        self.sandbox.call(function, arguments).await
    }

    /// Passes a stream through the guest, chunk by chunk, and then flushes it.
    ///
    /// Input chunks larger than the buffer size are cut to it; others arrive as they are. Output that is empty
    /// is passed over. Items may be [`Result`]s: if one is an `Err`, the output ends with
    /// [`SandboxError::SourceFailed`], and the guest is not told that the input has ended, so that it completes nothing
    /// which is cut short. A second stream gets a new instance, since the first one's state is spent.
    ///
    /// # Errors
    /// The call itself fails only where a new instance is needed and cannot be made. The items of the output
    /// fail as [`WasmSandbox::call`] does; each chunk is a call by itself, with the policy's limits.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn process_stream<S>(&mut self, input: S) -> Result<StreamOutput<S>>
    where
        S: Stream<Item: StreamItem>,
    {
        self.renew().await?;
        self.state = State::Used;
        let sandbox = self.sandbox.clone();
        Ok(StreamOutput::new(sandbox, self.function, self.buffer_bytes, self.time_limit, input))
    }

    /// Gets a new instance if a stream has passed through the one that there is.
    async fn renew(&mut self) -> Result<()> {
        if self.state == State::Used {
            self.sandbox = self.sandbox.sibling().await?;
            self.state = State::Unused;
        }
        Ok(())
    }
}
