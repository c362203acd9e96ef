//! Waiting for sockets without using them.

use std::io::Write;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use sandbox_core::{CancelHandle, SandboxError};

use super::{AGAIN, BADF, BUFFER, Client, IOV, OUT, granted, listen};

/// Where subscriptions and events are in the guest's memory.
const SUBSCRIPTIONS: u32 = 8192;
const EVENTS: u32 = 16_384;

const READ: u8 = 1;
const WRITE: u8 = 2;
const HANGUP: u8 = 1;

/// A time that none of these tests waits for, and one that none notices.
const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(20);

/// Event that is waited for.
#[derive(Clone, Copy)]
enum Awaited {
    Socket(u32, u8),
    Time(Duration),
}

/// Result of a subscription: its place in the list, the error number, the bytes and the flags.
type Event = (u64, u16, u64, u8);

impl Client {
    fn subscribe(&self, awaited: &[Awaited]) {
        for (number, awaited) in awaited.iter().enumerate() {
            let mut subscription = [0; 48];
            subscription[..8].copy_from_slice(&(number as u64).to_le_bytes());
            match awaited {
                Awaited::Socket(fd, tag) => {
                    subscription[8] = *tag;
                    subscription[16..20].copy_from_slice(&fd.to_le_bytes());
                }
                Awaited::Time(time) => {
                    subscription[16] = 1;
                    let nanos = u64::try_from(time.as_nanos()).unwrap();
                    subscription[24..32].copy_from_slice(&nanos.to_le_bytes());
                }
            }
            self.put(SUBSCRIPTIONS + 48 * u32::try_from(number).unwrap(), &subscription);
        }
    }

    fn poll(&self, awaited: &[Awaited]) -> Vec<Event> {
        self.subscribe(awaited);
        assert_eq!(self.call("poll_oneoff", (SUBSCRIPTIONS, EVENTS, awaited.len(), OUT)), 0);
        (0..self.get_u32(OUT))
            .map(|number| {
                let event = self.get(EVENTS + 32 * number, 32);
                let number = |at: usize| u64::from_le_bytes(event[at..at + 8].try_into().unwrap());
                (number(0), u16::from_le_bytes([event[8], event[9]]), number(16), event[24])
            })
            .collect()
    }
}

#[test]
fn a_poll_tells_what_a_connection_can_do_and_nothing_else() {
    let (listener, address) = listen();
    let client = Client::new(granted(address));
    let fd = client.connect(address).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    let (read, write) = (Awaited::Socket(fd, READ), Awaited::Socket(fd, WRITE));
    // It can send and has nothing to receive.
    assert_eq!(client.poll(&[read, write, Awaited::Time(LONG)]), [(1, 0, 1, 0)]);
    assert_eq!(client.poll(&[read, Awaited::Time(SHORT)]), [(1, 0, 0, 0)]);
    assert_eq!(client.poll(&[read, Awaited::Time(Duration::ZERO)]), [(1, 0, 0, 0)]);
    server.write_all(b"seven..").unwrap();
    assert_eq!(client.poll(&[read, read]), [(0, 0, 7, 0), (1, 0, 7, 0)]);
    client.put_buffer(100);
    assert_eq!(client.call("fd_read", (fd, IOV, 1, OUT)), 0);
    assert_eq!(client.poll(&[read, Awaited::Time(SHORT)]), [(1, 0, 0, 0)]);
    // The end is something to read.
    drop(server);
    assert_eq!(client.poll(&[read]), [(0, 0, 0, HANGUP)]);
    client.assert_well();
}

#[test]
fn a_poll_ends_when_something_arrives() {
    let (listener, address) = listen();
    let client = Client::new(granted(address));
    let fd = client.connect(address).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    let writer = std::thread::spawn(move || {
        std::thread::sleep(SHORT);
        server.write_all(b"late").unwrap();
        server
    });
    assert_eq!(client.poll(&[Awaited::Socket(fd, READ)]), [(0, 0, 4, 0)]);
    drop(writer.join().unwrap());
    client.assert_well();
}

#[test]
fn a_buffer_that_is_full_is_not_ready_to_be_written() {
    let (listener, address) = listen();
    let client = Client::new(granted(address));
    let fd = client.connect(address).unwrap();
    let (server, _) = listener.accept().unwrap();
    const NONBLOCK: u32 = 4;
    assert_eq!(client.call("fd_fdstat_set_flags", (fd, NONBLOCK)), 0);
    client.put_buffer(60_000);
    let write = Awaited::Socket(fd, WRITE);
    // The operating system may find more room a moment later.
    while client.poll(&[write, Awaited::Time(SHORT)]) != [(1, 0, 0, 0)] {
        let mut written = 0;
        while written == 0 {
            written = client.call("fd_write", (fd, IOV, 1, OUT));
        }
        assert_eq!(written, AGAIN);
    }
    // One that does not wait for what it reads either.
    client.put_buffer(100);
    assert_eq!(client.call("fd_read", (fd, IOV, 1, OUT)), AGAIN);
    drop(server);
    assert_eq!(client.poll(&[write]).len(), 1);
    client.assert_well();
}

#[test]
fn a_datagram_of_a_stranger_makes_nothing_ready() {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let client = Client::new(granted(server.local_addr().unwrap()));
    let fd = client.open_kind(1, 2, 17).unwrap();
    let (read, write) = (Awaited::Socket(fd, READ), Awaited::Socket(fd, WRITE));
    // Before it has a port, it can only send.
    assert_eq!(client.poll(&[read, write]), [(1, 0, 1, 0)]);
    assert_eq!(client.poll(&[read, Awaited::Time(SHORT)]), [(1, 0, 0, 0)]);
    client.put_address(server.local_addr().unwrap());
    client.put_buffer(5);
    assert_eq!(client.call("sock_send_to", (fd, IOV, 1, 0, super::ADDRESS, OUT)), 0);
    let (_, from) = server.recv_from(&mut [0; 8]).unwrap();
    for _ in 0..3 {
        stranger.send_to(b"hello?", from).unwrap();
    }
    assert_eq!(client.poll(&[read, Awaited::Time(SHORT)]), [(1, 0, 0, 0)]);
    stranger.send_to(b"hello?", from).unwrap();
    server.send_to(b"answer", from).unwrap();
    assert_eq!(client.poll(&[read]), [(0, 0, 6, 0)]);
    server.send_to(b"", from).unwrap();
    assert_eq!(client.call("fd_read", (fd, IOV, 1, OUT)), 0);
    assert_eq!(client.poll(&[read]), [(0, 0, 0, 0)]);
    client.assert_well();
}

#[test]
fn waiting_for_a_socket_ends_with_the_call() {
    let (listener, address) = listen();
    let client = Client::new(granted(address));
    let fd = client.connect(address).unwrap();
    client.subscribe(&[Awaited::Socket(fd, READ), Awaited::Time(LONG)]);
    let poll = |client: &Client| {
        client.sandbox.call_blocking::<i32>("poll_oneoff", (SUBSCRIPTIONS, EVENTS, 2, OUT))
    };
    let hurried = Client { sandbox: client.sandbox.with_time_limit(Duration::from_millis(200)) };
    let error = poll(&hurried).unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
    client.assert_well();
    // So it does where it is cancelled.
    let client = Client::new(granted(address));
    let fd = client.connect(address).unwrap();
    client.subscribe(&[Awaited::Socket(fd, READ), Awaited::Time(LONG)]);
    let handle = CancelHandle::new();
    let cancelled = Client { sandbox: client.sandbox.with_cancel_handle(&handle) };
    let error = std::thread::scope(|scope| {
        let polling = scope.spawn(|| poll(&cancelled));
        std::thread::sleep(SHORT);
        handle.cancel();
        polling.join().unwrap().unwrap_err()
    });
    assert!(matches!(error, SandboxError::Cancelled { .. }), "{error}");
    drop(listener);
    client.assert_well();
}

#[test]
fn sockets_that_lead_nowhere_and_numbers_of_nothing_are_told_at_once() {
    let (_, address) = listen();
    let client = Client::new(granted(address));
    let fd = client.open().unwrap();
    let bad = u16::try_from(BADF).unwrap();
    let awaited =
        [Awaited::Socket(fd, READ), Awaited::Socket(fd, WRITE), Awaited::Socket(99, READ)];
    assert_eq!(client.poll(&awaited), [(0, 0, 0, HANGUP), (1, 0, 0, HANGUP), (2, bad, 0, 0)]);
    client.put_buffer(1);
    client.put(BUFFER, b"x");
    client.assert_well();
}
