//! The output of a stream, as it is asked for.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream::{FusedStream, Stream};

use super::item::StreamItem;
use crate::error::{Result, SandboxError};
use crate::module::FunctionId;
use crate::sandbox::WasmSandbox;
use crate::usage::ResourceUsage;

type Call = Pin<Box<dyn Future<Output = Result<(Bytes, ResourceUsage)>> + Send>>;

/// The output of a guest for a stream: a stream of chunks, each made when it is asked for.
///
/// It depends on nothing but the input that it was given: the processor and the sandbox may be dropped before it. It is
/// `Send` if its input is. Dropping it ends the processing, and stops the guest within milliseconds if it works on a
/// chunk; nothing of the stream is left behind.
///
/// After an error the stream ends.
#[must_use = "nothing is read from the source before output is asked for"]
pub struct StreamOutput<S> {
    sandbox: WasmSandbox,
    function: FunctionId,
    buffer_bytes: usize,
    input: Pin<Box<S>>,
    /// Rest of the last item, to be cut to size.
    rest: Bytes,
    call: Option<(Call, Instant)>,
    stage: Stage,
    usage: ResourceUsage,
    time: Option<Time>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Reading,
    /// The input has ended, and the guest was told.
    Flushing,
    Done,
}

/// Time that the guest has for a stream.
#[derive(Debug, Clone, Copy)]
struct Time {
    limit: Duration,
    left: Duration,
}

impl<S> StreamOutput<S> {
    pub(super) fn new(
        sandbox: WasmSandbox,
        function: FunctionId,
        buffer_bytes: usize,
        time_limit: Option<Duration>,
        input: S,
    ) -> Self {
        let time = time_limit.map(|limit| Time { limit, left: limit });
        Self {
            sandbox,
            function,
            buffer_bytes,
            input: Box::pin(input),
            rest: Bytes::new(),
            call: None,
            stage: Stage::Reading,
            usage: ResourceUsage::default(),
            time,
        }
    }

    /// Resources that the stream has used so far; when it has ended, or failed, all of them.
    ///
    /// Each chunk is a call. Bytes, fuel and host functions are exact; wall time is that of waiting for the guest.
    pub fn usage(&self) -> ResourceUsage {
        self.usage
    }

    /// Begins to pass a chunk, or the end.
    fn begin(&mut self, chunk: Option<Bytes>) {
        let sandbox = match self.time {
            Some(time) => self.sandbox.with_time_limit_at_most(time.left),
            None => self.sandbox.clone(),
        };
        let function = self.function;
        let call = Box::pin(async move { sandbox.call_chunk(function, chunk).await });
        self.call = Some((call, Instant::now()));
    }

    /// Accounts for a call that has ended.
    fn finish(&mut self, result: Result<(Bytes, ResourceUsage)>, took: Duration) -> Result<Bytes> {
        let used = match &result {
            Ok((_, usage)) => *usage,
            Err(error) => error.usage().copied().unwrap_or_default(),
        };
        self.usage += ResourceUsage { wall_time: took, ..used };
        let mut is_out_of_time = false;
        if let Some(time) = &mut self.time {
            time.left = time.left.saturating_sub(took);
            is_out_of_time = time.left.is_zero();
        }
        match (result, self.time) {
            (Ok((output, _)), _) => Ok(output),
            // What is left of the stream's time is no limit that anybody set.
            (Err(SandboxError::Timeout { function, call, .. }), Some(time)) if is_out_of_time => {
                Err(SandboxError::Timeout { function, limit: time.limit, call })
            }
            (Err(error), _) => Err(error),
        }
    }
}

impl<S: Stream<Item: StreamItem>> Stream for StreamOutput<S> {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let this = self.get_mut();
        loop {
            if let Some((call, begun)) = &mut this.call {
                let result = ready!(call.as_mut().poll(context));
                let took = begun.elapsed();
                this.call = None;
                let output = this.finish(result, took);
                if output.is_err() || this.stage == Stage::Flushing {
                    this.stage = Stage::Done;
                }
                match output {
                    Ok(output) if output.is_empty() => continue,
                    output => return Poll::Ready(Some(output)),
                }
            }
            if this.stage != Stage::Reading {
                this.stage = Stage::Done;
                return Poll::Ready(None);
            }
            if !this.rest.is_empty() {
                let chunk = this.rest.split_to(this.buffer_bytes.min(this.rest.len()));
                this.begin(Some(chunk));
                continue;
            }
            match ready!(this.input.as_mut().poll_next(context)).map(StreamItem::into_chunk) {
                Some(Ok(bytes)) => this.rest = bytes,
                Some(Err(error)) => {
                    this.stage = Stage::Done;
                    let function = this.sandbox.module().export(this.function).name.clone();
                    return Poll::Ready(Some(Err(SandboxError::SourceFailed { function, error })));
                }
                None => {
                    this.stage = Stage::Flushing;
                    this.begin(None);
                }
            }
        }
    }
}

impl<S: Stream<Item: StreamItem>> FusedStream for StreamOutput<S> {
    fn is_terminated(&self) -> bool {
        self.stage == Stage::Done
    }
}

impl<S> std::fmt::Debug for StreamOutput<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamOutput")
            .field("function", &self.sandbox.module().export(self.function).name)
            .field("stage", &self.stage)
            .field("usage", &self.usage)
            .finish_non_exhaustive()
    }
}
