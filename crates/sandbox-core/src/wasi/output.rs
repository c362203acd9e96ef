//! Captures what a guest writes to its standard streams, up to a limit.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::errno::Errno;
use super::streams::waiting;
use crate::context::Brought;
use crate::output::{Output, OutputOverflow, Sinks, StreamName};
use crate::watchdog::{CallControl, CallNumber, StopReason};

/// Output that was captured and not taken yet.
#[derive(Debug, Default)]
struct Captured {
    output: Output,
    /// Bytes of it that are of calls before the one that wrote last: the first bytes of either stream.
    earlier: (usize, usize),
    /// The call that wrote last.
    call: Option<CallNumber>,
    /// Bytes of the call that wrote last that went to the host's sinks.
    passed_on: u64,
    /// Bytes that were beyond the limit.
    beyond: u64,
}

impl Captured {
    fn of_this_call(&self) -> u64 {
        self.output.len() - (self.earlier.0 + self.earlier.1) as u64
    }

    /// Notes who writes now.
    fn begin(&mut self, call: CallNumber) {
        if self.call != Some(call) {
            self.call = Some(call);
            self.earlier = (self.output.stdout.len(), self.output.stderr.len());
            self.passed_on = 0;
        }
    }

    /// Drops what earlier calls wrote, and nobody took.
    fn drop_earlier(&mut self) {
        self.output.stdout.drain(..self.earlier.0);
        self.output.stderr.drain(..self.earlier.1);
        self.earlier = (0, 0);
    }
}

/// Where the two streams of an instance end.
#[derive(Debug)]
pub(crate) struct OutputCapture {
    captured: Mutex<Captured>,
    limit_bytes: u64,
    sinks: Sinks,
    control: Arc<CallControl>,
}

impl OutputCapture {
    pub(crate) fn new(limit_bytes: u64, sinks: Sinks, control: Arc<CallControl>) -> Arc<Self> {
        Arc::new(Self { captured: Mutex::default(), limit_bytes, sinks, control })
    }

    /// Bytes that the guest wrote beyond the limit.
    pub(crate) fn beyond_limit(&self) -> u64 {
        self.lock().beyond
    }

    /// Takes what has been captured, and begins anew.
    pub(crate) fn take(&self) -> Output {
        let mut captured = self.lock();
        (captured.earlier, captured.call) = ((0, 0), None);
        std::mem::take(&mut captured.output)
    }

    fn lock(&self) -> MutexGuard<'_, Captured> {
        self.captured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Captures the bytes, or passes them on to the sink of the run or of the call. Of those that go beyond the limit it keeps what there is room for, and has the
    /// call stopped unless the rest is to be dropped.
    ///
    /// # Errors
    /// [`Errno::NoSpc`] if there was not room for all, and those of the host's writer.
    pub(super) fn write(&self, name: StreamName, bytes: &[u8]) -> Result<(), Errno> {
        let brought = self.control.brought();
        let of_call = brought.as_deref().and_then(Brought::output);
        let (sink, overflow) = match (self.sinks.of(name), of_call) {
            (None, Some(of_call)) => (of_call.of(name), of_call.overflow),
            (sink, _) => (sink, self.sinks.overflow),
        };
        let mut captured = self.lock();
        captured.begin(self.control.call_number());
        let used = captured.of_this_call().saturating_add(captured.passed_on);
        let room = self.limit_bytes.saturating_sub(used);
        let kept = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
        captured.beyond += (bytes.len() - kept) as u64;
        if let Some(sink) = sink {
            captured.passed_on += kept as u64;
            // It may wait for long.
            drop(captured);
            let bytes = &bytes[..kept];
            match (kept, sink.may_wait()) {
                (0, _) => {}
                (_, true) => waiting(|| sink.write(bytes))?,
                (_, false) => sink.write(bytes)?,
            }
        } else {
            if captured.output.len() + kept as u64 > self.limit_bytes {
                captured.drop_earlier();
            }
            let stream = match name {
                StreamName::Stdout => &mut captured.output.stdout,
                StreamName::Stderr => &mut captured.output.stderr,
            };
            stream.extend_from_slice(&bytes[..kept]);
        }
        if kept == bytes.len() || overflow == OutputOverflow::Discard {
            return Ok(());
        }
        self.control.request_stop_now(StopReason::OutputLimit);
        Err(Errno::NoSpc)
    }
}
