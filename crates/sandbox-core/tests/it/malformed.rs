//! Modules that were damaged, and modules that are merely outrageous.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use sandbox_core::{Compiler, Module, SandboxError, SecurityPolicy, WasmSandbox};

use crate::modules;

/// Small real guests: the whole of what the Rust compiler and the guest crate make.
const GUESTS: [&str; 3] = ["simple_math", "cpu_intensive", "hostile"];

fn policy() -> SecurityPolicy {
    // What a damaged guest computes must not take long either.
    SecurityPolicy::paranoid().with_fuel(200_000).with_wall_clock(Duration::from_secs(10))
}

/// Builds and calls whatever came out. Anything may happen but a panic of the host.
fn survive(wasm: &[u8]) -> bool {
    let builder = WasmSandbox::builder().source_bytes(wasm).security_policy(policy());
    let sandbox = match builder.compiler(Compiler::Singlepass).disable_cache().build_blocking() {
        Ok(sandbox) => sandbox,
        Err(SandboxError::HostPanic { message, .. }) => panic!("the host panicked: {message}"),
        Err(_) => return false,
    };
    let names: Vec<String> =
        sandbox.module().function_names().into_iter().map(str::to_owned).collect();
    for name in names.iter().take(3) {
        let called = sandbox.call_blocking::<i64>(name, (1i32, 2i32));
        if let Err(SandboxError::HostPanic { message, .. }) = called {
            panic!("the host panicked in {name}: {message}");
        }
    }
    true
}

fn assert_well() {
    let sandbox = modules::builder(modules::NUMBERS).security_policy(policy());
    let sandbox = sandbox.build_blocking().unwrap();
    assert_eq!(sandbox.call_blocking::<i32>("add", (1i32, 2i32)).unwrap(), 3);
}

/// Runs a property for so many seeds. The one that fails is in the message.
fn for_each_seed(
    cases: u64,
    what: &str,
    property: impl Fn(&mut Pcg64Mcg) + std::panic::RefUnwindSafe,
) {
    for seed in 0..cases {
        let outcome = std::panic::catch_unwind(|| property(&mut Pcg64Mcg::seed_from_u64(seed)));
        assert!(outcome.is_ok(), "{what}: seed {seed} of {cases}");
    }
    assert_well();
}

#[test]
fn guests_that_were_cut_off_are_refused() {
    for guest in GUESTS {
        let wasm = &std::fs::read(modules::guest(guest)).unwrap();
        for_each_seed(400, guest, |random| {
            let len = random.random_range(0..wasm.len());
            match Module::compile_with(&wasm[..len], &policy(), Compiler::Singlepass) {
                Err(SandboxError::InvalidModule { offset, .. }) => {
                    assert!(offset <= len, "{offset} of {len}");
                }
                // Between two sections it may be whole, or a declaration is there without its function.
                Ok(_) | Err(SandboxError::InvalidDeclaration { .. }) => (),
                Err(error) => panic!("cut to {len}: {error}"),
            }
        });
    }
}

#[test]
fn guests_with_flipped_bits_do_no_harm() {
    for guest in GUESTS {
        let wasm = &std::fs::read(modules::guest(guest)).unwrap();
        // Undamaged it runs, so the property is not about nothing.
        assert!(survive(wasm), "{guest}");
        for_each_seed(500, guest, |random| {
            let mut damaged = wasm.clone();
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..damaged.len());
                damaged[at] ^= 1 << random.random_range(0..8);
            }
            survive(&damaged);
        });
    }
}

#[test]
fn guests_with_bytes_of_other_guests_do_no_harm() {
    let one = &std::fs::read(modules::guest("simple_math")).unwrap();
    let other = &std::fs::read(modules::guest("hostile")).unwrap();
    for_each_seed(500, "spliced", |random| {
        let mut damaged = one.clone();
        let (to, from) = (random.random_range(0..one.len()), random.random_range(0..other.len()));
        let len = random.random_range(1..64).min(one.len() - to).min(other.len() - from);
        damaged[to..to + len].copy_from_slice(&other[from..from + len]);
        survive(&damaged);
    });
}

#[test]
fn a_module_of_a_hundred_thousand_functions_works() {
    const FUNCTIONS: usize = 100_000;
    let functions = "(func)".repeat(FUNCTIONS);
    let text = format!(
        r#"(module {functions} (func (export "answer") (result i32)
            call 0 call {last} i32.const 42))"#,
        last = FUNCTIONS - 1
    );
    let wasm = modules::wasm(&text);
    for compiler in [Compiler::Singlepass, Compiler::Cranelift] {
        let builder = WasmSandbox::builder().source_bytes(&wasm).compiler(compiler);
        let policy = modules::strict_and_persistent().with_wall_clock(Duration::from_secs(60));
        let sandbox = builder.security_policy(policy).build_blocking().unwrap();
        assert_eq!(sandbox.call_blocking::<i32>("answer", ()).unwrap(), 42, "{compiler}");
    }
}

#[test]
fn a_module_of_a_hundred_thousand_exports_types_and_globals_works() {
    let mut text = String::from("(module (func $f (result i32) i32.const 42)");
    for index in 0..100_000 {
        text.push_str(&format!(r#"(export "e{index}" (func $f)) (global i32 (i32.const 1))"#));
    }
    text.push(')');
    let policy = SecurityPolicy::basic().with_wall_clock(Duration::from_secs(60));
    let builder = modules::builder(&text).security_policy(policy);
    let sandbox = builder.compiler(Compiler::Singlepass).build_blocking().unwrap();
    assert_eq!(sandbox.call_blocking::<i32>("e99999", ()).unwrap(), 42);
    let error = sandbox.call_blocking::<i32>("e100000", ()).unwrap_err();
    assert!(error.to_string().len() < 1000, "{} bytes", error.to_string().len());
}

#[test]
fn a_very_long_function_and_very_deep_blocks_are_compiled_or_refused() {
    let long = "(drop (i32.add (i32.const 1) (i32.const 2)))".repeat(100_000);
    let deep = format!("{}{}", "(block ".repeat(2000), ")".repeat(2000));
    for body in [long, deep] {
        let text = format!(r#"(module (func (export "run") {body}))"#);
        let policy = modules::strict_and_persistent().with_wall_clock(Duration::from_secs(60));
        let builder = modules::builder(&text).security_policy(policy);
        match builder.compiler(Compiler::Singlepass).build_blocking() {
            Ok(sandbox) => sandbox.call_blocking::<()>("run", ()).unwrap(),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn data_segments_larger_than_memory_are_an_error() {
    let large = "x".repeat(100_000);
    let overlapping = r#"(data (i32.const 0) "again and again")"#.repeat(5_000);
    for (text, works) in [
        (format!(r#"(module (memory 1) (data (i32.const 0) "{large}"))"#), false),
        (r#"(module (memory 1) (data (i32.const -1) "x"))"#.to_owned(), false),
        (r#"(module (memory 1) (data (i32.const 65536) ""))"#.to_owned(), true),
        (r#"(module (memory 0) (data (i32.const 0) "x"))"#.to_owned(), false),
        (format!(r#"(module (memory 1) {overlapping})"#), true),
        (format!(r#"(module (memory 1) (data "{large}"))"#), true),
        ("(module (table 1 funcref) (elem (i32.const 1) func 0) (func))".to_owned(), false),
    ] {
        let built = modules::builder(&text).security_policy(policy()).build_blocking();
        let shown = &text[..text.len().min(80)];
        match built {
            Ok(_) => assert!(works, "{shown}"),
            Err(SandboxError::Trap { .. }) => assert!(!works, "{shown}"),
            Err(error) => panic!("{shown}: {error}"),
        }
    }
    assert_well();
}
