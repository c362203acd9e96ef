//! Sessions: one instance for several calls.

use std::time::Duration;

use sandbox_core::{
    CancelHandle, GuestMemoryError, InstanceMode, SandboxError, SecurityPolicy, Session,
    WasmSandbox,
};

use crate::modules;

/// A guest that knows pointers and lengths, and no ABI; a counter; a way to fail; and a file of WASI.
const PLUGIN: &str = r#"(module
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 16) "note")
    (data (i32.const 32) "\20\00\00\00\05\00\00\00")
    (global $free (mut i32) (i32.const 1024))
    (func (export "alloc") (param i32) (result i32)
        global.get $free
        (global.set $free (i32.add (global.get $free) (local.get 0))))
    (func (export "upper") (param $at i32) (param $len i32)
        (block $done (loop $next
            (br_if $done (i32.eqz (local.get $len)))
            (i32.store8 (local.get $at) (i32.and (i32.load8_u (local.get $at)) (i32.const 0xdf)))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (local.set $len (i32.sub (local.get $len) (i32.const 1)))
            (br $next))))
    (func (export "count") (result i32)
        (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))
        (i32.load (i32.const 8)))
    (func (export "say") (result i32)
        (call $write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 48)))
    (func (export "make_note") (result i32)
        (call $open (i32.const 3) (i32.const 0) (i32.const 16) (i32.const 4) (i32.const 1)
            (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 56)))
    (func (export "abort") unreachable)
    (func (export "spin") (loop $again br $again)))"#;

const MODES: [InstanceMode; 2] = [InstanceMode::Persistent, InstanceMode::Fresh];

fn sandbox(mode: InstanceMode) -> WasmSandbox {
    let policy = SecurityPolicy::strict().with_instances(mode).with_max_instances(1);
    modules::builder(PLUGIN).security_policy(policy).build_blocking().unwrap()
}

/// Has the guest make text large in its own memory.
fn upper(session: &mut Session, text: &str) -> String {
    let len = u32::try_from(text.len()).unwrap();
    let at: u32 = session.call_blocking("alloc", len).unwrap();
    session.write(at, text.as_bytes()).unwrap();
    let () = session.call_blocking("upper", (at, len)).unwrap();
    String::from_utf8(session.read(at, len).unwrap().to_vec()).unwrap()
}

#[test]
fn a_guest_that_knows_only_pointers_and_lengths_is_used_in_both_modes() {
    for mode in MODES {
        let sandbox = sandbox(mode);
        for _ in 0..3 {
            let mut session = sandbox.session_blocking().unwrap();
            assert_eq!(upper(&mut session, "plugin"), "PLUGIN", "{mode:?}");
            assert_eq!(upper(&mut session, "again"), "AGAIN", "{mode:?}");
        }
    }
}

#[test]
fn calls_of_a_session_see_each_other_and_fresh_ones_after_it_see_nothing() {
    for (mode, next) in [(InstanceMode::Persistent, 4), (InstanceMode::Fresh, 1)] {
        let sandbox = sandbox(mode);
        for round in 0..3 {
            let mut session = sandbox.session_blocking().unwrap();
            let first: i32 = session.call_blocking("count", ()).unwrap();
            assert_eq!(session.call_blocking::<i32>("count", ()).unwrap(), first + 1);
            // What the host writes is put back too.
            session.write(65_532, &[round + 1; 4]).unwrap();
            assert_eq!(session.call_blocking::<i32>("count", ()).unwrap(), first + 2);
            drop(session);
            let after: i32 = sandbox.call_blocking("count", ()).unwrap();
            assert_eq!(after, if mode == InstanceMode::Fresh { 1 } else { first + 3 }, "{mode:?}");
            if round == 0 {
                assert_eq!(after, next);
            }
            let session = sandbox.session_blocking().unwrap();
            let left = session.read(65_532, 4).unwrap().to_vec();
            assert_eq!(left, if mode == InstanceMode::Fresh { [0; 4] } else { [round + 1; 4] });
        }
    }
}

#[test]
fn what_is_outside_the_memory_is_neither_read_nor_written() {
    let mut session = sandbox(InstanceMode::Persistent).session_blocking().unwrap();
    assert_eq!(session.memory().len(), 65_536);
    for (start, len) in [(65_536, 1), (65_530, 7), (u32::MAX, 1), (1, u32::MAX)] {
        let outside = |error| matches!(error, SandboxError::GuestMemory(GuestMemoryError::OutOfBounds { start: at, .. }) if at == start);
        assert!(outside(session.read(start, len).unwrap_err()), "{start} {len}");
    }
    assert!(matches!(session.write(65_530, &[1; 7]), Err(SandboxError::GuestMemory(_))));
    assert_eq!(session.read(65_530, 6).unwrap(), [0; 6], "all or nothing is written");
    assert!(session.read(65_536, 0).unwrap().is_empty());
    assert!(!session.has_ended());
}

#[tokio::test]
async fn handles_are_called_in_a_session_of_their_own_sandbox_only() {
    for mode in MODES {
        let (sandbox, other) = (sandbox(mode), sandbox(mode));
        let count = sandbox.function::<(), i32>("count").unwrap();
        let abort =
            sandbox.with_time_limit(Duration::from_secs(600)).function::<(), ()>("abort").unwrap();
        let mut session = sandbox.session().await.unwrap();
        assert_eq!(count.call_in_blocking(&mut session, ()).unwrap(), 1);
        assert_eq!(session.call_blocking::<i32>("count", ()).unwrap(), 2);
        assert_eq!(count.call_in(&mut session, ()).await.unwrap(), 3);
        assert_eq!(session.usage().calls, 3);
        let mut elsewhere = other.session_blocking().unwrap();
        for refused in
            [count.call_in_blocking(&mut elsewhere, ()), count.call_in(&mut elsewhere, ()).await]
        {
            let error = refused.unwrap_err();
            assert!(matches!(error, SandboxError::OtherSandbox { .. }), "{error}");
            assert_eq!(error.function(), Some("count"));
        }
        assert!(!elsewhere.has_ended());
        assert!(abort.call_in_blocking(&mut session, ()).is_err() && session.has_ended());
    }
}

#[test]
fn a_failed_call_ends_the_session_and_the_next_one_finds_a_new_instance() {
    for mode in MODES {
        let sandbox = sandbox(mode);
        let mut session = sandbox.session_blocking().unwrap();
        assert_eq!(session.call_blocking::<i32>("count", ()).unwrap(), 1);
        let failed = session.call_blocking::<()>("abort", ());
        assert!(matches!(failed, Err(SandboxError::Trap { .. })), "{failed:?}");
        assert!(session.has_ended());
        let ended = |error| matches!(error, SandboxError::SessionEnded { .. });
        assert!(ended(session.call_blocking::<i32>("count", ()).unwrap_err()));
        assert!(ended(session.read(0, 0).unwrap_err()));
        assert!(ended(session.write(0, &[]).unwrap_err()));
        assert!(ended(session.files().unwrap_err()));
        assert!(session.memory().is_empty());
        assert_eq!((session.usage().calls, session.usage().failed_calls), (2, 1));
        // The place is free although the session is still there.
        assert_eq!(sandbox.call_blocking::<i32>("count", ()).unwrap(), 1, "{mode:?}");
    }
}

#[test]
fn a_mistake_of_the_caller_leaves_the_session_as_it_is() {
    let mut session = sandbox(InstanceMode::Fresh).session_blocking().unwrap();
    assert_eq!(session.call_blocking::<i32>("count", ()).unwrap(), 1);
    let unknown = session.call_blocking::<()>("nothing", ());
    assert!(matches!(unknown, Err(SandboxError::NoSuchFunction { .. })));
    let wrong = session.call_blocking::<i32>("count", "text");
    assert!(matches!(wrong, Err(SandboxError::SignatureMismatch { .. })), "{wrong:?}");
    assert_eq!(session.call_blocking::<i32>("count", ()).unwrap(), 2);
}

#[test]
fn output_and_files_and_usage_are_those_of_the_session() {
    for mode in MODES {
        let sandbox = sandbox(mode);
        let mut session = sandbox.session_blocking().unwrap();
        session.write(32, &16u32.to_le_bytes()).unwrap();
        session.write(36, &4u32.to_le_bytes()).unwrap();
        assert_eq!(session.call_blocking::<i32>("say", ()).unwrap(), 0);
        assert_eq!(session.take_output().stdout, b"note");
        assert!(session.take_output().is_empty());
        assert_eq!(session.call_blocking::<i32>("make_note", ()).unwrap(), 0);
        let files = session.files().unwrap();
        files.write("/in/here/deep.txt", "given").unwrap();
        let listed: Vec<_> =
            files.list().into_iter().map(|file| (file.path, file.size_bytes)).collect();
        assert_eq!(listed, [("/in/here/deep.txt".to_owned(), 5), ("/note".to_owned(), 0)]);
        assert_eq!(files.read("in/here/deep.txt").unwrap(), b"given");
        for (path, kind) in [
            ("/in", std::io::ErrorKind::IsADirectory),
            ("/none", std::io::ErrorKind::NotFound),
            ("/note/below", std::io::ErrorKind::NotADirectory),
        ] {
            let Err(SandboxError::GuestFile { error, .. }) = files.read(path) else {
                panic!("{path} was read")
            };
            assert_eq!(error.kind(), kind, "{path}");
        }
        assert_eq!((session.usage().calls, session.usage().memory_high_water_bytes), (2, 65_536));
        drop(session);
        let mut next = sandbox.session_blocking().unwrap();
        let left = if mode == InstanceMode::Fresh { 0 } else { 2 };
        assert_eq!(next.files().unwrap().list().len(), left, "{mode:?}");
    }
}

#[test]
fn a_module_without_wasi_has_no_files() {
    let sandbox = modules::builder(modules::NUMBERS).build_blocking().unwrap();
    let mut session = sandbox.session_blocking().unwrap();
    assert!(matches!(session.files(), Err(SandboxError::GuestFile { .. })));
    assert!(!session.has_ended());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_moves_between_tasks_and_keeps_others_waiting() {
    for mode in MODES {
        let sandbox = sandbox(mode);
        let mut session = sandbox.session().await.unwrap();
        assert_eq!(session.call::<i32>("count", ()).await.unwrap(), 1);
        let waiting = tokio::spawn({
            let sandbox = sandbox.clone();
            async move { sandbox.call::<i32>("count", ()).await }
        });
        let session = tokio::spawn(async move {
            // Often enough for the function to come to the caller's thread.
            for count in 2..100 {
                assert_eq!(session.call::<i32>("count", ()).await.unwrap(), count);
            }
            session
        });
        let session = session.await.unwrap();
        assert!(!waiting.is_finished(), "{mode:?}");
        assert_eq!(session.usage().calls, 99);
        drop(session);
        let after = if mode == InstanceMode::Fresh { 1 } else { 100 };
        assert_eq!(waiting.await.unwrap().unwrap(), after, "{mode:?}");
        assert_eq!(sandbox.usage().calls, 100);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_stops_the_guest_and_ends_the_session() {
    for mode in MODES {
        let sandbox = sandbox(mode);
        let mut session = sandbox.session().await.unwrap();
        let spin = session.call::<()>("spin", ());
        assert!(tokio::time::timeout(Duration::from_millis(20), spin).await.is_err());
        assert!(session.has_ended());
        let ended = session.call::<i32>("count", ()).await;
        assert!(matches!(ended, Err(SandboxError::SessionEnded { .. })));
        assert_eq!(sandbox.call::<i32>("count", ()).await.unwrap(), 1, "{mode:?}");
    }
}

#[test]
fn limits_hold_for_each_call_of_a_session() {
    let sandbox = sandbox(InstanceMode::Fresh);
    let limited = sandbox.with_time_limit(Duration::from_millis(30));
    let mut session = limited.session_blocking().unwrap();
    assert_eq!(session.call_blocking::<i32>("count", ()).unwrap(), 1);
    let stopped = session.call_blocking::<()>("spin", ());
    assert!(matches!(stopped, Err(SandboxError::Timeout { .. })), "{stopped:?}");
    drop(session);

    let handle = CancelHandle::new();
    let mut session = sandbox.with_cancel_handle(&handle).session_blocking().unwrap();
    assert_eq!(session.call_blocking::<i32>("count", ()).unwrap(), 1);
    handle.cancel();
    let cancelled = session.call_blocking::<i32>("count", ());
    assert!(matches!(cancelled, Err(SandboxError::Cancelled { .. })), "{cancelled:?}");
}

#[test]
fn a_session_is_for_any_thread() {
    fn is_send<T: Send>(_: &T) {}
    let sandbox = sandbox(InstanceMode::Fresh);
    let mut session = sandbox.session_blocking().unwrap();
    is_send(&session);
    is_send(&session.call::<i32>("count", ()));
    is_send(&sandbox.session());
}
