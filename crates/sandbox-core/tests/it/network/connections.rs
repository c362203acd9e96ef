//! Connections to a granted host, from the first byte to the last.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use sandbox_core::SandboxError;

use super::{AGAIN, BADF, BUFFER, CONNREFUSED, Client, IOV, OUT, granted, listen};

/// Sends back what it gets, in capitals, to one client.
fn shouting_server() -> (SocketAddr, JoinHandle<usize>) {
    let (listener, address) = listen();
    let served = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let (mut buffer, mut total) = ([0; 1024], 0);
        loop {
            let len = client.read(&mut buffer).unwrap();
            if len == 0 {
                return total;
            }
            total += len;
            client.write_all(&buffer[..len].to_ascii_uppercase()).unwrap();
        }
    });
    (address, served)
}

#[test]
fn a_granted_host_is_reached_end_to_end() {
    let (address, served) = shouting_server();
    let client = Client::new(granted(address));
    let fd = client.connect(address).unwrap();
    assert_eq!(client.call("sock_set_opt_flag", (fd, 3, 1)), 0);
    client.put(BUFFER, b"hello");
    client.put_buffer(5);
    assert_eq!(client.call("sock_send", (fd, IOV, 1, 0, OUT)), 0);
    assert_eq!(client.get_u32(OUT), 5);
    client.put_buffer(100);
    // Once without taking it, once taking it.
    for flags in [1, 0] {
        assert_eq!(client.call("sock_recv", (fd, IOV, 1, flags, OUT, OUT + 8)), 0);
        assert_eq!(client.get(BUFFER, client.get_u32(OUT)), b"HELLO");
    }
    // As a file too.
    client.put(BUFFER, b"again");
    client.put_buffer(5);
    assert_eq!(client.call("fd_write", (fd, IOV, 1, OUT)), 0);
    client.put_buffer(100);
    assert_eq!(client.call("fd_read", (fd, IOV, 1, OUT)), 0);
    assert_eq!(client.get(BUFFER, client.get_u32(OUT)), b"AGAIN");
    assert_eq!(client.call("fd_fdstat_get", (fd, BUFFER)), 0);
    assert_eq!(client.get(BUFFER, 1), [6]);
    assert_eq!(client.call("sock_addr_peer", (fd, BUFFER)), 0);
    let port = address.port().to_be_bytes();
    assert_eq!(client.get(BUFFER, 8), [1, 0, port[0], port[1], 127, 0, 0, 1]);
    // After the end of what it sends, the server ends too.
    assert_eq!(client.call("sock_shutdown", (fd, 2)), 0);
    assert_eq!(client.call("sock_recv", (fd, IOV, 1, 0, OUT, OUT + 8)), 0);
    assert_eq!(client.get_u32(OUT), 0);
    assert_eq!(served.join().unwrap(), 10);
    assert_eq!(client.call("fd_close", fd), 0);
    assert_eq!(client.call("fd_close", fd), BADF);
    client.assert_well();
}

#[test]
fn standard_output_still_works_beside_sockets() {
    let (_, address) = listen();
    let client = Client::new(granted(address));
    client.put(BUFFER, b"out");
    client.put_buffer(3);
    assert_eq!(client.call("fd_write", (1, IOV, 1, OUT)), 0);
    assert_eq!(client.call("fd_fdstat_get", (1, BUFFER)), 0);
    let output = futures::executor::block_on(client.sandbox.take_output());
    assert_eq!(output.stdout, b"out");
}

#[test]
fn waits_end_with_their_call() {
    let (listener, address) = listen();
    let silent = std::thread::spawn(move || listener.accept().map(|(client, _)| client));
    let client = Client::new(granted(address));
    let fd = client.connect(address).unwrap();
    let mut server = silent.join().unwrap().unwrap();
    client.put_buffer(100);
    let hurried = client.sandbox.with_time_limit(Duration::from_millis(300));
    let error = hurried.call_blocking::<i32>("sock_recv", (fd, IOV, 1, 0, OUT, OUT + 8));
    let error = error.unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
    // The instance is gone and its connection with it.
    client.assert_well();
    assert_eq!(server.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn a_guest_can_wait_less_than_its_call_may_take() {
    let (listener, address) = listen();
    let client = Client::new(granted(address));
    let fd = client.connect(address).unwrap();
    client.receive_within(fd, Duration::from_millis(20));
    client.put_buffer(100);
    assert_eq!(client.call("sock_recv", (fd, IOV, 1, 0, OUT, OUT + 8)), AGAIN);
    drop(listener);
}

#[test]
fn a_server_that_is_not_there_refuses() {
    let (listener, address) = listen();
    drop(listener);
    let client = Client::new(granted(address));
    assert_eq!(client.connect(address), Err(CONNREFUSED));
    client.assert_well();
}

#[test]
fn a_sandbox_that_is_dropped_closes_its_connections() {
    let (listener, address) = listen();
    let client = Client::new(granted(address));
    client.connect(address).unwrap();
    let (mut server, _): (TcpStream, _) = listener.accept().unwrap();
    drop(client);
    assert_eq!(server.read(&mut [0; 8]).unwrap(), 0);
}
