//! Saved snapshots that were sealed with the right key, and hold what no guest could have had.

use serde_json::{Value, json};

use super::*;
use crate::WasmSandbox;
use crate::policy::Randomness;
use crate::signing::SigningKey;

/// A guest with a folder, a file that has another name too, a link, and a file that is open and has no name.
const GUEST: &str = r#"(module
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_create_directory"
        (func $folder (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_link"
        (func $name (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_symlink"
        (func $link (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_unlink_file"
        (func $remove (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (memory (export "memory") 1 4)
    (global $calls (mut i64) (i64.const 0))
    (data (i32.const 16) "folder/file")
    (data (i32.const 32) "gone")
    (data (i32.const 40) "\10\00\00\00\0b\00\00\00")
    (func $make (param $path i32) (param $len i32) (result i32)
        (i32.or
            (call $open (i32.const 3) (i32.const 0) (local.get $path) (local.get $len) (i32.const 1)
                (i64.const 66) (i64.const 0) (i32.const 0) (i32.const 56))
            (call $write (i32.load (i32.const 56)) (i32.const 40) (i32.const 1) (i32.const 48))))
    (func (export "warm") (result i32)
        (i32.or (call $folder (i32.const 3) (i32.const 16) (i32.const 6))
        (i32.or (call $make (i32.const 16) (i32.const 11))
        (i32.or (call $name (i32.const 3) (i32.const 0) (i32.const 16) (i32.const 11)
            (i32.const 3) (i32.const 23) (i32.const 4))
        (i32.or (call $link (i32.const 16) (i32.const 6) (i32.const 3) (i32.const 32) (i32.const 2))
        (i32.or (call $make (i32.const 32) (i32.const 4))
            (call $remove (i32.const 3) (i32.const 32) (i32.const 4))))))))
    (func (export "use") (result i32)
        (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
        (drop (memory.grow (i32.const 1)))
        (drop (call $random (i32.const 128) (i32.const 64)))
        (drop (call $write (i32.const 4) (i32.const 40) (i32.const 1) (i32.const 48)))
        (drop (call $write (i32.const 5) (i32.const 40) (i32.const 1) (i32.const 48)))
        (drop (call $remove (i32.const 3) (i32.const 16) (i32.const 11)))
        (call $make (i32.const 16) (i32.const 11))))"#;

struct Saved {
    module: Module,
    policy: SecurityPolicy,
    key: SigningKey,
    record: Value,
    contents: Bytes,
}

impl Saved {
    fn new() -> Self {
        let policy = SecurityPolicy::strict().with_randomness(Randomness::Seeded(7));
        let module = Module::compile(&wat::parse_str(GUEST).unwrap(), &policy).unwrap();
        let sandbox = WasmSandbox::builder().module(&module).build_blocking().unwrap();
        let mut session = sandbox.session_blocking().unwrap();
        assert_eq!(session.call_blocking::<i32>("warm", ()).unwrap(), 0);
        let key = SigningKey::generate().unwrap();
        let saved = session.snapshot().unwrap().save(&key).unwrap();
        let (description, contents) =
            envelope::open_snapshot(saved.into(), &KeyRing::from(&key)).unwrap();
        let record = serde_json::from_slice(&description).unwrap();
        Self { module, policy, key, record, contents }
    }

    fn load(&self, record: &Value) -> Result<Snapshot> {
        let description = serde_json::to_vec(record).unwrap();
        let key = Sealer::from(&self.key);
        let saved = envelope::seal(&description, &self.contents, key, Purpose::Snapshot);
        Snapshot::load(&saved, &self.module, &self.policy, &self.key)
    }

    /// Loads the record with a change, which has to be refused.
    #[track_caller]
    fn refused(&self, pointer: &str, value: Value) {
        let mut record = self.record.clone();
        *record.pointer_mut(pointer).expect(pointer) = value;
        let error = self.load(&record).map(drop).expect_err(pointer);
        let SandboxError::Snapshot(fault) = error else { panic!("{pointer}: {error}") };
        let expected = if pointer == "/globals" {
            SnapshotFault::OtherModule
        } else {
            SnapshotFault::Unrecognised
        };
        assert_eq!(fault, expected, "{pointer}");
    }
}

#[test]
fn what_no_guest_could_have_had_is_refused() {
    let saved = Saved::new();
    saved.load(&saved.record).unwrap();
    for len in [0, 65_535, 65_537, 5 * 65_536, u64::MAX] {
        saved.refused("/memories/0/len", json!(len));
    }
    for parts in [json!([1]), json!([u64::MAX]), json!([0, 0]), json!([-1])] {
        saved.refused("/memories/0/parts", parts);
    }
    saved.refused("/memories", json!([]));
    saved.refused("/globals", json!([]));
    saved.refused("/version", json!(2));
    saved.refused("/wasi/random", json!({"secure": {"drawn": false}}));
    saved.refused("/wasi/table/4/flags", json!(0xffff));
    saved.refused("/wasi/table/4/kind", json!("socket"));
    saved.refused("/wasi/files/free", json!([0]));
    saved.refused("/wasi/files/free", json!([1000]));
    saved.refused("/wasi/files/nodes", json!([]));
    saved.refused("/wasi/files/nodes/0/links", json!(0));
    // A folder that is in itself, and one that names what is not there.
    let folder = |id: u32| json!([["folder", {"node": id}]]);
    saved.refused("/wasi/files/nodes/1/body/folder/entries", folder(1));
    saved.refused("/wasi/files/nodes/1/body/folder/entries", folder(99));
    saved.refused("/wasi/files/nodes/1/body/folder/entries/0/0", json!("../file"));
    saved.refused("/wasi/files/nodes/2/links", json!(1));
    saved.refused("/wasi/files/nodes/2/body/file/len", json!(u64::MAX));
    for (field, value) in [("index", u64::MAX), ("len", 12), ("len", u64::MAX), ("charged", 0)] {
        saved.refused(&format!("/wasi/files/nodes/2/body/file/chunks/0/{field}"), json!(value));
    }
}

#[test]
fn whatever_number_is_changed_the_host_is_well() {
    fn numbers(value: &Value, at: String, found: &mut Vec<String>) {
        match value {
            Value::Number(_) => found.push(at),
            Value::Array(values) => values.iter().enumerate().for_each(|(index, value)| {
                numbers(value, format!("{at}/{index}"), found);
            }),
            Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                numbers(value, format!("{at}/{name}"), found);
            }),
            _ => {}
        }
    }

    let saved = Saved::new();
    let mut found = Vec::new();
    numbers(&saved.record, String::new(), &mut found);
    assert!(found.len() > 50, "{}", found.len());
    let (mut refused, mut begun) = (0, 0);
    for pointer in found {
        for value in [0, 1, 5, u64::from(u32::MAX), i64::MAX.cast_unsigned(), u64::MAX] {
            let mut record = saved.record.clone();
            *record.pointer_mut(&pointer).unwrap() = json!(value);
            let built = saved
                .load(&record)
                .and_then(|snapshot| WasmSandbox::builder().snapshot(&snapshot).build_blocking());
            match built {
                Ok(sandbox) => {
                    // It may fail, as a guest may; and it ends.
                    let _: Result<i32> = sandbox.call_blocking("use", ());
                    begun += 1;
                }
                Err(SandboxError::Snapshot(_) | SandboxError::Instantiation { .. }) => refused += 1,
                Err(error) => panic!("{pointer} = {value}: {error}"),
            }
        }
    }
    assert!(refused > 0 && begun > 0, "{refused} refused, {begun} begun");
}
