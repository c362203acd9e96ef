//! Sockets of a guest: TCP connections that it makes, and datagrams.
//!
//! They are ours and not WASIX's, because a wait in one of those ends only with the connection: here, each wait looks
//! every few milliseconds whether its call is to stop.

mod datagrams;
mod stream;
mod waiting;

use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use super::errno::Errno;

pub(super) use datagrams::{Datagrams, MOST_DATAGRAM_BYTES, Taking};
pub(super) use stream::Stream;
pub(super) use waiting::TICK;

/// The kind of addresses that a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// One socket.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) family: Family,
    pub(super) kind: SocketKind,
    pub(super) recv_timeout: Option<Duration>,
    pub(super) send_timeout: Option<Duration>,
}

#[derive(Debug)]
pub(super) enum SocketKind {
    Stream {
        /// Once it is connected.
        stream: Option<Arc<Stream>>,
        no_delay: bool,
        keep_alive: bool,
    },
    /// Datagrams; `None` before the socket is first used.
    Datagrams(Option<Arc<Datagrams>>),
}

/// Channel of a socket that leads somewhere.
#[derive(Debug, Clone)]
pub(super) enum Channel {
    Stream(Arc<Stream>),
    Datagrams(Arc<Datagrams>),
}

impl Socket {
    pub(super) fn new(family: Family, kind: SocketKind) -> Self {
        Self { family, kind, recv_timeout: None, send_timeout: None }
    }

    pub(super) fn is_for_datagrams(&self) -> bool {
        matches!(self.kind, SocketKind::Datagrams(_))
    }

    /// # Errors
    /// [`Errno::NotConn`] if it leads nowhere yet.
    pub(super) fn channel(&self) -> Result<Channel, Errno> {
        let channel = match &self.kind {
            SocketKind::Stream { stream, .. } => stream.clone().map(Channel::Stream),
            SocketKind::Datagrams(datagrams) => datagrams.clone().map(Channel::Datagrams),
        };
        channel.ok_or(Errno::NotConn)
    }

    /// The host's socket of one for datagrams, made now if there is none yet.
    ///
    /// # Errors
    /// [`Errno::NotSup`] if it is for a connection, and those of the host.
    pub(super) fn datagrams(&mut self) -> Result<Arc<Datagrams>, Errno> {
        let SocketKind::Datagrams(datagrams) = &mut self.kind else { return Err(Errno::NotSup) };
        if let Some(known) = datagrams {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(Datagrams::new(self.family)?);
        *datagrams = Some(Arc::clone(&made));
        Ok(made)
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Stream(stream) => stream.as_fd(),
            Self::Datagrams(datagrams) => datagrams.as_fd(),
        }
    }
}

impl Channel {
    /// Returns how many bytes can be received at once, of the next datagram or of a connection, where nothing says that its
    /// end has come. Nothing if none can: a datagram that is not accepted is lost on the way.
    pub(super) fn receivable(&self, accepts: impl Fn(SocketAddr) -> bool) -> Option<u64> {
        match self {
            Self::Datagrams(datagrams) if !datagrams.has_accepted(accepts) => None,
            // What cannot be told is for the receiver to find out.
            _ => Some(rustix::io::ioctl_fionread(self.as_fd()).unwrap_or_default()),
        }
    }

    pub(super) fn local(&self) -> Result<SocketAddr, Errno> {
        match self {
            Self::Stream(stream) => stream.local(),
            Self::Datagrams(datagrams) => datagrams.local(),
        }
    }

    pub(super) fn peer(&self) -> Result<SocketAddr, Errno> {
        match self {
            Self::Stream(stream) => stream.peer(),
            Self::Datagrams(datagrams) => datagrams.peer(),
        }
    }

    pub(super) fn shutdown(&self, how: Shutdown) -> Result<(), Errno> {
        match self {
            Self::Stream(stream) => stream.shutdown(how),
            Self::Datagrams(datagrams) => datagrams.shutdown(how),
        }
    }
}
