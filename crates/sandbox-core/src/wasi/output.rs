//! Captures what a guest writes to its standard streams, up to a limit.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};
use virtual_fs::{FsError, VirtualFile};

use crate::watchdog::{CallControl, CallNumber, StopReason};

/// What a guest wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// The bytes written to standard output.
    pub stdout: Vec<u8>,
    /// The bytes written to standard error.
    pub stderr: Vec<u8>,
}

impl Output {
    fn len(&self) -> u64 {
        (self.stdout.len() + self.stderr.len()) as u64
    }
}

/// What was captured and not taken yet.
#[derive(Debug, Default)]
struct Captured {
    output: Output,
    /// How much of it is of calls before the one that wrote last: the first bytes of either stream.
    earlier: (usize, usize),
    /// The call that wrote last.
    call: Option<CallNumber>,
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
        }
    }

    /// What earlier calls wrote, and nobody took.
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
    control: Arc<CallControl>,
}

impl OutputCapture {
    pub(crate) fn new(limit_bytes: u64, control: Arc<CallControl>) -> Arc<Self> {
        Arc::new(Self { captured: Mutex::default(), limit_bytes, control })
    }

    pub(crate) fn stdout(self: &Arc<Self>) -> Box<dyn VirtualFile + Send + Sync> {
        Box::new(Stream { which: StreamName::Stdout, capture: Arc::clone(self) })
    }

    pub(crate) fn stderr(self: &Arc<Self>) -> Box<dyn VirtualFile + Send + Sync> {
        Box::new(Stream { which: StreamName::Stderr, capture: Arc::clone(self) })
    }

    /// Takes what has been captured, and begins anew.
    pub(crate) fn take(&self) -> Output {
        std::mem::take(&mut *self.lock()).output
    }

    fn lock(&self) -> MutexGuard<'_, Captured> {
        self.captured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, which: StreamName, bytes: &[u8]) -> io::Result<usize> {
        let mut captured = self.lock();
        captured.begin(self.control.call_number());
        if captured.of_this_call() + bytes.len() as u64 > self.limit_bytes {
            drop(captured);
            self.control.request_stop_now(StopReason::OutputLimit);
            return Err(io::ErrorKind::StorageFull.into());
        }
        if captured.output.len() + bytes.len() as u64 > self.limit_bytes {
            captured.drop_earlier();
        }
        match which {
            StreamName::Stdout => captured.output.stdout.extend_from_slice(bytes),
            StreamName::Stderr => captured.output.stderr.extend_from_slice(bytes),
        }
        Ok(bytes.len())
    }
}

#[derive(Debug, Clone, Copy)]
enum StreamName {
    Stdout,
    Stderr,
}

/// One of the two streams, as a file of the guest.
#[derive(Debug)]
struct Stream {
    which: StreamName,
    capture: Arc<OutputCapture>,
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.capture.write(self.which, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        _buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncSeek for Stream {
    fn start_seek(self: Pin<&mut Self>, _position: io::SeekFrom) -> io::Result<()> {
        Err(io::ErrorKind::NotSeekable.into())
    }

    fn poll_complete(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(0))
    }
}

impl VirtualFile for Stream {
    fn last_accessed(&self) -> u64 {
        0
    }

    fn last_modified(&self) -> u64 {
        0
    }

    fn created_time(&self) -> u64 {
        0
    }

    fn size(&self) -> u64 {
        0
    }

    fn set_len(&mut self, _new_size: u64) -> Result<(), FsError> {
        Err(FsError::PermissionDenied)
    }

    fn unlink(&mut self) -> Result<(), FsError> {
        Err(FsError::PermissionDenied)
    }

    fn poll_read_ready(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(0))
    }

    fn poll_write_ready(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(usize::try_from(self.capture.limit_bytes).unwrap_or(usize::MAX)))
    }
}
