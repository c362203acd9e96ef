//! Streams of bytes through a guest.

mod builder;

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};

use crate::error::{Result, SandboxError};
use crate::marshal::export::{ExportKind, Payload};
use crate::module::{FunctionId, Module};
use crate::sandbox::WasmSandbox;
use crate::watchdog::cancel_handle::CancelHandle;

pub use builder::StreamingSandboxBuilder;

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
/// let mut output = std::pin::pin!(processor.process_stream(input).await?);
/// while let Some(chunk) = output.next().await {
///     println!("{} bytes", chunk?.len());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct StreamingSandbox {
    sandbox: WasmSandbox,
    function: FunctionId,
    buffer_bytes: usize,
}

impl StreamingSandbox {
    /// Starts describing a streaming sandbox.
    pub fn builder() -> StreamingSandboxBuilder {
        StreamingSandboxBuilder::default()
    }

    fn new(sandbox: WasmSandbox, function: Option<&str>, buffer_bytes: usize) -> Result<Self> {
        let function = function_of(sandbox.module(), function)?;
        Ok(Self { sandbox, function, buffer_bytes })
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
            state: State::Unused,
        })
    }

    /// Returns the sandbox for streams that can be stopped with the handle.
    #[must_use]
    pub fn with_cancel_handle(&self, handle: &CancelHandle) -> Self {
        Self { sandbox: self.sandbox.with_cancel_handle(handle), ..self.clone() }
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
#[derive(Debug)]
pub struct StreamProcessor {
    sandbox: WasmSandbox,
    function: FunctionId,
    buffer_bytes: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unused,
    Used,
}

impl StreamProcessor {
    /// Passes a stream through the guest, chunk by chunk, and then flushes it.
    ///
    /// Input chunks larger than the buffer size are cut to it; others arrive as they are. Output that is empty
    /// is passed over. After an error the stream ends. Dropping the output ends the processing; dropping it
    /// while a chunk is being handled stops the guest within milliseconds.
    ///
    /// A second stream gets a new instance, since the first one's state is spent.
    ///
    /// # Errors
    /// The call itself fails only where a new instance is needed and cannot be made. The items of the output
    /// fail as [`WasmSandbox::call`] does; each chunk is a call by itself, with the policy's limits.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn process_stream<'a, S>(
        &'a mut self,
        input: S,
    ) -> Result<impl Stream<Item = Result<Bytes>> + 'a>
    where
        S: Stream<Item: Into<Bytes>> + 'a,
    {
        if self.state == State::Used {
            self.sandbox = self.sandbox.sibling().await?;
        }
        self.state = State::Used;
        let buffer_bytes = self.buffer_bytes;
        let chunks = input
            .flat_map(move |item| stream::iter(Cut { rest: item.into(), at_most: buffer_bytes }))
            .map(Some)
            .chain(stream::iter([None]));
        let (sandbox, function) = (&self.sandbox, self.function);
        let outputs = stream::try_unfold(Box::pin(chunks), move |mut chunks| async move {
            while let Some(chunk) = chunks.next().await {
                let output = sandbox.call_chunk(function, chunk).await?;
                if !output.is_empty() {
                    return Ok(Some((output, chunks)));
                }
            }
            Ok(None)
        });
        Ok(outputs)
    }
}

/// A chunk in pieces of at most so many bytes, without copying.
struct Cut {
    rest: Bytes,
    at_most: usize,
}

impl Iterator for Cut {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.rest.is_empty() {
            return None;
        }
        Some(self.rest.split_to(self.at_most.min(self.rest.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_cut_to_the_buffer_size() {
        let cut = |bytes: &'static [u8], at_most| {
            Cut { rest: Bytes::from_static(bytes), at_most }.collect::<Vec<_>>()
        };
        assert_eq!(cut(b"abcde", 2), [&b"ab"[..], b"cd", b"e"]);
        assert_eq!(cut(b"abc", 3), [&b"abc"[..]]);
        assert!(cut(b"", 3).is_empty());
    }
}
