//! After any sequence of calls, a call finds the state of a new instance.

use sandbox_core::{MemoryReset, SandboxError, WasmSandbox};

use super::{RESETS, Random, STATEFUL, policy, sandbox, state};

/// The bytes of memory at the start: three pages.
const BYTES: i32 = 3 * 65_536;

#[derive(Debug, Clone)]
enum Act {
    Poke(i32, i32),
    Fill(i32, i32),
    Grow(i32),
    GrowAndFill(i32),
    SetGlobals(i64),
    Boom(i32),
    Exit(i32),
    Deep,
    OutOfBounds,
    Spin(i32),
}

/// Some act. What the memory is touched by is likely to be near the ends of pages, and often where it was before.
fn act(random: &mut Random) -> Act {
    let near = [0, 4096, 65_536, 131_072, BYTES - 8][random.below(5) as usize];
    let address = match random.below(2) {
        0 => (near + random.below(16) - 8).clamp(0, BYTES - 8),
        _ => random.below(BYTES - 8),
    };
    match random.below(22) {
        0..6 => Act::Poke(address, random.below(256)),
        6..9 => Act::Fill(address, 1 + random.below(BYTES - address)),
        9..11 => Act::Grow(random.below(7)),
        11..13 => Act::GrowAndFill(1 + random.below(6)),
        13..16 => Act::SetGlobals(random.next()),
        16..18 => Act::Boom(address),
        18 => Act::Exit(address),
        19 => Act::Deep,
        20 => Act::OutOfBounds,
        _ => Act::Fill(0, BYTES),
    }
}

fn perform(sandbox: &WasmSandbox, act: &Act) {
    let failed = match *act {
        Act::Poke(at, value) => sandbox.call_blocking::<()>("poke", (at, value)),
        Act::Fill(at, len) => sandbox.call_blocking("fill", (at, 0x77i32, len)),
        Act::Grow(pages) => sandbox.call_blocking::<i32>("grow", pages).map(|before| {
            assert_eq!(before, if pages <= 5 { 3 } else { -1 });
        }),
        Act::GrowAndFill(pages) => {
            sandbox.call_blocking::<i32>("grow_and_fill", pages).map(|before| {
                assert_eq!(before, if pages <= 5 { 3 } else { -1 });
            })
        }
        Act::SetGlobals(value) => sandbox.call_blocking("set_globals", value),
        Act::Boom(at) => return expect(act, sandbox.call_blocking("boom", at), is_trap),
        Act::Deep => {
            return expect(act, sandbox.call_blocking::<i32>("deep", 0i32).map(drop), is_trap);
        }
        Act::OutOfBounds => {
            let beyond = sandbox.call_blocking::<i32>("peek", BYTES).map(drop);
            return expect(act, beyond, is_trap);
        }
        Act::Exit(at) => {
            return expect(act, sandbox.call_blocking("exit", at), |error| {
                matches!(error, SandboxError::Exited { code: 3, .. })
            });
        }
        Act::Spin(at) => {
            let hurried = sandbox.with_time_limit(std::time::Duration::from_millis(30));
            return expect(act, hurried.call_blocking("spin", at), |error| {
                matches!(error, SandboxError::Timeout { .. })
            });
        }
    };
    failed.unwrap_or_else(|error| panic!("{act:?}: {error}"));
}

fn is_trap(error: &SandboxError) -> bool {
    matches!(error, SandboxError::Trap { .. })
}

fn expect(
    act: &Act,
    result: sandbox_core::Result<()>,
    expected: impl FnOnce(&SandboxError) -> bool,
) {
    let error = result.expect_err("it always fails");
    assert!(expected(&error), "{act:?}: {error}");
}

fn check(reset: MemoryReset) {
    let sandbox = sandbox(STATEFUL, policy(), reset);
    let new = state(&sandbox);
    for seed in 0..8 {
        let mut random = Random(seed);
        for step in 0..60 {
            let act = act(&mut random);
            perform(&sandbox, &act);
            // Some steps are not looked at, so that the next one finds what was just put back.
            if random.below(4) > 0 {
                assert_eq!(state(&sandbox), new, "seed {seed}, step {step}: {act:?}");
            }
        }
        assert_eq!(state(&sandbox), new, "seed {seed}");
    }
}

#[test]
fn no_sequence_of_calls_leaves_a_trace() {
    check(MemoryReset::Quickest);
}

#[test]
fn no_sequence_of_calls_leaves_a_trace_where_pages_are_dropped() {
    check(MemoryReset::Discard);
}

#[test]
fn no_sequence_of_calls_leaves_a_trace_where_all_is_copied() {
    check(MemoryReset::Copy);
}

#[test]
fn a_call_that_was_stopped_leaves_no_trace() {
    for reset in RESETS {
        let sandbox = sandbox(STATEFUL, policy(), reset);
        let new = state(&sandbox);
        for at in [0, 4096, BYTES - 1] {
            perform(&sandbox, &Act::Spin(at));
            assert_eq!(state(&sandbox), new, "{reset:?}");
        }
    }
}

#[test]
fn all_calls_of_a_batch_find_the_same_state() {
    for reset in RESETS {
        let sandbox = sandbox(STATEFUL, policy(), reset);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for _ in 0..4 {
            let sizes = runtime
                .block_on(sandbox.call_batch::<i32>("grow_and_fill", (0..20).map(|_| 1i32)))
                .unwrap();
            assert!(sizes.into_iter().all(|size| size.unwrap() == 3), "{reset:?}");
        }
    }
}

#[test]
fn the_state_of_a_new_sandbox_and_of_a_used_one_are_the_same() {
    let persistent = sandbox(
        STATEFUL,
        policy().with_instances(sandbox_core::InstanceMode::Persistent),
        MemoryReset::Quickest,
    );
    let new = state(&persistent);
    for reset in RESETS {
        let sandbox = sandbox(STATEFUL, policy(), reset);
        for round in 0..3 {
            assert_eq!(state(&sandbox), new, "{reset:?} {round}");
            perform(&sandbox, &Act::Fill(0, BYTES));
        }
    }
}
