//! Core dumps of guests that trap, read again as a debugger reads them.

use std::time::Duration;

use sandbox_core::{CoreDump, CoreDumps, InstanceMode, RunRequest, SandboxError, SecurityPolicy};
use wasmparser::{DataKind, KnownCustom, Parser, Payload, Validator};

use crate::modules;

/// Traps three calls deep, with two pages of three written.
const DEEP: &str = r#"(module
    (memory (export "memory") 3)
    (func $inner unreachable)
    (func $middle (call $inner))
    (func (export "deep") (param i32)
        (i32.store (i32.const 70000) (local.get 0))
        (i32.store8 (i32.const 196607) (i32.const 7))
        (call $middle))
    (func (export "spin") (loop $again (br $again)))
    (func (export "_start") (i32.store (i32.const 8) (i32.const 9)) (call $middle)))"#;

/// Contents of a core dump.
#[derive(Debug, Default)]
struct Read {
    process: String,
    modules: Vec<String>,
    /// Of each instance: its module, memories and globals.
    instances: Vec<(u32, Vec<u32>, usize)>,
    /// Of each call, innermost first: its instance and function.
    frames: Vec<(u32, u32)>,
    memory_pages: Option<u64>,
    /// Address and bytes.
    contents: Vec<(u32, Vec<u8>)>,
}

impl Read {
    fn of(dump: &CoreDump) -> Self {
        Validator::new().validate_all(dump.as_bytes()).unwrap();
        let mut read = Self::default();
        for payload in Parser::new(0).parse_all(dump.as_bytes()) {
            match payload.unwrap() {
                Payload::CustomSection(section) => match section.as_known() {
                    KnownCustom::CoreDump(core) => read.process = core.name.to_owned(),
                    KnownCustom::CoreDumpModules(core) => {
                        read.modules = core.modules.iter().map(|name| (*name).to_owned()).collect();
                    }
                    KnownCustom::CoreDumpInstances(core) => {
                        let instances = core.instances.into_iter();
                        read.instances = instances
                            .map(|one| (one.module_index, one.memories, one.globals.len()))
                            .collect();
                    }
                    KnownCustom::CoreDumpStack(stack) => {
                        let frames = stack.frames.iter();
                        read.frames =
                            frames.map(|frame| (frame.instanceidx, frame.funcidx)).collect();
                    }
                    _ => panic!("{} is in no core dump", section.name()),
                },
                Payload::MemorySection(memories) => {
                    read.memory_pages = Some(memories.into_iter().next().unwrap().unwrap().initial);
                }
                Payload::DataSection(segments) => {
                    read.contents = segments
                        .into_iter()
                        .map(|segment| segment.unwrap())
                        .map(contents)
                        .collect();
                }
                _ => {}
            }
        }
        read
    }

    fn byte(&self, address: u32) -> u8 {
        let within = |(start, bytes): &&(u32, Vec<u8>)| {
            (*start..*start + u32::try_from(bytes.len()).unwrap()).contains(&address)
        };
        let found = self.contents.iter().find(within);
        found.map_or(0, |(start, bytes)| bytes[(address - start) as usize])
    }
}

fn contents(segment: wasmparser::Data<'_>) -> (u32, Vec<u8>) {
    let DataKind::Active { offset_expr, .. } = segment.kind else { panic!("it is passive") };
    let wasmparser::Operator::I32Const { value } =
        offset_expr.get_operators_reader().read().unwrap()
    else {
        panic!("it is no constant")
    };
    (value.cast_unsigned(), segment.data.to_vec())
}

fn dumping(text: &str, mode: InstanceMode) -> sandbox_core::WasmSandboxBuilder {
    let policy = SecurityPolicy::strict().with_instances(mode);
    let policy = policy.with_wall_clock(Duration::from_millis(200));
    modules::builder(text).security_policy(policy).core_dumps(CoreDumps::OnTrap)
}

#[test]
fn a_core_dump_has_the_calls_and_the_memory_of_the_guest() {
    for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
        let sandbox = dumping(DEEP, mode).build_blocking().unwrap();
        for written in [5, 6] {
            let error = sandbox.call_blocking::<()>("deep", written).unwrap_err();
            assert!(matches!(error, SandboxError::Trap { .. }), "{error}");
            let read = Read::of(error.core_dump().unwrap());
            assert_eq!(read.process, sandbox.module().wasm_hash());
            assert_eq!(read.modules, [sandbox.module().wasm_hash()]);
            assert_eq!(read.instances, [(0, vec![0], 0)]);
            assert_eq!(read.frames, [(0, 0), (0, 1), (0, 2)], "{mode:?}");
            assert_eq!(read.memory_pages, Some(3));
            assert_eq!(u8::try_from(written).unwrap(), read.byte(70_000));
            assert_eq!((read.byte(196_607), read.byte(8)), (7, 0));
            let bytes: usize = read.contents.iter().map(|(_, bytes)| bytes.len()).sum();
            assert_eq!(bytes, 2 * 65_536, "the page that is zero is left out");
        }
    }
}

#[test]
fn a_program_and_a_guest_without_memory_leave_core_dumps_too() {
    let sandbox = dumping(DEEP, InstanceMode::Persistent).build_blocking().unwrap();
    let error = sandbox.run_blocking(RunRequest::new()).unwrap_err();
    let read = Read::of(error.core_dump().unwrap());
    assert_eq!((read.byte(8), read.frames.len()), (9, 3));

    let bare = r#"(module (func (export "f") unreachable))"#;
    let sandbox = dumping(bare, InstanceMode::Fresh).build_blocking().unwrap();
    let error = sandbox.call_blocking::<()>("f", ()).unwrap_err();
    let read = Read::of(error.core_dump().unwrap());
    assert_eq!((read.instances, read.memory_pages), (vec![(0, Vec::new(), 0)], None));
}

#[test]
fn a_guest_that_is_stopped_or_not_asked_leaves_no_core_dump() {
    let sandbox = dumping(DEEP, InstanceMode::Persistent).build_blocking().unwrap();
    let error = sandbox.call_blocking::<()>("spin", ()).unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
    assert!(error.core_dump().is_none());

    // Alike but for the core dumps, and so not of the same instances.
    for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
        let _asks = dumping(DEEP, mode).build_blocking().unwrap();
        let policy = SecurityPolicy::strict().with_instances(mode);
        let policy = policy.with_wall_clock(Duration::from_millis(200));
        let silent = modules::builder(DEEP).security_policy(policy).build_blocking().unwrap();
        let error = silent.call_blocking::<()>("deep", 5).unwrap_err();
        assert!(error.core_dump().is_none(), "{mode:?}");
    }
}

#[test]
fn a_panic_leaves_a_core_dump_that_no_message_shows() {
    let guest = modules::guest("abi_probe");
    let builder = sandbox_core::WasmSandbox::builder().source(guest);
    let sandbox = builder.core_dumps(CoreDumps::OnTrap).build_blocking().unwrap();
    let error = sandbox.call_blocking::<()>("fail", "on purpose").unwrap_err();
    assert!(matches!(error, SandboxError::GuestPanic { .. }), "{error:?}");
    let dump = error.core_dump().unwrap();
    assert!(!Read::of(dump).frames.is_empty());
    let said = format!("{error:?} {error}");
    assert!(said.len() < 4096 && said.contains("CoreDump("), "{said}");
}
