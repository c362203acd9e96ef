//! Datagrams to granted hosts, and from nobody else.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use sandbox_core::{SandboxError, SecurityPolicy};

use super::{ADDRESS, AGAIN, BUFFER, Client, IOV, NOTCAPABLE, NOTCONN, OUT, granted};

const INVAL: i32 = 28;
const MSGSIZE: i32 = 35;
const NOTSUP: i32 = 58;

/// Where the address of a sender goes.
const FROM: u32 = 128;
const MOST: u32 = 65_507;

fn server() -> (UdpSocket, SocketAddr) {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let address = server.local_addr().unwrap();
    (server, address)
}

/// Asserts that no datagram has come.
fn assert_lonely(server: &UdpSocket) {
    server.set_nonblocking(true).unwrap();
    assert_eq!(server.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    server.set_nonblocking(false).unwrap();
}

impl Client {
    fn open_datagrams(&self) -> u32 {
        self.open_kind(1, 2, 17).unwrap()
    }

    fn send_to(&self, fd: u32, bytes: &[u8], to: SocketAddr) -> Result<u32, i32> {
        self.put(BUFFER, bytes);
        self.put_buffer(u32::try_from(bytes.len()).unwrap());
        self.put_address(to);
        match self.call("sock_send_to", (fd, IOV, 1, 0, ADDRESS, OUT)) {
            0 => Ok(self.get_u32(OUT)),
            errno => Err(errno),
        }
    }

    /// The datagram, whether its end is missing, and the port that it came from.
    fn receive_from(&self, fd: u32, room: u32, flags: u32) -> Result<(Vec<u8>, bool, u16), i32> {
        self.put_buffer(room);
        match self.call("sock_recv_from", (fd, IOV, 1, flags, OUT, OUT + 8, FROM)) {
            0 => {
                let from = self.get(FROM, 8);
                assert_eq!((from[0], &from[4..]), (1, &[127, 0, 0, 1][..]));
                let port = u16::from_be_bytes([from[2], from[3]]);
                let truncated = self.get(OUT + 8, 2) == [1, 0];
                Ok((self.get(BUFFER, self.get_u32(OUT)), truncated, port))
            }
            errno => Err(errno),
        }
    }
}

#[test]
fn a_granted_host_gets_datagrams_and_its_answers_arrive() {
    let (server, address) = server();
    let client = Client::new(granted(address));
    let fd = client.open_datagrams();
    // As a program does before it sends.
    client.put(ADDRESS, &[1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(client.call("sock_bind", (fd, ADDRESS)), 0);
    assert_eq!(client.call("sock_bind", (fd, ADDRESS)), INVAL);
    assert_eq!(client.send_to(fd, b"question", address), Ok(8));
    let (len, from) = server.recv_from(&mut [0; 100]).unwrap();
    assert_eq!(len, 8);
    server.send_to(b"the answer", from).unwrap();
    server.send_to(b"", from).unwrap();
    let answer = (b"the answer".to_vec(), false, address.port());
    // Once without taking it, once taking it.
    assert_eq!(client.receive_from(fd, 100, 1), Ok(answer.clone()));
    assert_eq!(client.receive_from(fd, 100, 0), Ok(answer));
    assert_eq!(client.receive_from(fd, 100, 0), Ok((Vec::new(), false, address.port())));
    // It is described as what it is.
    assert_eq!(client.call("fd_fdstat_get", (fd, BUFFER)), 0);
    assert_eq!(client.get(BUFFER, 1), [5]);
    assert_eq!(client.call("sock_addr_local", (fd, BUFFER)), 0);
    assert_eq!(client.get(BUFFER + 2, 2), from.port().to_be_bytes());
    assert_eq!(client.call("sock_set_opt_flag", (fd, 3, 1)), NOTSUP);
    assert_eq!(client.call("fd_close", fd), 0);
    client.assert_well();
}

#[test]
fn a_connected_socket_needs_no_addresses() {
    let (server, address) = server();
    let client = Client::new(granted(address));
    let fd = client.open_datagrams();
    client.put_buffer(4);
    assert_eq!(client.call("sock_send", (fd, IOV, 1, 0, OUT)), NOTCONN);
    assert_eq!(client.call("sock_recv", (fd, IOV, 1, 0, OUT, OUT + 8)), NOTCONN);
    client.put_address(address);
    assert_eq!(client.call("sock_connect", (fd, ADDRESS)), 0);
    assert_eq!(client.call("sock_addr_peer", (fd, BUFFER)), 0);
    assert_eq!(client.get(BUFFER + 2, 2), address.port().to_be_bytes());
    client.put(BUFFER, b"ping");
    assert_eq!(client.call("sock_send", (fd, IOV, 1, 0, OUT)), 0);
    let (_, from) = server.recv_from(&mut [0; 100]).unwrap();
    server.send_to(b"pong", from).unwrap();
    assert_eq!(client.call("fd_read", (fd, IOV, 1, OUT)), 0);
    assert_eq!(client.get(BUFFER, client.get_u32(OUT)), b"pong");
    // As a file too.
    assert_eq!(client.call("fd_write", (fd, IOV, 1, OUT)), 0);
    assert_eq!(server.recv_from(&mut [0; 100]).unwrap().0, 4);
    assert_eq!(client.call("sock_shutdown", (fd, 3)), 0);
    client.assert_well();
}

#[test]
fn nothing_goes_to_an_address_that_is_not_granted() {
    let (granted_server, address) = server();
    let (other, elsewhere) = server();
    let client = Client::new(granted(address));
    let fd = client.open_datagrams();
    for to in [
        elsewhere,
        SocketAddr::from(([127, 0, 0, 2], address.port())),
        SocketAddr::from(([0, 0, 0, 0], address.port())),
        SocketAddr::from(([255, 255, 255, 255], address.port())),
        SocketAddr::from(([224, 0, 0, 1], address.port())),
        SocketAddr::from(([169, 254, 169, 254], 53)),
    ] {
        assert_eq!(client.send_to(fd, b"secret", to), Err(NOTCAPABLE), "{to}");
        client.put_address(to);
        assert_eq!(client.call("sock_connect", (fd, ADDRESS)), NOTCAPABLE, "{to}");
    }
    // No other address of this machine can be taken either, and no port chosen.
    for own in [[1, 0, 0, 0, 127, 0, 0, 1], [1, 0, 53, 0, 0, 0, 0, 0]] {
        client.put(ADDRESS, &own);
        assert_eq!(client.call("sock_bind", (fd, ADDRESS)), NOTCAPABLE, "{own:?}");
        let stream = client.open().unwrap();
        assert_eq!(client.call("sock_bind", (stream, ADDRESS)), NOTCAPABLE, "{own:?}");
    }
    // A connected socket sends nowhere else.
    client.put_address(address);
    assert_eq!(client.call("sock_connect", (fd, ADDRESS)), 0);
    assert_eq!(client.send_to(fd, b"secret", elsewhere), Err(NOTCAPABLE));
    assert_lonely(&granted_server);
    assert_lonely(&other);
    client.assert_well();
}

#[test]
fn nothing_comes_from_an_address_that_is_not_granted() {
    let (server, address) = server();
    let (stranger, _) = self::server();
    let client = Client::new(granted(address));
    let fd = client.open_datagrams();
    assert_eq!(client.send_to(fd, b"hello", address), Ok(5));
    let (_, from) = server.recv_from(&mut [0; 100]).unwrap();
    for _ in 0..100 {
        stranger.send_to(b"forged", from).unwrap();
    }
    client.receive_within(fd, Duration::from_millis(30));
    for peek in [1, 0] {
        assert_eq!(client.receive_from(fd, 100, peek), Err(AGAIN));
    }
    for _ in 0..3 {
        stranger.send_to(b"forged", from).unwrap();
    }
    server.send_to(b"genuine", from).unwrap();
    client.receive_within(fd, Duration::from_secs(10));
    let genuine = (b"genuine".to_vec(), false, address.port());
    assert_eq!(client.receive_from(fd, 100, 0), Ok(genuine));
}

#[test]
fn datagrams_have_a_size() {
    let (server, address) = server();
    let client = Client::new(granted(address));
    let fd = client.open_datagrams();
    client.put_address(address);
    for (len, expected) in [(MOST, 0), (MOST + 1, MSGSIZE), (65_536, MSGSIZE)] {
        client.put_buffer(len);
        let errno = client.call("sock_send_to", (fd, IOV, 1, 0, ADDRESS, OUT));
        assert_eq!(errno, expected, "{len}");
    }
    let mut room = vec![0; 70_000];
    let (len, from) = server.recv_from(&mut room).unwrap();
    assert_eq!(len, MOST as usize);
    assert_lonely(&server);
    // What does not fit is lost, and the guest is told so.
    server.send_to(b"0123456789", from).unwrap();
    server.send_to(b"next", from).unwrap();
    let start = (b"0123".to_vec(), true, address.port());
    assert_eq!(client.receive_from(fd, 4, 0), Ok(start));
    assert_eq!(client.receive_from(fd, 4, 0), Ok((b"next".to_vec(), false, address.port())));
}

#[test]
fn a_datagram_that_never_comes_is_waited_for_no_longer_than_the_call_may_take() {
    let (server, address) = server();
    let client = Client::new(granted(address).with_wall_clock(Duration::from_millis(300)));
    let fd = client.open_datagrams();
    assert_eq!(client.send_to(fd, b"hello?", address), Ok(6));
    let (_, from) = server.recv_from(&mut [0; 100]).unwrap();
    // Strangers do not keep it waiting either.
    let flood = std::thread::spawn(move || {
        let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        while server.set_nonblocking(true).is_ok() && stranger.send_to(b"x", from).is_ok() {
            std::thread::sleep(Duration::from_micros(100));
            if server.recv(&mut [0; 8]).is_ok() {
                break;
            }
        }
    });
    client.put_buffer(100);
    let error = client
        .sandbox
        .call_blocking::<i32>("sock_recv_from", (fd, IOV, 1, 0, OUT, OUT + 8, FROM))
        .unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
    client.assert_well();
    let ended = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    while !flood.is_finished() {
        ended.send_to(b"end", address).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    flood.join().unwrap();
}

#[test]
fn a_name_opens_its_addresses_for_datagrams_too() {
    let (server, address) = server();
    let policy = SecurityPolicy::permissive().with_network_host("localhost", address.port());
    let client = Client::new(policy);
    let fd = client.open_datagrams();
    assert_eq!(client.send_to(fd, b"early", address), Err(NOTCAPABLE));
    client.resolve("localhost").unwrap();
    assert_eq!(client.send_to(fd, b"late", address), Ok(4));
    assert_eq!(server.recv_from(&mut [0; 100]).unwrap().0, 4);
}

#[test]
fn a_socket_of_the_newer_family_reaches_addresses_of_the_older_one() {
    let (server, address) = server();
    let client = Client::new(granted(address));
    let Ok(fd) = client.open_kind(2, 2, 17) else { panic!("no socket") };
    let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets();
    client.put(ADDRESS, &[&[2, 0][..], &address.port().to_le_bytes(), &mapped].concat());
    client.put(BUFFER, b"six");
    client.put_buffer(3);
    let errno = client.call("sock_send_to", (fd, IOV, 1, 0, ADDRESS, OUT));
    // Not every machine speaks it.
    if UdpSocket::bind("[::]:0").is_ok() {
        assert_eq!(errno, 0);
        assert_eq!(server.recv_from(&mut [0; 100]).unwrap().0, 3);
    } else {
        assert_ne!(errno, 0);
    }
}
