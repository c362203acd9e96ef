//! A TCP connection whose waits end with the call that they are in.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::waiting::{TICK, wait};
use crate::threads::{callers_thread, workers};
use crate::wasi::errno::Errno;
use crate::watchdog::CallControl;

/// Time that we wait between two looks at a connection that is being made.
const CONNECTING_TICK: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(in crate::wasi) struct Stream(TcpStream);

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Stream {
    /// Connects, however long that takes the operating system.
    pub(in crate::wasi) fn connect(to: SocketAddr, control: &CallControl) -> Result<Self, Errno> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        match socket.connect(&to.into()) {
            Ok(()) => (),
            Err(error) if is_in_progress(&error) => {
                let finish = || finish_connecting(&socket, control);
                callers_thread::while_waiting(|| workers::asleep(finish))?;
            }
            Err(error) => return Err(error.into()),
        }
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(TICK))?;
        socket.set_write_timeout(Some(TICK))?;
        Ok(Self(socket.into()))
    }

    pub(in crate::wasi) fn receive(
        &self,
        bytes: &mut [u8],
        timeout: Option<Duration>,
        control: &CallControl,
    ) -> Result<usize, Errno> {
        wait(timeout, control, || (&self.0).read(bytes))
    }

    pub(in crate::wasi) fn peek(
        &self,
        bytes: &mut [u8],
        timeout: Option<Duration>,
        control: &CallControl,
    ) -> Result<usize, Errno> {
        wait(timeout, control, || self.0.peek(bytes))
    }

    pub(in crate::wasi) fn send(
        &self,
        bytes: &[u8],
        timeout: Option<Duration>,
        control: &CallControl,
    ) -> Result<usize, Errno> {
        wait(timeout, control, || (&self.0).write(bytes))
    }

    pub(in crate::wasi) fn set_no_delay(&self, flag: bool) -> Result<(), Errno> {
        Ok(self.0.set_nodelay(flag)?)
    }

    pub(in crate::wasi) fn set_keep_alive(&self, flag: bool) -> Result<(), Errno> {
        Ok(SockRef::from(&self.0).set_keepalive(flag)?)
    }

    pub(in crate::wasi) fn local(&self) -> Result<SocketAddr, Errno> {
        Ok(self.0.local_addr()?)
    }

    pub(in crate::wasi) fn peer(&self) -> Result<SocketAddr, Errno> {
        Ok(self.0.peer_addr()?)
    }

    pub(in crate::wasi) fn shutdown(&self, how: Shutdown) -> Result<(), Errno> {
        Ok(self.0.shutdown(how)?)
    }
}

/// Waits until a connection is made, or the call is to stop.
fn finish_connecting(socket: &Socket, control: &CallControl) -> Result<(), Errno> {
    while socket.peer_addr().is_err() {
        if let Some(error) = socket.take_error()? {
            return Err(error.into());
        }
        if control.stop_reason().is_some() {
            return Err(Errno::Canceled);
        }
        std::thread::sleep(CONNECTING_TICK);
    }
    Ok(())
}

fn is_in_progress(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::EINPROGRESS)
}
