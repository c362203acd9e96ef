//! Waiting until one of many sockets can be used.
#![expect(unsafe_code, reason = "a system call that the standard library does not offer")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// Socket of the host that is waited for, in one direction or both.
#[derive(Debug)]
pub(crate) struct Watched<'a> {
    pub(crate) socket: BorrowedFd<'a>,
    pub(crate) for_reading: bool,
    pub(crate) for_writing: bool,
    /// Readiness that [`wait`] saw.
    pub(crate) seen: Readiness,
}

/// Uses of a socket that need no waiting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The connection failed, or both sides ended it, so that no more bytes come or go.
    pub(crate) is_over: bool,
}

/// Waits until one of the sockets can be used as it is wanted, or is over; at most that long, and less if a signal comes.
///
/// # Errors
/// Those of `poll`.
pub(crate) fn wait(sockets: &mut [Watched<'_>], limit: Duration) -> io::Result<()> {
    let mut polled: Vec<libc::pollfd> = sockets.iter().map(request).collect();
    let millis = limit.as_micros().div_ceil(1000);
    let millis = libc::c_int::try_from(millis).unwrap_or(libc::c_int::MAX);
    let count = libc::nfds_t::try_from(polled.len()).map_err(io::Error::other)?;
    // SAFETY: the pointer is to so many live, writable structures, and the descriptors in them are borrowed.
    let status = unsafe { libc::poll(polled.as_mut_ptr(), count, millis) };
    if status < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
    }
    for (socket, polled) in sockets.iter_mut().zip(&polled) {
        let has = |bits| polled.revents & bits != 0;
        socket.seen = Readiness {
            readable: has(libc::POLLIN),
            writable: has(libc::POLLOUT),
            is_over: has(libc::POLLHUP | libc::POLLERR | libc::POLLNVAL),
        };
    }
    Ok(())
}

fn request(socket: &Watched<'_>) -> libc::pollfd {
    let mut events = 0;
    if socket.for_reading {
        events |= libc::POLLIN;
    }
    if socket.for_writing {
        events |= libc::POLLOUT;
    }
    libc::pollfd { fd: socket.socket.as_raw_fd(), events, revents: 0 }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_socket_is_ready_for_what_it_can_do() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let seen = |for_reading, for_writing| {
            let socket = near.as_fd();
            let mut watched =
                [Watched { socket, for_reading, for_writing, seen: Readiness::default() }];
            wait(&mut watched, Duration::from_millis(1)).unwrap();
            watched[0].seen
        };
        assert_eq!(seen(true, false), Readiness::default());
        assert_eq!(seen(true, true), Readiness { writable: true, ..Readiness::default() });
        far.write_all(b"x").unwrap();
        assert_eq!(seen(true, false), Readiness { readable: true, ..Readiness::default() });
        drop(far);
        assert!(seen(false, false).is_over);
    }
}
