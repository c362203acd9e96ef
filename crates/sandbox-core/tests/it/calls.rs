//! Calls that go well, and those that the host itself gets wrong.

use sandbox_core::{Compilers, Module, SandboxError, SigningKey, TrapCode, WasmSandbox};

use crate::modules::{self, NUMBERS};

#[tokio::test]
async fn numbers_go_in_and_come_out() {
    let sandbox = modules::sandbox(NUMBERS, modules::strict_and_persistent()).await;
    let sum: i32 = sandbox.call("add", (42i32, 24i32)).await.unwrap();
    assert_eq!(sum, 66);
    let sum: f64 = sandbox.call("mixed", (1i32, 2i64, 0.5f32, 0.25f64)).await.unwrap();
    assert_eq!(sum, 3.75);
    let pair: (i32, i64) = sandbox.call("pair", -7i32).await.unwrap();
    assert_eq!(pair, (-7, -7));
    let () = sandbox.call("nothing", ()).await.unwrap();
}

#[tokio::test]
async fn integers_of_other_sizes_fit_by_their_value() {
    let sandbox = modules::sandbox(NUMBERS, modules::strict_and_persistent()).await;
    let sum: u64 = sandbox.call("add", (1u8, 2u64)).await.unwrap();
    assert_eq!(sum, 3);
    let sum: u32 = sandbox.call("add", (u32::MAX - 1, 1i32)).await.unwrap();
    assert_eq!(sum, u32::MAX);
    let error = sandbox.call::<i32>("add", (1i32, 1u64 << 40)).await.unwrap_err();
    assert!(matches!(error, SandboxError::SignatureMismatch { .. }), "{error}");
    assert!(error.to_string().contains("1099511627776"), "{error}");
}

#[test]
fn calls_work_without_an_async_runtime() {
    let sandbox = modules::builder(NUMBERS).build_blocking().unwrap();
    let sum: i32 = sandbox.call_blocking("add", (1i32, 2i32)).unwrap();
    assert_eq!(sum, 3);
}

#[tokio::test]
async fn state_lives_from_call_to_call_and_clones_share_it() {
    let sandbox = modules::sandbox(NUMBERS, modules::strict_and_persistent()).await;
    let clone = sandbox.clone();
    for expected in 1..=40 {
        let sandbox = if expected % 2 == 0 { &sandbox } else { &clone };
        let count: i32 = sandbox.call("count", ()).await.unwrap();
        assert_eq!(count, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_calls_take_turns() {
    let sandbox = modules::sandbox(NUMBERS, modules::strict_and_persistent()).await;
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let sandbox = sandbox.clone();
            tokio::spawn(async move { sandbox.call::<i32>("count", ()).await.unwrap() })
        })
        .collect();
    let mut counts = Vec::new();
    for task in tasks {
        counts.push(task.await.unwrap());
    }
    counts.sort_unstable();
    assert_eq!(counts, (1..=200).collect::<Vec<i32>>());
}

#[tokio::test]
async fn an_unknown_function_is_answered_with_those_there_are() {
    let sandbox = modules::sandbox(NUMBERS, modules::strict_and_persistent()).await;
    let error = sandbox.call::<()>("substract", ()).await.unwrap_err();
    let SandboxError::NoSuchFunction { name, available, .. } = &error else { panic!("{error}") };
    assert_eq!(name, "substract");
    assert!(available.contains(&"add".to_owned()), "{available:?}");
}

#[tokio::test]
async fn arguments_and_results_of_other_types_are_refused() {
    let sandbox = modules::sandbox(NUMBERS, modules::strict_and_persistent()).await;
    let mismatches = [
        sandbox.call::<i32>("add", 1i32).await.map(drop),
        sandbox.call::<i32>("add", (1i32, 2i32, 3i32)).await.map(drop),
        sandbox.call::<i32>("add", "text").await.map(drop),
        sandbox.call::<i32>("add", vec![1u8, 2]).await.map(drop),
        sandbox.call::<String>("add", (1i32, 2i32)).await.map(drop),
        sandbox.call::<(i32, i32)>("add", (1i32, 2i32)).await.map(drop),
    ];
    for mismatch in mismatches {
        let error = mismatch.unwrap_err();
        assert!(matches!(error, SandboxError::SignatureMismatch { .. }), "{error}");
        assert!(error.to_string().contains("from (i32, i32) to (i32)"), "{error}");
    }
}

#[tokio::test]
async fn a_trap_is_named_and_the_next_call_finds_a_new_instance() {
    let sandbox = modules::sandbox(NUMBERS, modules::strict_and_persistent()).await;
    assert_eq!(sandbox.call::<i32>("count", ()).await.unwrap(), 1);
    assert_eq!(sandbox.call::<i32>("count", ()).await.unwrap(), 2);
    let error = sandbox.call::<i32>("divide", (1i32, 0i32)).await.unwrap_err();
    assert!(
        matches!(error, SandboxError::Trap { code: TrapCode::IntegerDivisionByZero, .. }),
        "{error}"
    );
    assert_eq!(sandbox.call::<i32>("count", ()).await.unwrap(), 1);
    let error = sandbox.call::<()>("abort", ()).await.unwrap_err();
    let SandboxError::Trap { code: TrapCode::Unreachable, backtrace, .. } = &error else {
        panic!("{error}")
    };
    assert!(!backtrace.is_empty());
}

#[tokio::test]
async fn backtraces_carry_the_names_of_functions() {
    let text = r#"(module
        (func $inner unreachable)
        (func $outer (export "outer") call $inner))"#;
    let sandbox = modules::sandbox(text, modules::strict_and_persistent()).await;
    let error = sandbox.call::<()>("outer", ()).await.unwrap_err();
    let SandboxError::Trap { backtrace, .. } = error else { panic!("{error}") };
    assert_eq!(backtrace, ["inner", "outer"]);
}

#[tokio::test]
async fn functions_find_each_other_after_their_module_was_written_and_loaded() {
    const FUNCTIONS: u32 = 97;
    // Each one is as long as no other, and calls one before or behind it, or itself.
    let functions = (0..FUNCTIONS).map(|own| {
        let (steps, other) =
            ("(i32.xor (i32.const 5))".repeat(own as usize), own * own % FUNCTIONS);
        format!(
            "(func $f{own} (export \"f{own}\") (param i32) (result i32)
                (if (result i32) (i32.eqz (local.get 0))
                    (then (i32.const {own}))
                    (else (i32.add
                        (i32.mul (i32.const 31)
                            (call $f{other} (i32.sub (local.get 0) (i32.const 1))))
                        (i32.const {own}) {steps}))))"
        )
    });
    let wasm = modules::wasm(&format!("(module {})", functions.collect::<String>()));
    fn expected(own: u32, depth: u32) -> u32 {
        if depth == 0 {
            return own;
        }
        let added = if own.is_multiple_of(2) { own } else { own ^ 5 };
        expected(own * own % FUNCTIONS, depth - 1).wrapping_mul(31).wrapping_add(added)
    }
    let policy = modules::strict_and_persistent().with_compilers(Compilers::Any);
    let key = SigningKey::generate().unwrap();
    for &compiler in modules::COMPILERS {
        let sealed = Module::precompile_with(&wasm, &policy, compiler, &key).unwrap();
        let module = Module::load(&sealed, &policy, &key).unwrap();
        let builder = WasmSandbox::builder().module(&module).security_policy(policy.clone());
        let sandbox = builder.build().await.unwrap();
        for own in 0..FUNCTIONS {
            let result: u32 = sandbox.call(&format!("f{own}"), 9u32).await.unwrap();
            assert_eq!(result, expected(own, 9), "f{own} of {compiler}");
        }
    }
}

#[tokio::test]
async fn a_trap_says_the_same_after_its_module_was_written_and_loaded() {
    let text = r#"(module (memory 1) (table 2 funcref) (type $number (func (result i32)))
        (func $out_of_bounds (result i32) (i32.load (i32.const 65536)))
        (func $zero (result i32) (i32.div_s (i32.const 1) (i32.const 0)))
        (func $never (result i32) unreachable)
        (func $deep (result i32) (i32.add (call $deep) (i32.const 1)))
        (func $beyond (result i32) (call_indirect (type $number) (i32.const 2)))
        (func $store (result i32) (i64.store offset=65530 (i32.const -1) (i64.const 7)) (i32.const 1))
        (func $first (export "first") (result i32) (call $out_of_bounds))
        (func $second (export "second") (result i32) (call $zero))
        (func $third (export "third") (result i32) (call $never))
        (func $fourth (export "fourth") (result i32) (call $beyond))
        (func $fifth (export "fifth") (result i32) (call $store))
        (func (export "overflow") (result i32) (call $deep)))"#;
    let policy = modules::strict_and_persistent().with_compilers(Compilers::Any);
    let key = SigningKey::generate().unwrap();
    for &compiler in modules::COMPILERS {
        let sealed =
            Module::precompile_with(&modules::wasm(text), &policy, compiler, &key).unwrap();
        let module = Module::load(&sealed, &policy, &key).unwrap();
        let builder = WasmSandbox::builder().module(&module).security_policy(policy.clone());
        let sandbox = builder.build().await.unwrap();
        for (function, expected, inner) in [
            ("first", TrapCode::MemoryOutOfBounds, "out_of_bounds"),
            ("second", TrapCode::IntegerDivisionByZero, "zero"),
            ("third", TrapCode::Unreachable, "never"),
            ("fourth", TrapCode::TableOutOfBounds, "beyond"),
            ("fifth", TrapCode::MemoryOutOfBounds, "store"),
        ] {
            let error = sandbox.call::<i32>(function, ()).await.unwrap_err();
            let SandboxError::Trap { code, backtrace, .. } = error else { panic!("{error}") };
            assert_eq!(
                (code, &backtrace[..]),
                (expected, &[inner, function].map(String::from)[..])
            );
        }
        let error = sandbox.call::<i32>("overflow", ()).await.unwrap_err();
        let SandboxError::Trap { code, .. } = error else { panic!("{error}") };
        assert_eq!(code, TrapCode::StackOverflow);
    }
}
