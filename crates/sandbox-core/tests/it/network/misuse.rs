//! Sockets that run out or are none, and pointers that lead nowhere.

use std::io::Write;

use super::{
    ADDRESS, BADF, BUFFER, Client, IOV, MEMORY_BYTES, MFILE, NAME, NOTCONN, NOTSOCK, OUT, granted,
    listen,
};

#[test]
fn sockets_run_out_and_come_back() {
    let (_, address) = listen();
    let client = Client::new(granted(address).with_open_file_limit(20));
    let mut open = Vec::new();
    let errno = loop {
        match client.open() {
            Ok(fd) => open.push(fd),
            Err(errno) => break errno,
        }
    };
    // The streams and the root folder are open too.
    assert_eq!((errno, open.len()), (MFILE, 16));
    assert_eq!(client.call("fd_close", open[7]), 0);
    assert_eq!(client.open(), Ok(open[7]));
    client.assert_well();
}

#[test]
fn what_is_no_socket_is_not_taken_for_one() {
    let (_, address) = listen();
    let client = Client::new(granted(address));
    let unconnected = client.open().unwrap();
    client.put_address(address);
    client.put_buffer(8);
    for (fd, errno) in
        [(0, NOTSOCK), (1, NOTSOCK), (2, NOTSOCK), (3, NOTSOCK), (99, BADF), (u32::MAX, BADF)]
    {
        assert_eq!(client.call("sock_connect", (fd, ADDRESS)), errno, "{fd}");
        assert_eq!(client.call("sock_send", (fd, IOV, 1, 0, OUT)), errno, "{fd}");
        assert_eq!(client.call("sock_recv", (fd, IOV, 1, 0, OUT, OUT)), errno, "{fd}");
        assert_eq!(client.call("sock_status", (fd, OUT)), errno, "{fd}");
        assert_eq!(client.call("sock_accept", (fd, 0, OUT)), errno, "{fd}");
    }
    assert_eq!(client.call("sock_send", (unconnected, IOV, 1, 0, OUT)), NOTCONN);
    assert_eq!(client.call("fd_read", (unconnected, IOV, 1, OUT)), NOTCONN);
    assert_eq!(client.call("sock_shutdown", (unconnected, 3)), NOTCONN);
    // A number is a number: what was a stream is the socket now, and the other way round.
    assert_eq!(client.call("fd_renumber", (unconnected, 1)), 0);
    assert_eq!(client.call("sock_send", (1, IOV, 1, 0, OUT)), NOTCONN);
    assert_eq!(client.call("sock_send", (unconnected, IOV, 1, 0, OUT)), BADF);
    assert_eq!(client.call("fd_renumber", (2, 1)), 0);
    assert_eq!(client.call("sock_send", (1, IOV, 1, 0, OUT)), NOTSOCK);
    for (family, kind, protocol) in [(0, 1, 6), (3, 1, 0), (1, 2, 6), (1, 3, 0), (1, 1, 17)] {
        assert_ne!(client.call("sock_open", (family, kind, protocol, OUT)), 0);
    }
    client.assert_well();
}

#[test]
fn pointers_and_lengths_that_cannot_be_are_errors() {
    let (listener, address) = listen();
    let client = Client::new(granted(address));
    let fd = client.connect(address).unwrap();
    let datagrams = client.open_kind(1, 2, 17).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(b"bytes to read").unwrap();
    for outside in [MEMORY_BYTES, MEMORY_BYTES - 1, u32::MAX, u32::MAX - 7, 1 << 31] {
        let fresh = client.open().unwrap();
        client.put_address(address);
        for (name, arguments) in [
            ("sock_open", vec![1, 1, 6, outside]),
            ("sock_connect", vec![fresh, outside]),
            ("sock_status", vec![fd, if outside == MEMORY_BYTES - 1 { u32::MAX } else { outside }]),
            ("sock_addr_local", vec![fd, outside]),
            ("sock_addr_peer", vec![fd, outside]),
            ("sock_set_opt_time", vec![fd, 19, outside]),
            ("sock_send", vec![fd, outside, 1, 0, OUT]),
            ("sock_send", vec![fd, IOV, u32::MAX, 0, OUT]),
            ("sock_send", vec![fd, IOV, 1, 0, outside]),
            ("sock_recv", vec![fd, outside, 1, 0, OUT, OUT]),
            ("sock_recv", vec![fd, IOV, u32::MAX, 0, OUT, OUT]),
            ("sock_recv", vec![fd, IOV, 1, 0, outside, OUT]),
            ("sock_recv", vec![fd, IOV, 1, 0, OUT, outside]),
            ("sock_recv", vec![fd, IOV, 1, u32::MAX, OUT, OUT]),
            ("sock_bind", vec![datagrams, outside]),
            ("sock_connect", vec![datagrams, outside]),
            ("sock_send_to", vec![datagrams, outside, 1, 0, ADDRESS, OUT]),
            ("sock_send_to", vec![datagrams, IOV, 1, 0, outside, OUT]),
            ("sock_send_to", vec![datagrams, IOV, 1, 0, ADDRESS, outside]),
            ("sock_recv_from", vec![fd, outside, 1, 0, OUT, OUT, ADDRESS]),
            ("sock_recv_from", vec![fd, IOV, 1, 0, OUT, OUT, outside]),
            ("sock_recv_from", vec![fd, IOV, 1, 0, OUT, outside, ADDRESS]),
            ("fd_fdstat_get", vec![fd, outside]),
            ("resolve", vec![outside, 9, 0, BUFFER, 1, OUT]),
            ("resolve", vec![NAME, u32::MAX, 0, BUFFER, 1, OUT]),
            ("sock_shutdown", vec![fd, outside]),
        ] {
            client.put_buffer(8);
            assert_ne!(call_all(&client, name, &arguments), 0, "{name} {arguments:?}");
        }
        // Buffers that lie outside, in whole or in part.
        client.put(IOV, &[outside.to_le_bytes(), u32::MAX.to_le_bytes()].concat());
        assert_ne!(client.call("sock_send", (fd, IOV, 1, 0, OUT)), 0);
        client.put(IOV, &[outside.to_le_bytes(), 64u32.to_le_bytes()].concat());
        assert_ne!(client.call("sock_recv", (fd, IOV, 1, 1, OUT, OUT)), 0);
        assert_eq!(client.call("fd_close", fresh), 0);
    }
    client.assert_well();
}

/// Calls a function with as many arguments as there are.
fn call_all(client: &Client, name: &str, arguments: &[u32]) -> i32 {
    match *arguments {
        [a, b] => client.call(name, (a, b)),
        [a, b, c] => client.call(name, (a, b, c)),
        [a, b, c, d] => client.call(name, (a, b, c, d)),
        [a, b, c, d, e] => client.call(name, (a, b, c, d, e)),
        [a, b, c, d, e, f] => client.call(name, (a, b, c, d, e, f)),
        [a, b, c, d, e, f, g] => client.call(name, (a, b, c, d, e, f, g)),
        _ => panic!("{name} {arguments:?}"),
    }
}
