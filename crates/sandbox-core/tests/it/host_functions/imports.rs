//! Imports of a module, and the functions that it is offered.

use sandbox_core::{ErrorClass, HostFunctions, SandboxError, WasmSandboxBuilder};

use crate::modules;

fn refused(builder: WasmSandboxBuilder) -> SandboxError {
    builder.build_blocking().map(drop).unwrap_err()
}

fn importing(module: &str, name: &str, what: &str) -> WasmSandboxBuilder {
    modules::builder(&format!("(module (import {module:?} {name:?} {what}))"))
}

#[test]
fn another_signature_is_refused_with_both() {
    for (expected, text) in [
        ("(func (param i64))", "a function from (i64) to ()"),
        ("(func (param i32) (result i32))", "a function from (i32) to (i32)"),
        ("(func)", "a function from () to ()"),
        ("(func (param i32 i32))", "a function from (i32, i32) to ()"),
        ("(global i32)", "a global of type i32"),
        ("(memory 1)", "a memory"),
        ("(table 1 funcref)", "a table"),
    ] {
        let error = refused(importing("env", "f", expected).host_function("env", "f", |_: u32| ()));
        let message = error.to_string();
        let SandboxError::IncompatibleImport { module, name, expected, given, .. } = error else {
            panic!("{error}")
        };
        assert_eq!((module.as_str(), name.as_str()), ("env", "f"));
        assert_eq!((expected.as_str(), given.as_str()), (text, "a function from (i32) to ()"));
        assert!(message.contains(text) && message.contains("env.f"), "{message}");
    }
}

#[test]
fn an_import_of_one_name_with_two_types_is_refused() {
    let text =
        r#"(module (import "env" "f" (func (param i32))) (import "env" "f" (func (param i64))))"#;
    let error = refused(modules::builder(text).host_function("env", "f", |_: u32| ()));
    assert!(matches!(error, SandboxError::IncompatibleImport { .. }), "{error}");
    let twice = r#"(module (import "env" "f" (func (param i32))) (import "env" "f" (func $f (param i32)))
        (func (export "go") (call $f (i32.const 1))))"#;
    let sandbox = modules::builder(twice).host_function("env", "f", |_: u32| ()).build_blocking();
    let () = sandbox.unwrap().call_blocking("go", ()).unwrap();
}

#[test]
fn a_missing_host_function_is_named_with_how_to_register_it() {
    let error = refused(importing("env", "now", "(func (param i32 i64) (result f64))"));
    let message = error.to_string();
    assert!(message.contains("env.now"), "{message}");
    assert!(message.contains(r#"host_function("env", "now", ..)"#), "{message}");
    assert!(message.contains("from (i32, i64) to (f64)"), "{message}");
}

#[test]
fn a_name_that_is_nearly_or_elsewhere_registered_is_suggested() {
    let functions = HostFunctions::new()
        .function("env", "get_time", || 0u64)
        .function("env", "log", |_: u32| ())
        .function("clock", "now", || 0u64);
    for (module, name, suggested) in [
        ("env", "now", Some("clock.now")),
        ("env", "get-time", Some("env.get_time")),
        ("env", "getTime", Some("env.get_time")),
        ("env", "lg", Some("env.log")),
        ("host", "log", Some("env.log")),
        ("env", "unlike", None),
        ("other", "get-time", None),
    ] {
        let error = refused(importing(module, name, "(func)").host_functions(&functions));
        let SandboxError::UnknownImport { remedy, .. } = error else { panic!("{error}") };
        let found = remedy
            .split_once("is it the registered `")
            .map(|(_, rest)| rest.trim_end_matches("`?"));
        assert_eq!(found, suggested, "{module}.{name}: {remedy}");
    }
}

#[test]
fn what_no_host_function_can_supply_says_what_would() {
    for (module, name, what, remedy) in [
        ("env", "memory", "(memory 1)", "--import-memory"),
        ("env", "__memory_base", "(global i32)", "link it statically"),
        ("GOT.mem", "x", "(global (mut i32))", "link it statically"),
        ("env", "x", "(global i32)", "only functions"),
        ("env", "__indirect_function_table", "(table 1 funcref)", "only functions"),
        ("env", "emscripten_memcpy_js", "(func)", "STANDALONE_WASM"),
        ("__wbindgen_placeholder__", "__wbindgen_throw", "(func)", "wasm32-wasip1"),
        ("wbg", "f", "(func)", "wasm32-wasip1"),
    ] {
        let error = refused(importing(module, name, what));
        let SandboxError::UnknownImport { remedy: found, .. } = error else { panic!("{error}") };
        assert!(found.contains(remedy), "{module}.{name}: {found}");
    }
}

const CALLS_F: &str = r#"(module (import "env" "f" (func $f (result i32)))
    (func (export "f") (result i32) call $f))"#;

#[test]
fn two_functions_with_one_name_are_refused_whichever_way_they_come_together() {
    let first = HostFunctions::new().function("env", "f", || 1u32);
    let second = HostFunctions::new().function("env", "f", || 3u32).function("env", "g", || 4u32);
    let builder = || modules::builder(CALLS_F);
    for twice in [
        builder().host_functions(&first.clone().function("env", "f", || 2u32)),
        builder().host_functions(&first).host_functions(&second),
        builder().host_functions(&first.clone().merge(&second)),
        builder().host_functions(&second).host_function("env", "f", || 5u32),
        builder().host_functions(&second.clone().function("env", "g", || 5u32).merge(&first)),
        // Also where the module has no use for it.
        modules::builder("(module)").host_functions(&first).host_functions(&second),
    ] {
        let error = refused(twice);
        let SandboxError::DuplicateHostFunction { module, name, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!((module.as_str(), name.as_str()), ("env", "f"));
        assert_eq!((error.class(), error.kind()), (ErrorClass::Usage, "duplicate_host_function"));
        assert!(error.to_string().contains("HostFunctions::replace"), "{error}");
    }
}

#[test]
fn a_function_takes_the_place_of_another_where_that_is_asked_for() {
    let first = HostFunctions::new().function("env", "f", || 1u32);
    let second = HostFunctions::new().function("env", "f", || 3u32).function("env", "g", || 4u32);
    let answer = |functions: &HostFunctions| -> u32 {
        let builder = modules::builder(CALLS_F).host_functions(functions);
        builder.build_blocking().unwrap().call_blocking("f", ()).unwrap()
    };
    assert_eq!(answer(&first.clone().replace(&second)), 3);
    assert_eq!(answer(&second.clone().replace(&first)), 1);
    // What was ambiguous is not any longer.
    let twice = first.clone().merge(&second);
    assert_eq!(answer(&twice.replace(&first)), 1);
    // One set that comes twice says the same twice.
    let merged = second.clone().merge(&second);
    assert_eq!(answer(&merged), 3);
    assert_eq!(merged.names().collect::<Vec<_>>(), [("env", "f"), ("env", "g")]);
    assert_eq!(format!("{merged:?}"), r#"{"env.f", "env.g"}"#);
}

#[test]
fn a_host_function_takes_the_place_of_one_of_wasi() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
        (memory (export "memory") 1)
        (func (export "random") (result i32) (call $random (i32.const 1) (i32.const 2)))
        (func (export "yield") (result i32) (call $yield)))"#;
    let builder = modules::builder(text).host_function(
        "wasi_snapshot_preview1",
        "random_get",
        |at: u32, len: u32| 100 + at + len,
    );
    let sandbox = builder.build_blocking().unwrap();
    assert_eq!(sandbox.call_blocking::<u32>("random", ()).unwrap(), 103);
    assert_eq!(sandbox.call_blocking::<u32>("yield", ()).unwrap(), 0);
}
