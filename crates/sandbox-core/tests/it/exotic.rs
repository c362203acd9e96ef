//! Valid modules of kinds that nobody writes.

use std::time::Duration;

use sandbox_core::{HostFunctions, Module, SandboxError, SecurityPolicy, WasmFeatures};

use crate::compile_limits::PRESETS;
use crate::modules::{self, COMPILERS};

/// Two types of functions with one CRC-32, of which the second is that of this library's own gate.
const COLLIDING: &str =
    "(type (func (param f64 i32 f32 i64 i32 i32 i32 i64 i64 i32 i64 i64 f32 i32 f64 i64 i32 f64)))";

fn all_features() -> SecurityPolicy {
    SecurityPolicy::permissive().with_features(WasmFeatures::ALL)
}

#[test]
fn types_that_wasmer_cannot_tell_apart_are_refused_under_every_policy() {
    for (name, policy) in PRESETS {
        for text in [
            format!("(module {COLLIDING} (func (type 0)))"),
            format!("(module {COLLIDING})"),
            format!("(module {COLLIDING} (type (func (param i64))) (func (type 1)))"),
            format!(r#"(module {COLLIDING} (import "env" "f" (func (type 0))))"#),
        ] {
            for &compiler in COMPILERS {
                let builder = modules::builder(&text).security_policy(policy.clone());
                let error = builder.compiler(compiler).build_blocking().map(drop).unwrap_err();
                assert!(
                    matches!(error, SandboxError::CollidingTypes { .. }),
                    "{name}, {compiler}: {error}"
                );
            }
        }
    }
    // The type of the gate alone, and a host function of it.
    let text = r#"(module (import "env" "f" (func (param i64))) (func (export "g") (call 0 (i64.const 1))))"#;
    let sandbox = modules::builder(text).host_function("env", "f", |_: i64| ());
    sandbox.build_blocking().unwrap().call_blocking::<()>("g", ()).unwrap();
}

#[test]
fn a_host_function_is_bound_only_to_an_import_of_its_own_type() {
    // So none can bring a type to an instance that was not among those that were compared.
    let text = r#"(module (import "env" "f" (func (param i32))))"#;
    let functions = HostFunctions::new().function(
        "env",
        "f",
        |_: f64,
         _: i32,
         _: f32,
         _: i64,
         _: i32,
         _: i32,
         _: i32,
         _: i64,
         _: i64,
         _: i32,
         _: i64,
         _: i64| (),
    );
    let error = modules::builder(text).host_functions(&functions).build_blocking().map(drop);
    assert!(matches!(error, Err(SandboxError::IncompatibleImport { .. })), "{error:?}");
}

#[test]
fn host_functions_that_a_module_exports_are_called_as_its_own() {
    let text = r#"(module (import "env" "twice" (func $twice (param i32) (result i32)))
        (table 1 funcref) (elem (i32.const 0) func $twice)
        (export "twice" (func $twice)) (export "again" (func $twice))
        (func (export "by table") (param i32) (result i32)
            (call_indirect (param i32) (result i32) (local.get 0) (i32.const 0))))"#;
    for (name, policy) in PRESETS {
        for &compiler in COMPILERS {
            let builder = modules::builder(text).security_policy(policy.clone());
            let builder = builder.host_function("env", "twice", |number: i32| 2 * number);
            let sandbox = builder.compiler(compiler).build_blocking().unwrap();
            for function in ["twice", "again", "by table"] {
                let twice: i32 = sandbox.call_blocking(function, 4i32).unwrap();
                assert_eq!(twice, 8, "{name}, {compiler}, {function}");
            }
        }
    }
}

#[test]
fn what_no_rust_type_can_hold_is_exported_and_never_a_panic() {
    let text = r#"(module
        (type $e (func (param i32 i64)))
        (tag $t (export "tag") (type $e)) (tag (export "another tag"))
        (table $f (export "functions") 2 funcref) (table $x (export "things") 2 externref)
        (table $fixed (export "fixed") 3 3 funcref)
        (memory (export "memory") 1) (memory (export "other") 1)
        (global (export "v") v128 (v128.const i64x2 1 2))
        (global (export "mv") (mut v128) (v128.const i64x2 1 2))
        (global (export "gf") (mut funcref) (ref.func $nothing)) (global (export "gx") externref (ref.null extern))
        (elem $kept func $nothing) (elem (table $fixed) (i32.const 1) func $nothing $nothing)
        (func $nothing (export "nothing")) (export "nothing too" (func $nothing))
        (func (export "vector") (param v128) (result v128) local.get 0)
        (func (export "function") (param funcref) (result funcref) local.get 0)
        (func (export "thing") (param externref) (result externref) local.get 0)
        (func (export "to null") (result funcref externref) ref.null func ref.null extern)
        (func (export "to function") (result funcref) ref.func $nothing)
        (func (export "get") (param i32) (result funcref) (table.get $f (local.get 0)))
        (func (export "fill") (table.fill $f (i32.const 0) (ref.func $nothing) (i32.const 2)))
        (func (export "grow") (result i32) (table.grow $x (ref.null extern) (i32.const 2)))
        (func (export "init") (table.init $f $kept (i32.const 0) (i32.const 0) (i32.const 1)))
        (func (export "copy") (table.copy $f $fixed (i32.const 0) (i32.const 1) (i32.const 1)))
        (func (export "drop") (elem.drop $kept))
        (func (export "call") (call_indirect $fixed (i32.const 1)))
        (func (export "call null") (call_indirect $fixed (i32.const 0)))
        (func (export "throw") (throw $t (i32.const 1) (i64.const 2)))
        (func (export "catch") (result i32 i64)
            (block $b (result i32 i64) (try_table (catch $t $b) (throw $t (i32.const 1) (i64.const 2))) unreachable)))"#;
    for &compiler in COMPILERS {
        let wasm = modules::wasm(text);
        let module = match Module::compile_with(&wasm, &all_features(), compiler) {
            Ok(module) => module,
            Err(SandboxError::UnsupportedFeature { .. }) => continue,
            Err(error) => panic!("{compiler}: {error}"),
        };
        let names: Vec<String> = module.function_names().into_iter().map(str::to_owned).collect();
        for mode in [sandbox_core::InstanceMode::Persistent, sandbox_core::InstanceMode::Fresh] {
            let policy =
                all_features().with_instances(mode).with_wall_clock(Duration::from_secs(60));
            let builder = sandbox_core::WasmSandbox::builder().module(&module);
            let sandbox = builder.security_policy(policy).build_blocking().unwrap();
            for name in &names {
                for outcome in [
                    sandbox.call_blocking::<()>(name, ()),
                    sandbox.call_blocking::<()>(name, 0i32),
                    sandbox.call_blocking::<serde_json::Value>(name, 0i64).map(drop),
                    sandbox.call_blocking::<(i32, i64)>(name, ()).map(drop),
                ] {
                    if let Err(error) = outcome {
                        assert_ne!(error.kind(), "host_panic", "{compiler}, {name}: {error}");
                    }
                }
            }
            sandbox.call_blocking::<()>("nothing too", ()).unwrap();
            assert_eq!(sandbox.call_blocking::<(i32, i64)>("catch", ()).unwrap(), (1, 2));
        }
    }
}

#[test]
fn imports_of_every_kind_are_refused_by_name() {
    for (name, policy) in PRESETS {
        for (text, said) in [
            (r#"(module (import "env" "t" (table 1 funcref)))"#, "a table"),
            (
                r#"(module (import "env" "g" (global i32)) (global i32 (global.get 0)))"#,
                "a global of type i32",
            ),
            (r#"(module (import "env" "m" (memory 1)))"#, "--import-memory"),
            (
                r#"(module (import "wasi_snapshot_preview1" "fd_write" (global i32)))"#,
                "a global of type i32",
            ),
            (r#"(module (import "env" "t" (table 1 funcref)) (export "t" (table 0)))"#, "a table"),
        ] {
            let error = modules::builder(text).security_policy(policy.clone()).build_blocking();
            let error = error.map(drop).unwrap_err();
            assert!(
                matches!(
                    error,
                    SandboxError::UnknownImport { .. } | SandboxError::IncompatibleImport { .. }
                ),
                "{name}: {error}"
            );
            assert!(error.to_string().contains(said), "{name}: {error}");
        }
    }
    let tag = r#"(module (import "env" "e" (tag (param i32))))"#;
    let error = modules::builder(tag).security_policy(all_features()).build_blocking().map(drop);
    assert!(error.unwrap_err().to_string().contains("an exception tag"));
}

#[test]
fn names_for_people_may_be_anything() {
    let long = "x".repeat(90_000);
    for (name, policy) in PRESETS {
        for text in [
            format!(r#"(module $m (func ${long} (export "f")) (func $again) (func $g))"#),
            // A section of names that is cut off, one that names functions that are not there, one with one name twice.
            r#"(module (func (export "f")) (@custom "name" "\01\ff"))"#.to_owned(),
            r#"(module (func (export "f")) (@custom "name" "\01\04\01\7f\01a"))"#.to_owned(),
            r#"(module (func (export "f")) (@custom "name" "\01\07\02\00\01a\00\01b"))"#.to_owned(),
            r#"(module (func (export "f")) (@custom "name" "") (@custom "name" "\01\04\01\00\01a"))"#.to_owned(),
        ] {
            for &compiler in COMPILERS {
                let builder = modules::builder(&text).security_policy(policy.clone());
                match builder.compiler(compiler).build_blocking() {
                    Ok(sandbox) => sandbox.call_blocking::<()>("f", ()).unwrap(),
                    Err(SandboxError::InvalidModule { .. }) => {}
                    Err(error) => panic!("{name}, {compiler}: {error}"),
                }
            }
        }
    }
}

#[test]
fn references_to_exceptions_wherever_they_are_end_no_process() {
    // Wasmer's functions for tables end the process where they meet what they do not know.
    crate::alone::run("exotic::references_to_exceptions_everywhere");
}

/// Not a test: what runs in a process of its own.
#[test]
#[ignore = "runs only as a process of another test"]
fn references_to_exceptions_everywhere() {
    for (declared, code) in [
        ("(table $t 2 4 exnref)", "(drop (table.get $t (i32.const 0)))"),
        ("(table $t 2 4 exnref)", "(drop (table.get $t (i32.const 9)))"),
        ("(table $t 2 4 exnref)", "(table.set $t (i32.const 0) (ref.null exn))"),
        ("(table $t 2 4 exnref)", "(drop (table.grow $t (ref.null exn) (i32.const 1)))"),
        ("(table $t 2 4 exnref)", "(table.fill $t (i32.const 0) (ref.null exn) (i32.const 1))"),
        ("(table $t 2 4 exnref)", "(table.copy $t $t (i32.const 0) (i32.const 1) (i32.const 1))"),
        (
            "(table $t 2 4 exnref) (elem $e exnref (ref.null exn))",
            "(table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1))",
        ),
        ("(table $t 2 4 exnref) (elem (table $t) (i32.const 0) exnref (ref.null exn))", ""),
        ("(table $t 2 2 exnref)", "(drop (table.size $t))"),
        ("(global $g (mut exnref) (ref.null exn))", "(global.set $g (ref.null exn))"),
        ("(global $g (mut exnref) (ref.null exn))", "(drop (global.get $g))"),
        ("", "(local $l exnref) (local.set $l (ref.null exn))"),
        ("", "(throw_ref (ref.null exn))"),
        ("(tag $big (param i64 i64 i64 i64 f64 f64 v128 v128))", ""),
        ("(tag $ref (param externref))", "(throw $ref (ref.null extern))"),
        ("(tag $ref (param exnref))", "(throw $ref (ref.null exn))"),
    ] {
        let text = format!(r#"(module {declared} (func (export "f") {code}))"#);
        let Ok(wasm) = wat::parse_str(&text) else { panic!("{text}") };
        for &compiler in COMPILERS {
            let module = match Module::compile_with(&wasm, &all_features(), compiler) {
                Ok(module) => module,
                Err(error) => {
                    println!("{compiler}: {declared} {code}: {error}");
                    continue;
                }
            };
            let builder = sandbox_core::WasmSandbox::builder().module(&module);
            let outcome = builder
                .security_policy(all_features().with_wall_clock(Duration::from_secs(60)))
                .build_blocking()
                .and_then(|sandbox| sandbox.call_blocking::<()>("f", ()));
            println!("{compiler}: {declared} {code}: {outcome:?}");
            if let Err(error) = outcome {
                assert_ne!(error.kind(), "host_panic", "{compiler}, {declared} {code}: {error}");
            }
        }
    }
}
