//! Costs of hostile modules for the host, counted in memory of processes of their own. They print their times too, on
//! which nothing depends: machines are busy.
#![cfg(target_os = "linux")]

use std::fs;
use std::time::Duration;

use sandbox_core::{
    CompileLimits, CompileMeasure, Compiler, Module, SandboxError, SecurityPolicy, WasmSandbox,
};

use crate::compile_limits::PRESETS;
use crate::{alone, backtraces, modules, outsized};

const MIB: u64 = 1 << 20;

/// Defines a test that measures the process that it is alone in.
macro_rules! scenes {
    ($($name:ident = $scene:ident $body:block)*) => {$(
        #[test]
        fn $name() {
            alone::run(concat!("measured::", stringify!($scene)));
        }

        /// Not a test: what runs in a process of its own.
        #[test]
        #[ignore = "runs only as a process of another test"]
        fn $scene() $body
    )*};
}

/// Returns `VmHWM` or its like, in bytes.
fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    1024 * line.unwrap().trim().trim_end_matches(" kB").parse::<u64>().unwrap()
}

/// Measures how much more memory than before the process had at most, and how long it took.
fn measure<T>(what: &str, run: impl FnOnce() -> T) -> (T, u64) {
    // Where the peak cannot be forgotten, it is that of what was before too, which is more.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let (before, started) = (status("VmRSS"), processor_time());
    let value = run();
    let took = processor_time() - started;
    let grown = status("VmHWM").saturating_sub(before);
    println!("{what}: {:.1} MiB more, {took:.2} s", grown as f64 / MIB as f64);
    (value, grown)
}

/// Returns the time that all threads of the process have used so far, in seconds.
fn processor_time() -> f64 {
    /// Number of ticks in a second, as Linux tells programs.
    const TICKS: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // The name of the program comes before, in parentheses.
    let fields = stat.rsplit(") ").next().unwrap().split(' ');
    fields.skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / TICKS
}

fn without_time(policy: SecurityPolicy) -> SecurityPolicy {
    policy.with_wall_clock(Duration::from_secs(120))
}

scenes! {
    exceptions_that_a_guest_throws_take_no_more_than_a_part_of_its_limit = exceptions {
        // At any depth it throws as often as it is told, and catches each.
        let text = r#"(module (memory 1) (tag $e (param i64 i64))
            (func $throw (param $deep i32) (param $times i32)
                (if (local.get $deep) (then
                    (call $throw (i32.sub (local.get $deep) (i32.const 1)) (local.get $times))
                    (return)))
                (loop $again
                    (block $caught (result i64 i64)
                        (try_table (catch $e $caught) (throw $e (i64.const 1) (i64.const 2)))
                        unreachable)
                    drop drop
                    (br_if $again
                        (local.tee $times (i32.sub (local.get $times) (i32.const 1))))))
            (func (export "throw") (param i32 i32) (call $throw (local.get 0) (local.get 1)))
            (func (export "uncaught") (throw $e (i64.const 1) (i64.const 2))))"#;
        let policy = SecurityPolicy::permissive()
            .with_memory_limit(64 * MIB)
            .with_instances(sandbox_core::InstanceMode::Persistent);
        let sandbox = modules::builder(text).security_policy(policy).build_blocking().unwrap();
        sandbox.call_blocking::<()>("throw", (1, 100)).unwrap();
        let error = sandbox.call_blocking::<()>("uncaught", ()).unwrap_err();
        let SandboxError::Trap { backtrace, .. } = &error else { panic!("{error}") };
        assert_eq!(backtrace.len(), 1, "{error}");
        let (outcome, grown) = measure("100,000 exceptions, 2,000 deep", || {
            sandbox.call_blocking::<()>("throw", (2_000, 100_000))
        });
        let error = outcome.unwrap_err();
        assert!(matches!(error, SandboxError::InstanceTooLarge { .. }), "{error}");
        assert!(grown < 32 * MIB, "{grown} bytes");
        sandbox.call_blocking::<()>("throw", (1, 100)).unwrap();
    }

    backtraces_of_deep_recursion_with_long_names_take_little_memory = deep_backtraces {
        let text = backtraces::with_long_names();
        println!("a module of {} bytes", modules::wasm(&text).len());
        for (name, policy, depth) in [
            ("strict", SecurityPolicy::strict(), 20_000),
            ("strict", SecurityPolicy::strict(), 10_000),
            ("paranoid", SecurityPolicy::paranoid(), 4_000),
        ] {
            let builder = modules::builder(&text).security_policy(without_time(policy));
            let sandbox = builder.build_blocking().unwrap();
            let what = format!("{name}, {depth} deep");
            let (error, grown) = measure(&what, || sandbox.call_blocking::<()>("down", depth));
            let Err(SandboxError::Trap { backtrace, .. }) = error else { panic!("{error:?}") };
            assert_eq!(backtrace.len(), 64);
            assert!(grown < 16 * MIB, "{what}: {grown} bytes");
        }
    }

    modules_that_would_keep_compilers_busy_take_little_memory = outsized_modules {
        for (shape, wasm) in [
            ("nested blocks", outsized::nested(4_000, 900)),
            ("a table of branches", outsized::switch(4_000, 900)),
        ] {
            println!("{shape}: a module of {} bytes", wasm.len());
            for (name, policy) in PRESETS {
                let what = format!("{shape}, {name}");
                let compile = || Module::compile(&wasm, &without_time(policy));
                let (module, grown) = measure(&what, compile);
                // Nobody but Singlepass gets them, which takes as long as it is long.
                assert_eq!(module.unwrap().compiler(), Compiler::Singlepass, "{what}");
                assert!(grown < 400 * MIB, "{what}: {grown} bytes");
            }
        }
    }

    modules_with_many_exports_take_little_memory = many_exports {
        let wasm = outsized::exporting(100_000, 1, 0);
        println!("100,000 exports: a module of {} bytes", wasm.len());
        for (name, policy) in PRESETS {
            let what = format!("100,000 exports, {name}");
            let limit = policy.compile_limits.exports;
            let compile = || Module::compile_with(&wasm, &policy, Compiler::Singlepass);
            let (module, grown) = measure(&what, compile);
            match module {
                Ok(_) => assert!(limit >= 100_000, "{what}"),
                Err(SandboxError::CompileLimit { measure: CompileMeasure::Exports, .. }) => {
                    assert!(limit < 100_000, "{what}");
                }
                Err(error) => panic!("{what}: {error}"),
            }
            assert!(grown < 200 * MIB, "{what}: {grown} bytes");
        }
    }

    tables_and_globals_take_no_more_than_the_limit_of_memory = tables_and_globals {
        let tables = outsized::tables(&[(1_000_000, None); 100]);
        let globals = outsized::module(CompileMeasure::Globals, 900_000);
        for (name, policy) in PRESETS {
            // So that it is the instance that is refused, where a preset would not even compile it.
            let mut limits = CompileLimits::permissive();
            limits.time = None;
            let policy = policy.with_compile_limits(limits).with_module_limit(u64::MAX);
            let policy = match policy.memory_limit_bytes {
                Some(_) => policy,
                None => policy.with_memory_limit(16 * MIB),
            };
            for (shape, wasm) in [("100 tables", &tables), ("900,000 globals", &globals)] {
                let what = format!("{shape}, {name}");
                let compiler = Compiler::Singlepass;
                let module = Module::compile_with(wasm, &policy, compiler);
                let most = policy.memory_limit_bytes.unwrap();
                let (sandbox, grown) = measure(&what, || {
                    let builder = WasmSandbox::builder().module(&module?);
                    builder.security_policy(policy.clone()).build_blocking()
                });
                match sandbox {
                    Err(
                        SandboxError::InstanceTooLarge { .. } | SandboxError::TableLimit { .. },
                    ) => assert!(grown < 8 * MIB, "{what}: {grown} bytes"),
                    Ok(_) => assert!(grown <= most + 8 * MIB, "{what}: {grown} bytes"),
                    Err(error) => panic!("{what}: {error}"),
                }
            }
        }
    }
}

/// Not a test: what the limits of a function's size were chosen by. Prints what the largest functions that each preset lets pass
/// take, and what those between take. `STRAIGHT` in the environment chooses one kind of code.
#[test]
#[ignore = "measures, and asserts nothing"]
fn straight_code_of_many_sizes() {
    let chosen = std::env::var("STRAIGHT").unwrap_or_default();
    for straight in outsized::Straight::ALL {
        if !format!("{straight:?}").contains(&chosen) {
            continue;
        }
        for kib in [128, 256, 512, 1024, 2048, 4096] {
            let bytes = kib * 1024;
            let variables = PRESETS
                .iter()
                .map(|(_, policy)| policy.compile_limits)
                .filter(|limits| limits.function_bytes as usize >= bytes)
                .map(|limits| limits.function_locals.min(40_000) as usize)
                .min();
            let wasm = straight.module(bytes, variables.unwrap_or(2) * 4 / 5);
            for compiler in [Compiler::Cranelift, Compiler::Singlepass] {
                let policy = SecurityPolicy::permissive();
                let what = format!("{straight:?}, {} KiB, {compiler}", wasm.len() / 1024);
                let (module, _) = measure(&what, || Module::compile_with(&wasm, &policy, compiler));
                let phis = module.unwrap().count(CompileMeasure::Phis);
                println!("    {phis} phis");
            }
        }
    }
}

/// Not a test: prints what it costs that guests see where they were when functions of Wasmer trap, by how deep they call them.
#[test]
#[ignore = "measures, and asserts nothing"]
fn functions_of_wasmer_at_many_depths() {
    const TIMES: i32 = 100_000;
    for (what, instructions) in [
        ("memory.fill", "(memory.fill (i32.const 0) (i32.const 0) (i32.const 1))"),
        ("memory.init", "(memory.init $bytes (i32.const 0) (i32.const 0) (i32.const 1))"),
        ("table.get", "(drop (table.get $f (i32.const 0)))"),
        ("table.init", "(table.init $f $some (i32.const 0) (i32.const 0) (i32.const 1))"),
        ("notify", "(drop (memory.atomic.notify (i32.const 0) (i32.const 0)))"),
        ("wait", "(drop (memory.atomic.wait32 (i32.const 0) (i32.const 1) (i64.const 0)))"),
    ] {
        let text = format!(
            r#"(module (memory 1) (table $f 1 funcref) (data $bytes "bytes")
                (elem $some func $down)
                (func $down (export "down") (param i32 i32)
                    (if (local.get 0) (then
                        (call $down (i32.sub (local.get 0) (i32.const 1)) (local.get 1))
                        (return)))
                    (loop $again {instructions}
                        (br_if $again (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))))"#
        );
        let policy = SecurityPolicy::permissive();
        let sandbox = modules::builder(&text).security_policy(policy).build_blocking().unwrap();
        for depth in [0, 10, 100, 1_000] {
            let before = processor_time();
            sandbox.call_blocking::<()>("down", (depth, TIMES)).unwrap();
            let each = (processor_time() - before) / f64::from(TIMES) * 1e9;
            println!("{what}, {depth} deep: {each:.0} ns");
        }
    }
}
