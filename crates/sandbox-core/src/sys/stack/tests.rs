use super::*;

#[test]
fn a_stack_has_room_for_the_guest_the_reserve_and_the_guard() {
    for stack_bytes in [0, 1, 64 * 1024, 1 << 20, usize::MAX] {
        let size = size_for(stack_bytes);
        assert_eq!(size % PAGE, 0);
        let base = 1usize << 46;
        // However deep in the topmost page a guest is entered.
        for depth in [0, 100, 2000] {
            let top = base - depth;
            let guard = page_of(top) + ENTRY - size;
            assert!(guard >= base - size, "{stack_bytes} at {depth}");
            let bounds = Bounds { top, floor: guard + GUARD };
            let own =
                top - bounds.gap(stack_bytes.min(MOST_STACK_BYTES)) - bounds.floor - HOST_RESERVE;
            assert_eq!(own, stack_bytes.min(MOST_STACK_BYTES), "{stack_bytes} at {depth}");
        }
    }
}

#[test]
fn places_near_each_other_stand_for_the_same_page() {
    let first = pointer();
    let page = page_of(first);
    assert_eq!(page_of(first - 900), page);
    assert_eq!(page_of(first + 900), page);
    assert_eq!(page_of(first + page_bytes()), page + page_bytes());
}

#[test]
fn the_size_of_stacks_grows_and_never_shrinks() {
    make_room_for(3 << 20);
    let before = size();
    make_room_for(1 << 20);
    assert_eq!(size(), before);
    make_room_for(5 << 20);
    assert!(size() >= size_for(5 << 20));
}

/// Calls a function with a thousand arguments, results and locals where the stack is nearly used up.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn wide() -> String {
    let many = |what: &str| what.repeat(1000);
    format!(
        r#"(module
            (type $wide (func (param {}) (result {})))
            (func $wide (type $wide) (local {}) {})
            (func $locals (param {}) (local {}) (local.set 1300 (i64.const 1)))
            (func $down (param $calls i32)
                (if (local.get $calls)
                    (then (call $down (i32.sub (local.get $calls) (i32.const 1))))
                    (else (call $wide {}) {} (call $locals {}))))
            (func (export "down") (param i32) (call $down (local.get 0))))"#,
        many("i64 "),
        many("i64 "),
        many("i64 "),
        many("(i64.const 81985529216486895) "),
        many("i64 "),
        many("i64 "),
        many("(i64.const 81985529216486895) "),
        many("drop "),
        many("(i64.const 81985529216486895) "),
    )
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn no_guest_steps_over_the_guard_into_the_memory_below() {
    crate::sys::alone::run("sys::stack::tests::wide_frames");
    crate::sys::alone::run("sys::stack::tests::wide_frames_on_wasmers_stack");
}

/// Not a test: what runs in a process of its own.
#[test]
#[ignore = "runs only as a process of another test"]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn wide_frames() {
    write_nothing_below(|| {
        let stack = OwnStack::take(size()).unwrap();
        let bottom = stack.bounds().floor - GUARD;
        stack.put_back();
        bottom
    });
}

/// Not a test: what runs in a process of its own.
#[test]
#[ignore = "runs only as a process of another test"]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn wide_frames_on_wasmers_stack() {
    const OS_PAGE: usize = 4096;
    // SAFETY: nobody else runs in this process.
    unsafe { std::env::set_var("SANDBOX_CORE_DIRECT_ENTRY", "off") };
    write_nothing_below(|| {
        // SAFETY: nothing on the stack has to be dropped.
        let within = unsafe { wasmer::sys::vm::catch_traps(None, config(), pointer) }.unwrap();
        within.next_multiple_of(OS_PAGE) - (size() + OS_PAGE)
    });
}

/// Runs a guest with frames of all sizes up to the end of its stack, which begins at the bottom of this thread's.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn write_nothing_below(bottom: impl Fn() -> usize + Sync) {
    use crate::{Compiler, InstanceMode, SecurityPolicy, WasmSandbox};

    let stack_bytes = 64 * 1024;
    let policy =
        SecurityPolicy::strict().with_instances(InstanceMode::Persistent).with_stack(stack_bytes);
    let wasm = wat::parse_str(wide()).unwrap();
    let builder = WasmSandbox::builder().source_bytes(wasm).security_policy(policy);
    let sandbox = builder.compiler(Compiler::Singlepass).build_blocking().unwrap();
    write_nothing_below_this_thread(&sandbox, &bottom, 16);
}

/// Does so on this thread; or, where something else happens to be below its stack, on another while this one keeps its own.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn write_nothing_below_this_thread(
    sandbox: &crate::WasmSandbox,
    bottom: &(impl Fn() -> usize + Sync),
    others: usize,
) {
    use crate::{SandboxError, TrapCode};

    const BELOW: usize = 64 * 1024;
    let down = |calls: i32| sandbox.call_blocking::<()>("down", calls);
    down(0).unwrap();
    // This thread has a stack now, which it keeps.
    let lowest = bottom();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert!(maps.contains(&format!("{lowest:x}-")), "no mapping begins at {lowest:x}: {maps}");
    let below = ptr::with_exposed_provenance_mut::<libc::c_void>(lowest - BELOW);
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: the mapping replaces nothing.
    let mapped = unsafe { libc::mmap(below, BELOW, protection, flags, -1, 0) };
    if mapped != below {
        assert!(others > 0, "something else is below each stack: {maps}");
        let another = || write_nothing_below_this_thread(sandbox, bottom, others - 1);
        return std::thread::scope(|scope| scope.spawn(another).join().unwrap());
    }
    // SAFETY: it was mapped just now, and is looked at while it lives.
    let canary = unsafe { std::slice::from_raw_parts_mut(below.cast::<u8>(), BELOW) };
    canary.fill(0xA5);
    let (mut fitting, mut failing) = (0, 1 << 16);
    while fitting + 1 < failing {
        let middle = i32::midpoint(fitting, failing);
        if down(middle).is_ok() { fitting = middle } else { failing = middle }
    }
    for calls in fitting..fitting + 4000 {
        if let Err(error) = down(calls) {
            assert!(
                matches!(error, SandboxError::Trap { code: TrapCode::StackOverflow, .. }),
                "{calls}: {error}"
            );
        }
        assert!(canary.iter().all(|byte| *byte == 0xA5), "written to after {calls} calls");
    }
}
