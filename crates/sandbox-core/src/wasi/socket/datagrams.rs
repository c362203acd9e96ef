//! A socket for datagrams, whose waits end with the call that they are in.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use socket2::SockRef;

use super::Family;
use super::waiting::{TICK, wait};
use crate::wasi::errno::Errno;
use crate::watchdog::CallControl;

/// The most bytes in a datagram: what the length in the headers of IP and UDP leaves room for.
pub(in crate::wasi) const MOST_DATAGRAM_BYTES: usize = 65_507;

/// Whether a datagram that was received stays to be received again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::wasi) enum Taking {
    Take,
    Leave,
}

#[derive(Debug)]
pub(in crate::wasi) struct Datagrams(UdpSocket);

impl AsFd for Datagrams {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Datagrams {
    /// A socket on a port of the operating system's choice.
    pub(in crate::wasi) fn new(family: Family) -> Result<Self, Errno> {
        let any: SocketAddr = match family {
            Family::V4 => (Ipv4Addr::UNSPECIFIED, 0).into(),
            Family::V6 => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any)?;
        socket.set_read_timeout(Some(TICK))?;
        socket.set_write_timeout(Some(TICK))?;
        Ok(Self(socket))
    }

    /// From now on datagrams go there unless told otherwise, and come from there only.
    pub(in crate::wasi) fn connect(&self, to: SocketAddr) -> Result<(), Errno> {
        Ok(self.0.connect(self.fitting(to))?)
    }

    /// Sends one datagram, to where the socket is connected or somewhere else.
    pub(in crate::wasi) fn send(
        &self,
        bytes: &[u8],
        to: Option<SocketAddr>,
        timeout: Option<Duration>,
        control: &CallControl,
    ) -> Result<usize, Errno> {
        if bytes.len() > MOST_DATAGRAM_BYTES {
            return Err(Errno::MsgSize);
        }
        let to = to.map(|to| self.fitting(to));
        wait(timeout, control, || match to {
            Some(to) => self.0.send_to(bytes, to),
            None if self.0.peer_addr().is_err() => Err(ErrorKind::NotConnected.into()),
            None => self.0.send(bytes),
        })
    }

    /// Receives one datagram from an address that is accepted. What comes from elsewhere is lost.
    ///
    /// Anybody may send to the port of a socket that is not connected.
    pub(in crate::wasi) fn receive(
        &self,
        bytes: &mut [u8],
        taking: Taking,
        accepts: impl Fn(SocketAddr) -> bool,
        timeout: Option<Duration>,
        control: &CallControl,
    ) -> Result<(usize, SocketAddr), Errno> {
        wait(timeout, control, || {
            let (len, from) = self.0.peek_from(bytes)?;
            let is_accepted = accepts(from);
            if is_accepted && taking == Taking::Leave {
                return Ok((len, from));
            }
            let taken = self.0.recv_from(bytes)?;
            // Nobody else takes datagrams from this socket, so it is the same one.
            if is_accepted { Ok(taken) } else { Err(io::Error::from(ErrorKind::WouldBlock)) }
        })
    }

    /// Whether receiving would not wait, once it is known that a datagram or an error is there. One from an address that is
    /// not accepted is taken and lost.
    pub(in crate::wasi) fn has_accepted(&self, accepts: impl Fn(SocketAddr) -> bool) -> bool {
        match self.0.peek_from(&mut [0]) {
            Ok((_, from)) if accepts(from) => true,
            Ok(_) => {
                // Nobody else takes datagrams from this socket, so it is the same one.
                let _ = self.0.recv_from(&mut [0]);
                false
            }
            Err(error) => !matches!(
                error.kind(),
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
            ),
        }
    }

    /// A socket of the newer kind takes addresses of the older one in a wrapping.
    fn fitting(&self, to: SocketAddr) -> SocketAddr {
        match to.ip() {
            IpAddr::V4(ip) if self.0.local_addr().is_ok_and(|own| own.is_ipv6()) => {
                SocketAddr::new(ip.to_ipv6_mapped().into(), to.port())
            }
            _ => to,
        }
    }

    pub(in crate::wasi) fn local(&self) -> Result<SocketAddr, Errno> {
        Ok(self.0.local_addr()?)
    }

    pub(in crate::wasi) fn peer(&self) -> Result<SocketAddr, Errno> {
        Ok(self.0.peer_addr()?)
    }

    pub(in crate::wasi) fn shutdown(&self, how: Shutdown) -> Result<(), Errno> {
        Ok(SockRef::from(&self.0).shutdown(how)?)
    }
}
