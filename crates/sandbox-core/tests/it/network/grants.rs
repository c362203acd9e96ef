//! Grants of network hosts, and what is not granted.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use sandbox_core::{DeniedCapability, GrantKind, GrantUse, SandboxError, SecurityPolicy};

use super::{ADDRESS, Client, NOTCAPABLE, OUT, granted, listen, module};
use crate::modules;

/// Nobody has connected.
fn assert_lonely(listener: &TcpListener) {
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_host_or_port_that_is_not_granted_is_out_of_reach() {
    let (listener, address) = listen();
    let (other, elsewhere) = listen();
    let client = Client::new(granted(address));
    for to in [
        elsewhere,
        SocketAddr::from(([127, 0, 0, 2], address.port())),
        SocketAddr::from(([0, 0, 0, 0], address.port())),
        SocketAddr::from(([10, 0, 0, 1], address.port())),
        SocketAddr::from(([169, 254, 169, 254], 80)),
    ] {
        assert_eq!(client.connect(to), Err(NOTCAPABLE), "{to}");
    }
    // The same addresses in IPv6 clothing.
    assert_eq!(client.call("sock_open", (2, 1, 6, OUT)), 0);
    let fd = client.get_u32(OUT);
    let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets();
    client.put(ADDRESS, &[&[2, 0][..], &elsewhere.port().to_le_bytes(), &mapped].concat());
    assert_eq!(client.call("sock_connect", (fd, ADDRESS)), NOTCAPABLE);
    assert_lonely(&listener);
    assert_lonely(&other);
    client.assert_well();
}

#[test]
fn a_guest_that_traps_after_a_denial_is_reported_with_what_it_was_denied() {
    let (_, address) = listen();
    let (_, elsewhere) = listen();
    let client = Client::new(granted(address).with_wall_clock(Duration::from_secs(60)));
    let fd = client.open().unwrap();
    client.put_address(elsewhere);
    let error = client.sandbox.call_blocking::<()>("connect_or_trap", (fd, ADDRESS));
    let error = error.unwrap_err();
    let SandboxError::CapabilityDenied { capability, .. } = &error else { panic!("{error}") };
    assert_eq!(*capability, DeniedCapability::Connection(elsewhere));
    assert!(error.to_string().contains(&elsewhere.to_string()), "{error}");
    assert!(error.to_string().contains("with_network_host"), "{error}");
    // A denial that a guest dealt with is not held against a later call.
    assert_eq!(client.connect(elsewhere), Err(NOTCAPABLE));
    let error = client.sandbox.call_blocking::<i32>("peek", u32::MAX).unwrap_err();
    assert!(matches!(error, SandboxError::Trap { .. }), "{error}");
}

#[test]
fn without_a_grant_there_are_no_sockets_to_import() {
    for policy in [
        SecurityPolicy::permissive(),
        SecurityPolicy::basic(),
        SecurityPolicy::strict(),
        SecurityPolicy::paranoid(),
    ] {
        let builder = modules::builder(&module()).security_policy(policy);
        let error = builder.build_blocking().map(drop).unwrap_err();
        let SandboxError::UnknownImport { module, remedy, .. } = &error else { panic!("{error}") };
        assert_eq!(module, "wasix_32v1");
        assert!(remedy.contains("with_network_host"), "{error}");
    }
}

#[test]
fn only_policies_that_accept_it_can_grant_a_host() {
    for policy in [SecurityPolicy::basic(), SecurityPolicy::strict(), SecurityPolicy::paranoid()] {
        let policy = policy.with_network_host("127.0.0.1", 80);
        // Whether the guest has use for it or not.
        for text in [module(), "(module)".to_owned()] {
            let builder = modules::builder(&text).security_policy(policy.clone());
            let error = builder.build_blocking().map(drop).unwrap_err();
            let SandboxError::InvalidGrant { kind: GrantKind::NetworkHost, grant, .. } = &error
            else {
                panic!("{error}")
            };
            assert!(grant.contains("127.0.0.1"), "{error}");
        }
    }
    let policy = SecurityPolicy::strict().with_network_grants(GrantUse::Accepted);
    Client::new(policy.with_network_host("127.0.0.1", 80)).assert_well();
    let policy = SecurityPolicy::permissive().with_network_host("no host", 80);
    let error = modules::builder("(module)").security_policy(policy).build_blocking().map(drop);
    assert!(matches!(error, Err(SandboxError::InvalidGrant { .. })));
}

#[test]
fn a_grant_opens_nothing_else_of_wasix() {
    let (_, address) = listen();
    for name in [
        "sock_listen",
        "sock_accept",
        "sock_accept_v2",
        "sock_pair",
        "sock_send_file",
        "sock_join_multicast_v4",
        "port_addr_add",
        "port_bridge",
        "thread_spawn_v2",
        "proc_fork",
        "proc_exec3",
        "proc_spawn2",
        "dlopen",
        "dlsym",
        "fd_pipe",
        "futex_wait",
        "path_open2",
        "fd_read",
        "stack_checkpoint",
        "tty_set",
    ] {
        let text = format!(
            r#"(module (import "wasix_32v1" {name:?} (func)) (memory (export "memory") 1))"#
        );
        let builder = modules::builder(&text).security_policy(granted(address));
        let error = builder.build_blocking().map(drop).unwrap_err();
        assert!(matches!(error, SandboxError::UnknownImport { .. }), "{name}: {error}");
    }
    let text = r#"(module (import "wasix_64v1" "sock_open" (func)) (memory (export "memory") 1))"#;
    let builder = modules::builder(text).security_policy(granted(address));
    assert!(matches!(builder.build_blocking(), Err(SandboxError::UnknownImport { .. })));
}

#[test]
fn a_granted_name_is_looked_up_and_opens_what_it_leads_to() {
    let (listener, address) = listen();
    let policy = SecurityPolicy::permissive().with_network_host("LocalHost", address.port());
    let client = Client::new(policy);
    // Not before it was looked up.
    assert_eq!(client.connect(address), Err(NOTCAPABLE));
    let found = client.resolve("localhost").unwrap();
    assert!(found.chunks(18).any(|found| found[..6] == [1, 0, 127, 0, 0, 1]), "{found:?}");
    client.connect(address).unwrap();
    listener.accept().unwrap();
    for other in ["example.com", "localhost.example.com", "", "localhost:80", "\u{fe}"] {
        assert_eq!(client.resolve(other), Err(NOTCAPABLE), "{other:?}");
    }
    // An address needs no lookup, and is not granted by being named.
    assert_eq!(client.resolve("127.0.0.9").unwrap()[..6], [1, 0, 127, 0, 0, 9]);
    assert_eq!(client.connect(SocketAddr::from(([127, 0, 0, 9], address.port()))), Err(NOTCAPABLE));
    client.assert_well();
}
