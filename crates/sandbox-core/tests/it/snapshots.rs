//! Snapshots: what a guest is between two calls, for others to begin as.

use std::process::Command;

use sandbox_core::{
    Access, FileBundle, InstanceMode, MemoryReset, Module, Randomness, SandboxError, SealingKey,
    SecurityPolicy, Session, SigningKey, Snapshot, SnapshotFault, WasmSandbox,
};

use crate::compile_limits::PRESETS;
use crate::modules;
use crate::probe::{CREATE, Probe, READ, WRITE};

/// Counts in a global and in memory, grows, and fills what it has.
const COUNTER: &str = r#"(module
    (memory (export "memory") 1)
    (global $calls (mut i64) (i64.const 0))
    (global $step (mut i32) (i32.const 1))
    (func (export "count") (result i64)
        (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
        (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (global.get $step)))
        (i64.add (i64.mul (global.get $calls) (i64.const 1000)) (i64.load32_u (i32.const 8))))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "fill") (param i32)
        (memory.fill (i32.const 16) (local.get 0)
            (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 16))))
    (func (export "abort") unreachable))"#;

/// Reads a file that it wrote before byte by byte, and draws random bytes.
const READER: &str = r#"(module
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 16) "note")
    (data (i32.const 32) "\40\00\00\00\08\00\00\00")
    (data (i32.const 64) "abcdefgh")
    (func (export "warm") (result i32)
        (i32.or
            (i32.or
                (call $open (i32.const 3) (i32.const 0) (i32.const 16) (i32.const 4) (i32.const 1)
                    (i64.const 70) (i64.const 0) (i32.const 0) (i32.const 56))
                (call $write (i32.load (i32.const 56)) (i32.const 32) (i32.const 1) (i32.const 48)))
            (i32.or
                (call $seek (i32.load (i32.const 56)) (i64.const 2) (i32.const 0) (i32.const 48))
                (call $random (i32.const 128) (i32.const 8)))))
    (func (export "step") (result i64)
        (i32.store (i32.const 40) (i32.const 96))
        (i32.store (i32.const 44) (i32.const 1))
        (drop (call $read (i32.load (i32.const 56)) (i32.const 40) (i32.const 1) (i32.const 48)))
        (drop (call $random (i32.const 136) (i32.const 8)))
        (i64.or
            (i64.shl (i64.load (i32.const 136)) (i64.const 8))
            (i64.load8_u (i32.const 96)))))"#;

const MODES: [InstanceMode; 2] = [InstanceMode::Persistent, InstanceMode::Fresh];

fn begun(snapshot: &Snapshot, mode: InstanceMode) -> WasmSandbox {
    let policy = snapshot.policy().clone().with_instances(mode).with_max_instances(2);
    WasmSandbox::builder().snapshot(snapshot).security_policy(policy).build_blocking().unwrap()
}

/// A sandbox of the counter, and a session that has counted to three.
fn counted(policy: SecurityPolicy) -> (WasmSandbox, Session) {
    let sandbox = modules::builder(COUNTER).security_policy(policy).build_blocking().unwrap();
    let mut session = sandbox.session_blocking().unwrap();
    for count in 1..=3 {
        assert_eq!(session.call_blocking::<i64>("count", ()).unwrap(), count * 1001);
    }
    (sandbox, session)
}

fn fault(result: sandbox_core::Result<impl Sized>) -> SnapshotFault {
    match result.err().unwrap() {
        SandboxError::Snapshot(fault) => fault,
        error => panic!("{error}"),
    }
}

#[test]
fn sandboxes_of_both_modes_begin_at_a_snapshot_and_do_not_see_each_other() {
    for (name, policy) in PRESETS {
        for taken_in in MODES {
            let (sandbox, mut session) = counted(policy.clone().with_instances(taken_in));
            let snapshot = session.snapshot().unwrap();
            assert_eq!(snapshot.memory_bytes(), 65_536);
            assert!(!snapshot.has_drawn_secrets());
            for mode in MODES {
                let begun: Vec<_> = (0..10).map(|_| begun(&snapshot, mode)).collect();
                for round in 1..=3 {
                    let count = if mode == InstanceMode::Fresh { 1 } else { round };
                    for sandbox in &begun {
                        let counted: i64 = sandbox.call_blocking("count", ()).unwrap();
                        assert_eq!(counted, (3 + count) * 1001, "{name}, {taken_in:?}, {mode:?}");
                    }
                }
            }
            // The session goes on where it was, and after it the sandbox.
            assert_eq!(session.call_blocking::<i64>("count", ()).unwrap(), 4 * 1001);
            drop(session);
            let next = if taken_in == InstanceMode::Fresh { 1 } else { 5 };
            assert_eq!(sandbox.call_blocking::<i64>("count", ()).unwrap(), next * 1001, "{name}");
        }
    }
}

#[test]
fn a_sandbox_whose_guest_was_stopped_begins_at_the_snapshot_again() {
    let (_, mut session) = counted(SecurityPolicy::strict());
    let snapshot = session.snapshot().unwrap();
    drop(session);
    for mode in MODES {
        let sandbox = begun(&snapshot, mode);
        for _ in 0..3 {
            assert_eq!(sandbox.call_blocking::<i64>("count", ()).unwrap(), 4 * 1001, "{mode:?}");
            sandbox.call_blocking::<()>("abort", ()).unwrap_err();
        }
    }
}

#[test]
fn memory_that_grew_is_as_large_and_shows_the_same_everywhere() {
    for taken_in in MODES {
        let policy = SecurityPolicy::basic().with_memory_limit(2 << 20).with_instances(taken_in);
        let (sandbox, mut session) = counted(policy.clone());
        // To the limit, to the last byte.
        assert_eq!(session.call_blocking::<i32>("grow", 31).unwrap(), 1);
        let () = session.call_blocking("fill", 0x5a).unwrap();
        let snapshot = session.snapshot().unwrap();
        assert_eq!(snapshot.memory_bytes(), 2 << 20);
        let memory = session.memory().to_vec();
        let key = SigningKey::generate().unwrap();
        let saved = snapshot.save(&key).unwrap();
        let loaded = Snapshot::load(&saved, sandbox.module(), &policy, &key).unwrap();
        // What the session does afterwards is in neither.
        let () = session.call_blocking("fill", 1).unwrap();
        for snapshot in [snapshot, loaded] {
            for mode in MODES {
                let sandbox = begun(&snapshot, mode);
                for round in 0..3 {
                    let mut session = sandbox.session_blocking().unwrap();
                    if mode == InstanceMode::Fresh || round == 0 {
                        assert!(session.memory() == memory, "{taken_in:?}, {mode:?}, {round}");
                    }
                    let () = session.call_blocking("fill", round).unwrap();
                    // It is at its limit there too.
                    let grown = session.call_blocking::<i32>("grow", 1);
                    assert!(!matches!(grown, Ok(0..)), "{grown:?}");
                    if session.has_ended() {
                        break;
                    }
                }
            }
        }
    }
}

#[test]
fn instances_that_are_reset_are_those_of_a_new_sandbox() {
    for reset in [MemoryReset::Quickest, MemoryReset::Discard, MemoryReset::Copy] {
        let policy = SecurityPolicy::strict().with_instances(InstanceMode::Fresh);
        let (_, mut session) = counted(policy);
        let snapshot = session.snapshot().unwrap();
        let make = || {
            let builder = WasmSandbox::builder().snapshot(&snapshot).memory_reset(reset);
            builder.build_blocking().unwrap()
        };
        let sandbox = make();
        for round in 0..20u8 {
            let new = make();
            let mut used = sandbox.session_blocking().unwrap();
            assert!(used.memory() == new.session_blocking().unwrap().memory(), "{reset:?}");
            used.write(1000 + u32::from(round) * 3000, &[round + 1; 100]).unwrap();
            assert_eq!(used.call_blocking::<i64>("count", ()).unwrap() / 1000, 4, "{reset:?}");
            if reset != MemoryReset::Copy {
                assert_eq!(used.call_blocking::<i32>("grow", i32::from(round % 4)).unwrap(), 1);
            }
        }
    }
}

#[test]
fn memory_that_is_copied_cannot_begin_larger_than_its_module_has_it() {
    let (_, mut session) = counted(SecurityPolicy::basic());
    let same = session.snapshot().unwrap();
    assert_eq!(session.call_blocking::<i32>("grow", 1).unwrap(), 1);
    let grown = session.snapshot().unwrap();
    for mode in MODES {
        let policy = same.policy().clone().with_instances(mode);
        let build = |snapshot| {
            let builder = WasmSandbox::builder().snapshot(snapshot).security_policy(policy.clone());
            builder.memory_reset(MemoryReset::Copy).build_blocking()
        };
        let sandbox = build(&same).unwrap();
        assert_eq!(sandbox.call_blocking::<i64>("count", ()).unwrap(), 4 * 1001);
        assert_eq!(fault(build(&grown)), SnapshotFault::GrownMemory);
    }
}

fn seeded(mode: InstanceMode) -> SecurityPolicy {
    SecurityPolicy::strict().with_randomness(Randomness::Seeded(7)).with_instances(mode)
}

fn warm(policy: SecurityPolicy) -> (WasmSandbox, Session) {
    let sandbox = modules::builder(READER).security_policy(policy).build_blocking().unwrap();
    let mut session = sandbox.session_blocking().unwrap();
    assert_eq!(session.call_blocking::<i32>("warm", ()).unwrap(), 0);
    (sandbox, session)
}

/// Results of three steps in one session, of which the lowest bytes were read from the file.
fn steps(session: &mut Session) -> [i64; 3] {
    let steps = [(); 3].map(|()| session.call_blocking::<i64>("step", ()).unwrap());
    assert_eq!(steps.map(|step| step & 0xff), [b'c', b'd', b'e'].map(i64::from));
    steps
}

#[test]
fn files_descriptors_and_seeded_random_bytes_go_on_where_they_were() {
    for taken_in in MODES {
        let (sandbox, mut session) = warm(seeded(taken_in));
        let snapshot = session.snapshot().unwrap();
        assert!(!snapshot.has_drawn_secrets());
        let key = SigningKey::generate().unwrap();
        let saved = snapshot.save(&key).unwrap();
        let loaded = Snapshot::load(&saved, sandbox.module(), sandbox.policy(), &key).unwrap();
        let expected = steps(&mut session);
        for snapshot in [&snapshot, &loaded] {
            for mode in MODES {
                let sandbox = begun(snapshot, mode);
                let mut session = sandbox.session_blocking().unwrap();
                assert_eq!(session.files().unwrap().read("/note").unwrap(), b"abcdefgh");
                // What one does to its file no other sees.
                session.files().unwrap().write("/other", b"other").unwrap();
                assert_eq!(steps(&mut session), expected, "{taken_in:?}, {mode:?}");
                let mut second = begun(snapshot, mode).session_blocking().unwrap();
                assert!(second.files().unwrap().read("/other").is_err());
                assert_eq!(steps(&mut second), expected, "{taken_in:?}, {mode:?}");
                drop(session);
                if mode == InstanceMode::Fresh {
                    for _ in 0..3 {
                        let step: i64 = sandbox.call_blocking("step", ()).unwrap();
                        assert_eq!(step, expected[0]);
                    }
                }
            }
        }
        // To save what was loaded changes nothing.
        assert!(loaded.save(&key).unwrap() == saved);
    }
}

#[test]
fn secrets_that_were_drawn_are_told_and_are_drawn_anew() {
    let policy = SecurityPolicy::basic();
    let (sandbox, mut session) = warm(policy.clone());
    let snapshot = session.snapshot().unwrap();
    let key = SigningKey::generate().unwrap();
    let saved = snapshot.save(&key).unwrap();
    let loaded = Snapshot::load(&saved, sandbox.module(), &policy, &key).unwrap();
    for snapshot in [&snapshot, &loaded] {
        assert!(snapshot.has_drawn_secrets());
        let drawn = [(); 2].map(|()| {
            steps(&mut begun(snapshot, InstanceMode::Persistent).session_blocking().unwrap())
        });
        assert_ne!(drawn[0], drawn[1]);
    }
}

const SAVED: &str = "SANDBOX_TEST_SNAPSHOT";
const PUBLIC: &str = "SANDBOX_TEST_SNAPSHOT_KEY";

/// Not a test: the process that has module, policy and the public key.
#[test]
#[ignore = "runs only as a process of another test"]
fn worker() {
    let Ok(path) = std::env::var(SAVED) else { return };
    let public: Vec<u8> =
        std::env::var(PUBLIC).unwrap().split(',').map(|byte| byte.parse().unwrap()).collect();
    let public = sandbox_core::VerifyingKey::from_bytes(public.try_into().unwrap());
    let policy = seeded(InstanceMode::Fresh);
    let module = Module::compile(&modules::wasm(READER), &policy).unwrap();
    let saved = std::fs::read(path).unwrap();
    let snapshot = Snapshot::load(&saved, &module, &policy, &public).unwrap();
    for mode in MODES {
        let mut session = begun(&snapshot, mode).session_blocking().unwrap();
        let hash: u64 = session.memory().iter().fold(7, |hash, byte| {
            u64::from(*byte).wrapping_add(hash.wrapping_mul(0x0100_0000_01b3))
        });
        println!("memory {hash}, steps {:?}.", steps(&mut session));
    }
}

#[test]
fn another_process_goes_on_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapshot");
    let secret = SealingKey::generate().unwrap();
    let (_, mut session) = warm(seeded(InstanceMode::Persistent));
    let saved = session.snapshot().unwrap().save(&secret).unwrap();
    std::fs::write(&path, saved).unwrap();
    let hash: u64 = session
        .memory()
        .iter()
        .fold(7, |hash, byte| u64::from(*byte).wrapping_add(hash.wrapping_mul(0x0100_0000_01b3)));
    let expected = format!("memory {hash}, steps {:?}.", steps(&mut session));
    let public: Vec<String> = secret.verifying_key().to_bytes().iter().map(u8::to_string).collect();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "snapshots::worker", "--ignored", "--nocapture"])
        .env(SAVED, &path)
        .env(PUBLIC, public.join(","))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.matches(&expected).count(), 2, "{text}\n{expected}");
}

#[test]
fn a_session_that_has_ended_has_no_snapshot() {
    for mode in MODES {
        let (_, mut session) = counted(SecurityPolicy::strict().with_instances(mode));
        session.call_blocking::<()>("abort", ()).unwrap_err();
        let error = session.snapshot().unwrap_err();
        assert!(matches!(error, SandboxError::SessionEnded { .. }), "{error}");
    }
}

#[test]
fn what_another_instance_cannot_have_is_refused() {
    let policy = SecurityPolicy::strict();
    let tables = r#"(module (table 1 funcref) (func $f) (elem declare func $f)
        (func (export "set") (table.set (i32.const 0) (ref.func $f))))"#;
    let sandbox = modules::builder(tables).security_policy(policy.clone()).build_blocking();
    let snapshot = sandbox.unwrap().session_blocking().unwrap().snapshot();
    assert_eq!(fault(snapshot), SnapshotFault::TablesOrSegments);

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "contents").unwrap();
    std::fs::create_dir(folder.path().join("below")).unwrap();
    let granted = policy.clone().with_folder(folder.path(), "/granted", Access::ReadWrite);
    let snapshot = |probe: &Probe| probe.sandbox.session_blocking().unwrap().snapshot();
    let probe = Probe::new(granted.clone());
    let taken = snapshot(&probe).unwrap();
    for path in ["granted/file", "granted/below"] {
        let opened = probe.open(path, 0, READ).unwrap();
        assert_eq!(fault(snapshot(&probe)), SnapshotFault::OpenOfHost, "{path}");
        probe.close(opened);
        snapshot(&probe).unwrap();
    }
    let opened = probe.open("granted/new", CREATE, WRITE).unwrap();
    probe.close(opened);
    assert_eq!(fault(snapshot(&probe)), SnapshotFault::HostChanged);
    // One that was taken before has the folder, as the policy grants it.
    let key = SigningKey::generate().unwrap();
    let saved = taken.save(&key).unwrap();
    let loaded = Snapshot::load(&saved, probe.sandbox.module(), &granted, &key).unwrap();
    for taken in [&taken, &loaded] {
        let again = Probe { sandbox: begun(taken, InstanceMode::Persistent) };
        again.open("granted/file", 0, READ).unwrap();
    }

    let network = SecurityPolicy::permissive().with_network_host("localhost", 80);
    assert_eq!(fault(snapshot(&Probe::new(network))), SnapshotFault::Network);
}

#[test]
fn a_bundle_is_there_in_this_process_and_cannot_be_saved() {
    let bundle = FileBundle::builder().file("file", "contents").build().unwrap();
    let probe = Probe::new(SecurityPolicy::strict().with_bundle(&bundle, "/data"));
    let opened = probe.open("/data/file", 0, READ).unwrap();
    let snapshot = probe.sandbox.session_blocking().unwrap().snapshot().unwrap();
    let again = Probe { sandbox: begun(&snapshot, InstanceMode::Persistent) };
    again.close(opened);
    again.open("/data/file", 0, READ).unwrap();
    let key = SigningKey::generate().unwrap();
    assert_eq!(fault(snapshot.save(&key)), SnapshotFault::PolicyOfProcess);
}

#[test]
fn another_module_or_policy_is_refused() {
    let policy = SecurityPolicy::strict();
    let (sandbox, mut session) = counted(policy.clone());
    let snapshot = session.snapshot().unwrap();
    let key = SigningKey::generate().unwrap();
    let saved = snapshot.save(&key).unwrap();
    let load =
        |module: &Module, policy: &SecurityPolicy| Snapshot::load(&saved, module, policy, &key);
    let other = Module::compile(&modules::wasm(modules::NUMBERS), &policy).unwrap();
    assert_eq!(fault(load(&other, &policy)), SnapshotFault::OtherModule);
    let more = policy.clone().with_memory_limit(1 << 30);
    for other in [more.clone(), policy.clone().with_argument("one")] {
        assert_eq!(fault(load(sandbox.module(), &other)), SnapshotFault::OtherPolicy);
        let builder = WasmSandbox::builder().snapshot(&snapshot).security_policy(other);
        assert_eq!(fault(builder.build_blocking()), SnapshotFault::OtherPolicy);
    }
    let builder = WasmSandbox::builder().snapshot(&snapshot).memory_limit(65_536);
    assert_eq!(fault(builder.build_blocking()), SnapshotFault::OtherPolicy);
    // How many there are and how long they live is the host's choice.
    for mode in MODES {
        let policy = policy.clone().with_instances(mode).with_max_instances(3);
        assert_eq!(load(sandbox.module(), &policy).unwrap().policy(), &policy);
    }
}

#[test]
fn a_module_that_counts_fuel_is_another() {
    let policy = SecurityPolicy::basic();
    let metered = policy.clone().with_fuel(1_000_000_000);
    let wasm = modules::wasm(COUNTER);
    let (plain, counting) =
        (Module::compile(&wasm, &policy).unwrap(), Module::compile(&wasm, &metered).unwrap());
    let key = SigningKey::generate().unwrap();
    for (module, other) in [(&plain, &counting), (&counting, &plain)] {
        let builder = WasmSandbox::builder().module(module).security_policy(policy.clone());
        let mut session = builder.build_blocking().unwrap().session_blocking().unwrap();
        let saved = session.snapshot().unwrap().save(&key).unwrap();
        Snapshot::load(&saved, module, &policy, &key).unwrap();
        let refused = Snapshot::load(&saved, other, &policy, &key);
        assert_eq!(fault(refused), SnapshotFault::OtherModule);
    }
}

#[test]
fn what_was_not_sealed_so_is_refused() {
    let policy = SecurityPolicy::strict();
    let (sandbox, mut session) = counted(policy.clone());
    let module = sandbox.module();
    let snapshot = session.snapshot().unwrap();
    let (symmetric, secret) = (SigningKey::generate().unwrap(), SealingKey::generate().unwrap());
    let public = secret.verifying_key();
    let foreign = SigningKey::generate().unwrap();
    for saved in [snapshot.save(&symmetric).unwrap(), snapshot.save(&secret).unwrap()] {
        let keys = sandbox_core::KeyRing::new().with(&symmetric).with(&public);
        let load = |saved: &[u8]| Snapshot::load(saved, module, &policy, &keys);
        load(&saved).unwrap();
        let stranger = Snapshot::load(&saved, module, &policy, &foreign);
        assert_eq!(fault(stranger), SnapshotFault::ForeignKey);
        let flips = (0..256).chain((256..saved.len()).step_by(251)).chain([saved.len() - 1]);
        for at in flips {
            let mut flipped = saved.clone();
            flipped[at] ^= 1 << (at % 8);
            let fault = fault(load(&flipped));
            let of_header =
                matches!(fault, SnapshotFault::Unrecognised | SnapshotFault::ForeignKey);
            assert!(fault == SnapshotFault::Altered || at < 16 && of_header, "{at}: {fault}");
        }
        for len in [0, 1, 31, 32, 63, 64, 127, 128, 200, saved.len() - 1] {
            let fault = fault(load(&saved[..len]));
            assert!(matches!(fault, SnapshotFault::Unrecognised | SnapshotFault::Altered), "{len}");
        }
        let longer = [&saved[..], &[0]].concat();
        assert_eq!(fault(load(&longer)), SnapshotFault::Altered);
        // A snapshot is no module.
        let error = Module::load(&saved, &policy, &keys).unwrap_err();
        assert!(matches!(error, SandboxError::ArtifactRejected(_)), "{error}");
        Module::inspect(&saved).unwrap_err();
    }
    // Nor is a module a snapshot.
    for sealed in [module.seal(&symmetric).unwrap(), module.seal(&secret).unwrap()] {
        let keys = sandbox_core::KeyRing::new().with(&symmetric).with(&public);
        let loaded = Snapshot::load(&sealed, module, &policy, &keys);
        assert_eq!(fault(loaded), SnapshotFault::Unrecognised);
    }
}

#[test]
fn a_guest_in_rust_goes_on_with_what_it_keeps() {
    let sandbox = WasmSandbox::builder()
        .source(modules::guest("abi_probe"))
        .security_policy(modules::strict_and_persistent())
        .build_blocking()
        .unwrap();
    let mut session = sandbox.session_blocking().unwrap();
    let data = vec![7u8; 100_000];
    let before: Vec<u8> = session.call_blocking("echo", &data).unwrap();
    assert!(before == data);
    let snapshot = session.snapshot().unwrap();
    let key = SigningKey::generate().unwrap();
    let saved = snapshot.save(&key).unwrap();
    assert!(saved.len() < 4 << 20, "{} bytes", saved.len());
    let loaded = Snapshot::load(&saved, sandbox.module(), sandbox.policy(), &key).unwrap();
    for snapshot in [&snapshot, &loaded] {
        for mode in MODES {
            let sandbox = begun(snapshot, mode);
            for _ in 0..3 {
                let after: Vec<u8> = sandbox.call_blocking("echo", &data).unwrap();
                assert!(after == data, "{mode:?}");
            }
        }
    }
}
