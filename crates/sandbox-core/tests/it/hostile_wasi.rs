//! Guests that use WASI to hurt the host.
#![expect(clippy::cast_possible_truncation, reason = "sizes in these tests are small")]

use std::time::{Duration, Instant};

use sandbox_core::{SandboxError, SecurityPolicy};

use crate::modules;
use crate::playground::Playground;
use crate::probe::{
    BADF, BUFFER, CREATE, DIRECTORY, FAULT, MFILE, OTHER_PATH, PATH, Probe, READ, ROOT, WRITE,
};

/// No limit of time may be what ends a guest in these tests.
fn patient() -> SecurityPolicy {
    modules::strict_and_persistent().with_wall_clock(Duration::from_secs(60))
}

#[test]
fn open_files_run_out_and_come_back() {
    let ground = Playground::new();
    for path in ["/granted/file", "/granted/sub", "/granted"] {
        let probe = Probe::new(ground.policy().with_open_file_limit(20));
        let mut open = Vec::new();
        let errno = loop {
            match probe.open(path, 0, READ) {
                Ok(fd) => open.push(fd),
                Err(errno) => break errno,
            }
        };
        assert_eq!(errno, MFILE);
        assert!((10..20).contains(&open.len()), "{}", open.len());
        assert_eq!(probe.call("fd_renumber", (open[0], 20)), BADF);
        probe.close(open.pop().unwrap());
        assert!(probe.open(path, 0, READ).is_ok());
        probe.assert_well();
    }
}

#[test]
fn the_root_folder_is_opened_and_closed_any_number_of_times() {
    let probe = Probe::new(patient().with_open_file_limit(20));
    for _ in 0..1000 {
        let fd = probe.open("/", 0, READ).unwrap();
        probe.close(fd);
    }
    probe.assert_well();
}

#[test]
fn the_scratch_folder_is_full_when_it_is_full() {
    let probe = Probe::new(patient().with_scratch_limit(1 << 20));
    let fd = probe.open("/file", CREATE, READ | WRITE).unwrap();
    let mut written = 0u64;
    while let Ok(count) = probe.write_to(fd, &[7; 4096]) {
        written += u64::from(count);
        assert!(written <= 1 << 20);
    }
    assert!(written >= (1 << 20) - 8192, "{written}");
    assert!(probe.write("/another", &"x".repeat(8192)).is_err());
    probe.close(fd);
    assert_eq!(probe.with_path("path_unlink_file", "/file"), 0);
    probe.write("/another", &"x".repeat(8192)).unwrap();
    probe.assert_well();
}

#[test]
fn files_too_large_for_the_host_are_refused_before_it_tries() {
    let probe = Probe::new(patient());
    let fd = probe.open("/file", CREATE, READ | WRITE).unwrap();
    for size in [1u64 << 30, 1 << 40, 1 << 62, i64::MAX as u64, u64::MAX] {
        let size = size.cast_signed();
        assert_ne!(probe.call("fd_filestat_set_size", (fd, size)), 0);
        assert_ne!(probe.call("fd_allocate", (fd, 0, size)), 0);
        probe.put(16, &[BUFFER.to_le_bytes(), 8u32.to_le_bytes()].concat());
        assert_ne!(probe.call("fd_pwrite", (fd, 16, 1, size, 0)), 0);
    }
    assert_eq!(probe.read("/file").unwrap(), "");
    probe.assert_well();
}

#[test]
fn names_fill_the_scratch_folder_too() {
    let probe = Probe::new(patient().with_scratch_limit(256 * 1024));
    let made = (0..10_000)
        .take_while(|index| probe.with_path("path_create_directory", &format!("/d{index}")) == 0)
        .count();
    assert_eq!(made, 256);
    let long = format!("/{}", "n".repeat(256));
    assert_ne!(probe.with_path("path_create_directory", &long), 0);
    assert!(probe.open(&long, CREATE, WRITE).is_err());
    probe.assert_well();
}

#[test]
fn paths_of_any_length_at_any_place_are_survived() {
    let probe = Probe::new(patient());
    let memory_bytes = 4 * 65536u32;
    let ends = [
        (PATH, u32::MAX),
        (PATH, memory_bytes - PATH),
        (PATH, memory_bytes - PATH + 1),
        (0, memory_bytes),
        (memory_bytes - 1, 1),
        (memory_bytes, 1),
        (u32::MAX, 1),
        (u32::MAX, u32::MAX),
        (PATH, 0),
        (PATH, 1 << 20),
    ];
    for filler in [*b"/a/a/a/a", *b"../../..", *b"aaaaaaaa", *b"////////", *b"\xff\xfe\0\0\0\0\0\0"]
    {
        let fill = filler.repeat(8192);
        probe.put(PATH, &fill);
        for (at, len) in ends {
            // Numbers that are errors, or that succeed on the few paths that name the root.
            let _ = probe.call("path_open", (ROOT, 1, at, len, 0, READ, READ, 0, 0));
            let _ = probe.call("path_create_directory", (ROOT, at, len));
            let _ = probe.call("path_unlink_file", (ROOT, at, len));
            let _ = probe.call("path_filestat_get", (ROOT, 1, at, len, BUFFER));
            let _ = probe.call("path_rename", (ROOT, at, len, ROOT, at, len));
            let _ = probe.call("path_symlink", (at, len, ROOT, at, len));
            let _ = probe.call("path_readlink", (ROOT, at, len, BUFFER, 8, 0));
            probe.assert_well();
        }
    }
}

#[test]
fn pointers_out_of_memory_are_faults() {
    let probe = Probe::new(patient());
    let fd = probe.open("/file", CREATE, READ | WRITE).unwrap();
    for outside in [4 * 65536u32, 4 * 65536 - 1, u32::MAX, u32::MAX - 7, 1 << 31] {
        assert_eq!(probe.call("clock_time_get", (0, 1, outside)), FAULT);
        assert_eq!(probe.call("clock_res_get", (0, outside)), FAULT);
        assert_eq!(probe.call("random_get", (outside, 16)), FAULT);
        assert_eq!(probe.call("poll_oneoff", (outside, BUFFER, 1, 0)), FAULT);
        assert_ne!(probe.call("poll_oneoff", (0, outside, 1, outside)), 0);
        probe.put(PATH, b"file");
        assert_eq!(probe.call("path_open", (ROOT, 1, PATH, 4, 0, READ, READ, 0, outside)), FAULT);
        assert_ne!(probe.call("fd_filestat_get", (fd, outside)), 0);
        assert_ne!(probe.call("fd_write", (fd, outside, 1, 0)), 0);
        assert_ne!(probe.call("fd_read", (fd, 16, u32::MAX, 0)), 0);
        assert_ne!(probe.call("args_sizes_get", (outside, outside)), 0);
        assert_ne!(probe.call("environ_sizes_get", (outside, outside)), 0);
    }
    assert_eq!(probe.call("random_get", (0, u32::MAX)), FAULT);
    assert_eq!(probe.call("random_get", (u32::MAX, 0)), 0);
    probe.assert_well();
}

#[test]
fn closed_streams_take_nothing_and_the_next_instance_has_its_own() {
    let probe = Probe::new(patient());
    for fd in [0u32, 1, 2] {
        probe.close(fd);
    }
    for fd in [1u32, 2] {
        assert_eq!(probe.write_to(fd, b"lost"), Err(BADF));
    }
    assert_eq!(probe.read_from(0), Err(BADF));
    // What is opened next gets the number of a stream, and is not captured.
    let fd = probe.open("/file", CREATE, READ | WRITE).unwrap();
    assert!(fd <= 2, "{fd}");
    probe.write_to(fd, b"kept").unwrap();
    let output = probe.sandbox.run_blocking(sandbox_core::RunRequest::new());
    assert!(matches!(output, Err(SandboxError::NoSuchFunction { .. })));
    probe.assert_well();
}

#[test]
fn signals_end_the_guest_at_most() {
    for signal in (0..=40).chain([64, 127, 128, 255, 256, 65_536, u32::MAX]) {
        let probe = Probe::new(patient());
        match probe.try_call("proc_raise", signal) {
            Ok(_) | Err(SandboxError::Exited { .. }) => {}
            Err(error) => panic!("signal {signal}: {error}"),
        }
        probe.assert_well();
    }
}

#[test]
fn a_folder_with_very_many_files_is_listed_in_parts() {
    let ground = Playground::new();
    for index in 0..3000 {
        std::fs::write(ground.host("granted").join(format!("file{index}")), "").unwrap();
    }
    let probe = Probe::new(ground.policy());
    let fd = probe.open("/granted", DIRECTORY, READ).unwrap();
    let (mut cookie, mut seen) = (0u64, 0);
    loop {
        assert_eq!(probe.call("fd_readdir", (fd, BUFFER, 4096, cookie, 0)), 0);
        let used = (probe.get_u64(0) as u32 as usize).min(4096);
        let entries = probe.get(BUFFER, used as u32);
        let mut at = 0;
        while at + 24 <= used {
            let len = u32::from_le_bytes(entries[at + 16..at + 20].try_into().unwrap()) as usize;
            if at + 24 + len > used {
                break;
            }
            cookie = u64::from_le_bytes(entries[at..at + 8].try_into().unwrap());
            seen += 1;
            at += 24 + len;
        }
        if used < 4096 {
            break;
        }
    }
    // With the two that were there, and `.` and `..`.
    assert_eq!(seen, 3004);
    for (at, len, cookie) in
        [(u32::MAX, 4096u32, 0u64), (BUFFER, u32::MAX, 0), (BUFFER, 0, u64::MAX)]
    {
        let _ = probe.call("fd_readdir", (fd, at, len, cookie.cast_signed(), 0));
    }
    probe.assert_well();
}

#[test]
fn a_read_of_a_file_without_end_stops_with_its_call() {
    // A file with nothing but a length, and more room for it than anyone has: one call reads the same
    // buffer full again and again.
    let ground = Playground::new();
    let file = std::fs::File::create(ground.host("granted/sparse")).unwrap();
    file.set_len(1 << 40).unwrap();
    let policy = ground.policy().with_wall_clock(Duration::from_secs(600));
    let text = format!(
        r#"(module
        (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 256)
        (data (i32.const 64) "granted/sparse")
        (func (export "attack") (result i32) (local $at i32)
            (if (call $open (i32.const {ROOT}) (i32.const 1) (i32.const 64) (i32.const 14)
                (i32.const 0) (i64.const 2) (i64.const 2) (i32.const 0) (i32.const 0))
                (then unreachable))
            (local.set $at (i32.const 1024))
            (loop $again
                (i32.store (local.get $at) (i32.const 8388608))
                (i32.store offset=4 (local.get $at) (i32.const 4194304))
                (local.set $at (i32.add (local.get $at) (i32.const 8)))
                (br_if $again (i32.lt_u (local.get $at) (i32.const 8000000))))
            (call $read (i32.load (i32.const 0)) (i32.const 1024) (i32.const 900000) (i32.const 8)))
        (func (export "alive") (result i32) (i32.const 42)))"#
    );
    let sandbox = modules::builder(&text).security_policy(policy).build_blocking().unwrap();
    let hurried = sandbox.with_time_limit(Duration::from_millis(100));
    let started = Instant::now();
    let error = hurried.call_blocking::<i32>("attack", ()).unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(sandbox.call_blocking::<i32>("alive", ()).unwrap(), 42);
}

#[test]
fn millions_of_empty_buffers_end_with_their_call() {
    // Two gibibytes of zeros are a list of 268 million buffers with nothing in them.
    for call in ["$write (i32.const 1)", "$read (i32.const 0)", "$write (i32.const 4)"] {
        let text = format!(
            r#"(module
            (import "wasi_snapshot_preview1" "path_open"
                (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_read"
                (func $read (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_write"
                (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 32768)
            (data (i32.const 2147483640) "file")
            (func (export "attack") (result i32)
                (drop (call $open (i32.const {ROOT}) (i32.const 0) (i32.const 2147483640)
                    (i32.const 4) (i32.const 1) (i64.const 66) (i64.const 66) (i32.const 0)
                    (i32.const 2147483644)))
                (call {call} (i32.const 0) (i32.const 268435400) (i32.const 2147483644)))
            (func (export "alive") (result i32) (i32.const 42)))"#
        );
        let builder = modules::builder(&text).security_policy(SecurityPolicy::permissive());
        let sandbox = builder.build_blocking().unwrap();
        let hurried = sandbox.with_time_limit(Duration::from_millis(20));
        let started = Instant::now();
        let error = hurried.call_blocking::<i32>("attack", ()).unwrap_err();
        assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        assert_eq!(sandbox.call_blocking::<i32>("alive", ()).unwrap(), 42);
    }
}

#[test]
fn sockets_are_no_descriptors() {
    let probe = Probe::new(patient());
    for fd in [0u32, 1, ROOT, 99, u32::MAX] {
        assert_ne!(probe.call("sock_accept", (fd, 0, 0)), 0);
        assert_ne!(probe.call("sock_recv", (fd, 16, 1, 0, 0, 0)), 0);
        assert_ne!(probe.call("sock_send", (fd, 16, 1, 0, 0)), 0);
        assert_ne!(probe.call("sock_shutdown", (fd, 3)), 0);
    }
    probe.assert_well();
}

#[test]
fn everything_beyond_preview_1_is_refused_by_name() {
    for (namespace, name, reason) in [
        ("wasi", "thread-spawn", "threads"),
        ("wasix_32v1", "thread_spawn_v2", "threads"),
        ("wasix_32v1", "proc_fork", "processes"),
        ("wasix_32v1", "proc_exec", "processes"),
        ("wasix_32v1", "proc_spawn", "processes"),
        ("wasix_32v1", "sock_open", "sockets"),
        ("wasix_32v1", "sock_connect", "sockets"),
        ("wasix_32v1", "dlopen", "dynamic loading"),
        ("wasix_64v1", "sock_open", "sockets"),
        ("wasi:sockets/tcp@0.2.0", "connect", "preview 1"),
        ("wasi_snapshot_preview1", "sock_open", "preview 1"),
        ("env", "system", "host_function"),
    ] {
        let text = format!(
            r#"(module (import {namespace:?} {name:?} (func)) (memory (export "memory") 1))"#
        );
        let error = modules::builder(&text).build_blocking().map(drop).unwrap_err();
        let SandboxError::UnknownImport { remedy, .. } = &error else { panic!("{name}: {error}") };
        assert!(remedy.contains(reason), "{namespace}.{name}: {remedy}");
    }
}

#[test]
fn names_that_are_open_are_not_the_hosts() {
    let probe = Probe::new(patient());
    probe.put(OTHER_PATH, b"x");
    for fd in 3..64u32 {
        if probe.call("fd_prestat_get", (fd, 0)) == 0 {
            assert_eq!(probe.call("fd_prestat_dir_name", (fd, BUFFER, 1)), 0);
            assert_eq!(probe.get(BUFFER, 1), b"/");
        }
    }
}
