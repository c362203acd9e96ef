//! A file that the guest has open.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};
use virtual_fs::{FsError, OpenOptionsConfig, VirtualFile};

use super::{FsResult, Tree};

/// The most that is read or written at once. A host function cannot be interrupted, so it has to look by
/// itself whether its call is to stop, and this is how often.
const CHUNK_BYTES: usize = 4 << 20;

/// What an open file reads from and writes to. Works at once, without waiting.
pub(super) trait Backing: std::fmt::Debug + Send + Sync {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize>;
    fn size(&self) -> u64;
    fn set_len(&mut self, len: u64) -> FsResult<()>;
    fn times(&self) -> Times;
    fn set_times(&mut self, accessed: Option<u64>, modified: Option<u64>) -> FsResult<()>;
}

/// The times of a file, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Times {
    pub(super) accessed: u64,
    pub(super) created: u64,
    pub(super) modified: u64,
}

/// An open file.
#[derive(Debug)]
pub(super) struct OpenFile {
    backing: Box<dyn Backing>,
    readable: bool,
    writable: bool,
    position: u64,
    place: Arc<Mutex<PathBuf>>,
    tree: Arc<Tree>,
}

impl OpenFile {
    pub(super) fn new(
        backing: Box<dyn Backing>,
        options: &OpenOptionsConfig,
        place: Arc<Mutex<PathBuf>>,
        tree: Arc<Tree>,
    ) -> Self {
        let (readable, writable) = (options.read, options.would_mutate());
        Self { backing, readable, writable, position: 0, place, tree }
    }

    /// Refuses to go on with a call that is to stop.
    fn check_stop(&self) -> io::Result<()> {
        match self.tree.control.stop_reason() {
            Some(_) => Err(io::ErrorKind::TimedOut.into()),
            None => Ok(()),
        }
    }

    fn check_writable(&self) -> FsResult<()> {
        if self.writable { Ok(()) } else { Err(FsError::PermissionDenied) }
    }

    fn read(&mut self, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        if !self.readable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.check_stop()?;
        let room = buffer.initialize_unfilled();
        let most = room.len().min(CHUNK_BYTES);
        let read = self.backing.read_at(self.position, &mut room[..most])?;
        buffer.advance(read);
        self.position += read as u64;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check_writable()?;
        self.check_stop()?;
        let written =
            self.backing.write_at(self.position, &bytes[..bytes.len().min(CHUNK_BYTES)])?;
        self.position += written as u64;
        Ok(written)
    }

    fn seek(&mut self, to: io::SeekFrom) -> io::Result<()> {
        let position = match to {
            io::SeekFrom::Start(position) => Some(position),
            io::SeekFrom::End(by) => self.backing.size().checked_add_signed(by),
            io::SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        // Operating systems count in signed numbers.
        self.position = position
            .filter(|position| i64::try_from(*position).is_ok())
            .ok_or(io::ErrorKind::InvalidInput)?;
        Ok(())
    }
}

impl AsyncRead for OpenFile {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(self.read(buffer))
    }
}

impl AsyncWrite for OpenFile {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncSeek for OpenFile {
    fn start_seek(mut self: Pin<&mut Self>, position: io::SeekFrom) -> io::Result<()> {
        self.seek(position)
    }

    fn poll_complete(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(self.position))
    }
}

impl VirtualFile for OpenFile {
    fn last_accessed(&self) -> u64 {
        self.backing.times().accessed
    }

    fn last_modified(&self) -> u64 {
        self.backing.times().modified
    }

    fn created_time(&self) -> u64 {
        self.backing.times().created
    }

    fn set_times(&mut self, accessed: Option<u64>, modified: Option<u64>) -> FsResult<()> {
        self.check_writable()?;
        self.backing.set_times(accessed, modified)
    }

    fn size(&self) -> u64 {
        self.backing.size()
    }

    fn set_len(&mut self, len: u64) -> FsResult<()> {
        self.check_writable()?;
        self.backing.set_len(len)
    }

    fn unlink(&mut self) -> FsResult<()> {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.tree.remove_file(&place)
    }

    fn poll_read_ready(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(CHUNK_BYTES))
    }

    fn poll_write_ready(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(CHUNK_BYTES))
    }
}
