//! Backtraces of guests that chose names, and depths, to harm whoever reads or makes them.

use sandbox_core::{Compiler, InstanceMode, SandboxError, SecurityPolicy, TrapCode};

use crate::modules;

/// Two functions that call each other, with names of 99 kB.
pub(crate) fn with_long_names() -> String {
    let (one, two) = ("a".repeat(99_000), "b".repeat(99_000));
    format!(
        r#"(module
            (func ${one} (param i32) (if (local.get 0) (then (call ${two} (i32.sub (local.get 0) (i32.const 1)))) (else unreachable)))
            (func ${two} (param i32) (if (local.get 0) (then (call ${one} (i32.sub (local.get 0) (i32.const 1)))) (else unreachable)))
            (func (export "down") (param i32) (call ${one} (local.get 0))))"#
    )
}

#[test]
fn a_deep_backtrace_with_long_names_is_short() {
    let text = with_long_names();
    for (policy, depth) in
        [(modules::strict_and_persistent(), 10_000), (SecurityPolicy::paranoid(), 4_000)]
    {
        for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
            let policy = policy.clone().with_instances(mode);
            let sandbox = modules::builder(&text).security_policy(policy).build_blocking().unwrap();
            for _ in 0..20 {
                let error = sandbox.call_blocking::<()>("down", depth).unwrap_err();
                let SandboxError::Trap { backtrace, .. } = &error else { panic!("{error}") };
                assert_eq!(backtrace.len(), 64);
                assert!(backtrace.iter().all(|name| name.len() < 300), "{}", backtrace[0].len());
                assert!(error.to_string().len() < 8192);
            }
        }
    }
}

#[test]
fn every_trap_at_a_great_depth_has_a_backtrace_of_the_innermost_calls() {
    const DEPTH: i32 = 25_000;
    for compiler in [Compiler::Cranelift, Compiler::Singlepass] {
        for end in [
            "unreachable",
            "(drop (i32.load (i32.const -4)))",
            "(drop (table.get $t (i32.const 9)))",
            "(table.set $t (i32.const 9) (ref.null extern))",
            "(table.fill $t (i32.const 9) (ref.null extern) (i32.const 1))",
            "(table.copy $t $t (i32.const 9) (i32.const 0) (i32.const 1))",
            "(table.init $f $some (i32.const 9) (i32.const 0) (i32.const 1))",
            "(memory.fill (i32.const -1) (i32.const 0) (i32.const 9))",
            "(memory.copy (i32.const -1) (i32.const 0) (i32.const 9))",
            "(memory.init $bytes (i32.const -1) (i32.const 0) (i32.const 1))",
        ] {
            let text = format!(
                r#"(module (memory 1) (table $t 1 externref) (table $f 1 funcref)
                    (data $bytes "bytes") (elem $some func $down)
                    (func $down (export "down") (param i32)
                        (if (local.get 0)
                            (then (call $down (i32.sub (local.get 0) (i32.const 1))))
                            (else {end}))))"#
            );
            let policy = modules::strict_and_persistent().with_stack(16 << 20);
            let builder = modules::builder(&text).security_policy(policy).compiler(compiler);
            let sandbox = builder.build_blocking().unwrap();
            let error = sandbox.call_blocking::<()>("down", DEPTH).unwrap_err();
            let SandboxError::Trap { code, backtrace, .. } = &error else {
                panic!("{compiler}, {end}: {error}")
            };
            assert_ne!(*code, TrapCode::StackOverflow, "{compiler}, {end}");
            assert_eq!(*backtrace, ["down"; 64], "{compiler}, {end}");
        }
    }
}

#[test]
fn names_do_nothing_to_a_terminal() {
    let text = "(module (func $\"\\1b[2J\\0d\\0agone \\e2\\80\\ae\" (export \"f\") unreachable))";
    let sandbox = modules::builder(text).build_blocking().unwrap();
    let error = sandbox.call_blocking::<()>("f", ()).unwrap_err();
    let SandboxError::Trap { backtrace, .. } = &error else { panic!("{error}") };
    assert_eq!(backtrace, &["\\u{1b}[2J\\r\\ngone \\u{202e}"]);
}

#[test]
fn the_backtrace_of_an_inner_guest_tells_nothing_of_the_outer_one() {
    let inner = modules::builder(r#"(module (func $inner (export "f") unreachable))"#);
    let inner = inner.build_blocking().unwrap();
    let outer = modules::builder(
        r#"(module (import "env" "inner" (func $import)) (func $outer (export "f") (call $import)))"#,
    );
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = std::sync::Arc::clone(&told);
    let outer = outer
        .host_function("env", "inner", move || {
            if let Err(SandboxError::Trap { backtrace, .. }) = inner.call_blocking::<()>("f", ()) {
                noted.lock().unwrap().extend(backtrace);
            }
        })
        .build_blocking()
        .unwrap();
    outer.call_blocking::<()>("f", ()).unwrap();
    assert_eq!(*told.lock().unwrap(), ["inner"]);
}
