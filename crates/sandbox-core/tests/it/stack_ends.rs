//! Guests that trap where their stack is nearly used up.
//!
//! Whatever a guest makes the host do there must not run out of stack in the middle: the locks that it holds then would be
//! held for ever, and every trap, every new module and every panic of the process would wait for them. So each scene runs
//! in a process of its own, where a hang is a failure.

use std::panic::catch_unwind;
use std::time::Duration;

use sandbox_core::{
    Compiler, InstanceMode, SandboxError, SecurityPolicy, TrapCode, WasmFeatures, WasmSandbox,
};

use crate::{alone, modules};

/// Small, so that little recursion comes near its end, and large enough that the host's reserve is not most of it.
const STACK_BYTES: usize = 128 * 1024;

/// Every way to trap, or to have the host do something, with what it may end as.
const WAYS: &[(&str, &str)] = &[
    ("unreachable", "unreachable"),
    ("division", "(drop (i32.div_u (i32.const 1) (i32.load (i32.const 8))))"),
    ("load", "(drop (i32.load (i32.const -4)))"),
    ("store", "(i64.store (i32.const -8) (i64.const 1))"),
    ("conversion", "(drop (i32.trunc_f32_s (f32.const nan)))"),
    ("empty element", "(call_indirect $functions (i32.const 1))"),
    ("wrong signature", "(call_indirect $functions (param i64) (i64.const 1) (i32.const 0))"),
    ("element out of bounds", "(call_indirect $functions (i32.const 99))"),
    ("table.get", "(drop (table.get $externals (i32.const 99)))"),
    ("table.set", "(table.set $externals (i32.const 99) (ref.null extern))"),
    ("table.grow", "(drop (table.grow $externals (ref.null extern) (i32.const 1)))"),
    ("table.size", "(drop (table.size $externals))"),
    ("table.fill", "(table.fill $externals (i32.const 99) (ref.null extern) (i32.const 9))"),
    ("table.copy", "(table.copy $externals $externals (i32.const 99) (i32.const 0) (i32.const 9))"),
    ("table.init", "(table.init $functions $some (i32.const 99) (i32.const 0) (i32.const 1))"),
    ("elem.drop", "(elem.drop $some)"),
    ("ref.func", "(table.set $functions (i32.const 2) (ref.func $leaf))"),
    ("memory.fill", "(memory.fill (i32.const -1) (i32.const 0) (i32.const 9))"),
    ("memory.copy", "(memory.copy (i32.const -1) (i32.const 0) (i32.const 9))"),
    ("memory.init", "(memory.init $bytes (i32.const -1) (i32.const 0) (i32.const 1))"),
    ("data.drop", "(data.drop $bytes)"),
    ("memory.size", "(drop (memory.size))"),
    ("memory.grow", "(drop (memory.grow (i32.const 1)))"),
    ("wait", "(drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 1)))"),
    ("notify", "(drop (memory.atomic.notify (i32.const 1) (i32.const 0)))"),
    ("host function", "(call $fail)"),
    ("host function that panics", "(call $panic)"),
    ("nothing", ""),
];

/// Goes down as deep as it is told, and ends there.
fn going_down(end: &str) -> String {
    format!(
        r#"(module
            (import "env" "fail" (func $fail)) (import "env" "panic" (func $panic))
            (memory (export "memory") 1 4)
            (table $functions 4 funcref) (table $externals 4 8 externref)
            (data $bytes "some bytes") (elem (table $functions) (i32.const 0) func $leaf)
            (elem $some func $leaf)
            (func $leaf)
            (func $down (param $calls i32)
                (if (local.get $calls)
                    (then (call $down (i32.sub (local.get $calls) (i32.const 1))))
                    (else {end})))
            (func (export "down") (param i32) (call $down (local.get 0))))"#
    )
}

fn policy() -> SecurityPolicy {
    modules::strict_and_persistent()
        .with_stack(STACK_BYTES)
        .with_features(WasmFeatures::ALL)
        .with_wall_clock(Duration::from_secs(60))
}

fn sandbox(text: &str, compiler: Compiler, policy: SecurityPolicy) -> WasmSandbox {
    modules::builder(text)
        .security_policy(policy)
        .compiler(compiler)
        .host_function("env", "fail", || Err::<(), _>(std::io::Error::other("it failed")))
        .host_function("env", "panic", || -> () { panic!("it panicked") })
        .build_blocking()
        .unwrap()
}

fn down(sandbox: &WasmSandbox, calls: i32) -> Result<(), SandboxError> {
    sandbox.call_blocking("down", calls)
}

/// The most calls after which a guest does not run out of stack.
fn most_calls(sandbox: &WasmSandbox) -> i32 {
    let (mut fitting, mut failing) = (0, 1 << 20);
    while fitting + 1 < failing {
        let middle = i32::midpoint(fitting, failing);
        match down(sandbox, middle) {
            Err(error) if is_overflow(&error) => failing = middle,
            _ => fitting = middle,
        }
    }
    fitting
}

fn is_overflow(error: &SandboxError) -> bool {
    matches!(error, SandboxError::Trap { code: TrapCode::StackOverflow, .. })
}

/// Others trap, compile, instantiate and panic as ever.
fn assert_well(compiler: Compiler) {
    let text = r#"(module (func $f (export "f") unreachable))"#;
    let other = modules::builder(text).compiler(compiler).disable_cache().build_blocking().unwrap();
    let error = other.call_blocking::<()>("f", ()).unwrap_err();
    let SandboxError::Trap { code: TrapCode::Unreachable, backtrace, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(backtrace, &["f"]);
    catch_unwind(|| panic!("to be caught")).unwrap_err();
}

#[test]
fn traps_of_cranelifts_code_at_every_depth_near_the_end_of_the_stack_harm_nobody_else() {
    alone::run("stack_ends::cranelift_traps_at_every_depth");
}

/// Not a test: what runs in a process of its own.
#[test]
#[ignore = "runs only as a process of another test"]
fn cranelift_traps_at_every_depth() {
    trap_at_every_depth(Compiler::Cranelift);
}

#[test]
fn traps_of_singlepass_code_at_every_depth_near_the_end_of_the_stack_harm_nobody_else() {
    alone::run("stack_ends::singlepass_traps_at_every_depth");
}

/// Not a test: what runs in a process of its own.
#[test]
#[ignore = "runs only as a process of another test"]
fn singlepass_traps_at_every_depth() {
    trap_at_every_depth(Compiler::Singlepass);
}

/// Every compiler whose code may be given to guests that nobody trusts has a test here.
#[test]
fn no_compiler_for_untrusted_guests_is_forgotten() {
    let tested = [Compiler::Cranelift, Compiler::Singlepass];
    let compilers = modules::COMPILERS.iter();
    let contained: Vec<_> =
        compilers.filter(|compiler| compiler.holds_untrusted_guests()).collect();
    assert_eq!(contained, tested.iter().collect::<Vec<_>>());
}

fn trap_at_every_depth(compiler: Compiler) {
    /// So many calls before there is too little room for functions of the host.
    const BEFORE: i32 = 100;
    // What the guests' host function says is of no interest.
    std::panic::set_hook(Box::new(|info| {
        if info.payload().downcast_ref::<&str>().is_none() {
            eprintln!("{info}");
        }
    }));
    let end = most_calls(&sandbox(&going_down(""), compiler, policy())) + 8;
    for (way, instructions) in WAYS {
        let sandbox = sandbox(&going_down(instructions), compiler, policy());
        let usual = kind_of(down(&sandbox, 1));
        let first = most_calls(&sandbox) - BEFORE;
        let mut overflown = 0;
        for calls in first..end.max(first + 2 * BEFORE) {
            let result = down(&sandbox, calls);
            if result.as_ref().is_err_and(is_overflow) {
                overflown += 1;
            } else {
                assert_eq!(kind_of(result), usual, "{compiler}, {way} after {calls} calls");
            }
        }
        assert!(overflown > 0, "{compiler}, {way}");
        assert_well(compiler);
    }
}

/// Result of a call, in a word.
fn kind_of(result: Result<(), SandboxError>) -> String {
    match result {
        Ok(()) => "nothing".to_owned(),
        Err(SandboxError::Trap { code, .. }) => code.to_string(),
        Err(error) => error.kind().to_owned(),
    }
}

#[test]
fn initialisation_that_traps_near_the_end_of_the_stack_harms_nobody_either() {
    alone::run("stack_ends::initialisation_near_the_end");
}

/// Not a test: what runs in a process of its own.
#[test]
#[ignore = "runs only as a process of another test"]
fn initialisation_near_the_end() {
    for compiler in [Compiler::Cranelift, Compiler::Singlepass] {
        let most = most_calls(&sandbox(&going_down(""), compiler, policy()));
        for place in ["(start $begin)", r#"(export "_initialize" (func $begin))"#] {
            for calls in most - 60..most + 8 {
                let end = "(drop (table.get $externals (i32.const 99)))";
                let begin = format!("(func $begin (call $down (i32.const {calls}))) {place})");
                let text = going_down(end);
                let text = text.strip_suffix(')').unwrap().to_owned() + &begin;
                let policy = policy().with_instances(InstanceMode::Fresh);
                let builder = modules::builder(&text).security_policy(policy).compiler(compiler);
                let builder = builder.host_function("env", "fail", || ());
                let error = builder
                    .host_function("env", "panic", || ())
                    .disable_cache()
                    .build_blocking()
                    .unwrap_err();
                assert!(is_overflow(&error), "{compiler}, {place} after {calls} calls: {error}");
            }
            assert_well(compiler);
        }
    }
}

#[test]
fn a_stack_overflow_has_a_backtrace_of_the_innermost_calls() {
    for compiler in [Compiler::Cranelift, Compiler::Singlepass] {
        let text = r#"(module
            (func $first (export "recurse") (result i32) (i32.add (call $second) (i32.const 1)))
            (func $second (result i32) (i32.add (call $first) (i32.const 1))))"#;
        let sandbox = modules::builder(text).compiler(compiler).build_blocking().unwrap();
        let error = sandbox.call_blocking::<i32>("recurse", ()).unwrap_err();
        let SandboxError::Trap { code: TrapCode::StackOverflow, backtrace, .. } = &error else {
            panic!("{compiler}: {error}")
        };
        assert_eq!(backtrace.len(), 64, "{compiler}");
        for pair in backtrace.windows(2) {
            assert!(
                matches!([&*pair[0], &*pair[1]], ["first", "second"] | ["second", "first"]),
                "{compiler}: {pair:?}"
            );
        }
    }
}

#[test]
fn a_guest_sees_the_same_calls_in_its_backtrace_whatever_traps() {
    let text = |end: &str| {
        format!(
            r#"(module (memory 1) (table $t 1 externref) (table $f 1 funcref) (type $none (func))
                (data $bytes "bytes") (elem $some func $outer)
                (func $outer (export "outer") (call $middle) (nop))
                (func $middle (call $inner (i32.const 8)) (nop))
                (func $inner (param i32) {end}))"#
        )
    };
    for compiler in [Compiler::Cranelift, Compiler::Singlepass] {
        for end in [
            "unreachable",
            "(drop (i32.load offset=0xfffffff0 (local.get 0)))",
            "(drop (i32.div_u (i32.const 1) (i32.sub (local.get 0) (i32.const 8))))",
            "(drop (i32.trunc_f64_s (f64.const inf)))",
            "(drop (table.get $t (local.get 0)))",
            "(table.set $t (local.get 0) (ref.null extern))",
            "(table.fill $t (local.get 0) (ref.null extern) (i32.const 1))",
            "(table.copy $t $t (i32.const 0) (local.get 0) (i32.const 1))",
            "(table.init $f $some (i32.const 0) (local.get 0) (i32.const 1))",
            "(memory.fill (local.get 0) (i32.const 0) (i32.const -1))",
            "(memory.copy (i32.const 0) (local.get 0) (i32.const 65536))",
            "(memory.init $bytes (i32.const 0) (local.get 0) (i32.const 1))",
        ] {
            let sandbox = modules::builder(&text(end)).compiler(compiler).build_blocking().unwrap();
            let error = sandbox.call_blocking::<()>("outer", ()).unwrap_err();
            let SandboxError::Trap { backtrace, .. } = &error else { panic!("{error}") };
            assert_eq!(backtrace, &["inner", "middle", "outer"], "{compiler}, {end}");
        }
    }
}
