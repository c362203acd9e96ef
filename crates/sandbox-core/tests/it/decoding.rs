//! Values of guests that are much more than they seem, and names and messages that want to be more than text.

use std::collections::BTreeMap;
use std::convert::Infallible;

use sandbox_core::{
    ExchangeError, HostFunctions, SandboxError, SecurityPolicy, SerializationFormat, WasmSandbox,
};
use serde::{Deserialize, Serialize};

use crate::compile_limits::PRESETS;
use crate::modules;

/// A guest that returns a value of so many bytes, each of them the same, behind others.
fn returning(head: &[u8], body: u8, body_bytes: u32, pages: u32) -> String {
    let hex: String = head.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let (start, head_bytes) = (4096, head.len());
    format!(
        r#"(module
        (@custom "sandbox-guest" "{{\"abi\":1,\"formats\":[\"json\",\"messagepack\",\"bincode\"]}}\0a{{\"abi\":1,\"export\":\"give\",\"input\":\"unit\",\"output\":\"value\"}}")
        (import "host" "take" (func $take (param i32 i32 i32 i32 i32) (result i32)))
        (memory (export "memory") {pages})
        (data (i32.const {start}) "{hex}")
        (func (export "sandbox_exchange") (result i32) i32.const 0)
        (func (export "sandbox_reserve") (param i32) (result i32) i32.const 0)
        (func $fill (memory.fill (i32.const {behind}) (i32.const {body}) (i32.const {body_bytes})))
        (func (export "give") (param i32) (result i32)
            (call $fill)
            (i32.store (i32.const 8) (i32.const {start}))
            (i32.store (i32.const 12) (i32.const {all}))
            i32.const 0)
        (func (export "pass") (param i32)
            (call $fill)
            (drop (call $take (i32.const {start}) (i32.const {all}) (i32.const 0) (i32.const 0) (local.get 0))))
        (func (export "well") (result i32) i32.const 42))"#,
        behind = start + head_bytes,
        all = body_bytes as usize + head_bytes,
    )
}

/// A list that takes a level for each of its elements.
#[derive(Debug, Serialize, Deserialize)]
enum Chain {
    End,
    Link(Box<Chain>),
}

/// Type that a bomb is decoded as.
#[derive(Debug, Clone, Copy)]
enum As {
    Chain,
    Nothings,
    Emptiness,
    Json,
    Map,
}

fn sandbox(text: &str, format: SerializationFormat, policy: SecurityPolicy) -> WasmSandbox {
    let take =
        HostFunctions::new().value_function("host", "take", |_: Chain| Ok::<(), Infallible>(()));
    let builder = modules::builder(text).security_policy(policy).host_functions(&take);
    builder.serialization_format(format).build_blocking().unwrap()
}

fn decoded(sandbox: &WasmSandbox, wanted: As) -> Result<(), SandboxError> {
    match wanted {
        As::Chain => sandbox.call_blocking::<Chain>("give", ()).map(drop),
        As::Nothings => sandbox.call_blocking::<Vec<()>>("give", ()).map(drop),
        As::Emptiness => sandbox.call_blocking::<Vec<[u64; 0]>>("give", ()).map(drop),
        As::Json => sandbox.call_blocking::<serde_json::Value>("give", ()).map(drop),
        As::Map => sandbox.call_blocking::<BTreeMap<(), ()>>("give", ()).map(drop),
    }
}

#[test]
fn values_that_are_deeper_or_longer_than_their_bytes_are_undecodable_under_every_policy() {
    use SerializationFormat::{Bincode, Json, MessagePack};
    // Four billion, and as many as there can be.
    let (long, longest) =
        ([0xfc, 0xff, 0xff, 0xff, 0xff], [0xfd, 255, 255, 255, 255, 255, 255, 255, 255]);
    let bombs: [(SerializationFormat, &[u8], u8, As); 10] = [
        (Bincode, &[], 1, As::Chain),
        (Bincode, &long, 0, As::Nothings),
        (Bincode, &longest, 0, As::Nothings),
        (Bincode, &longest, 0, As::Emptiness),
        (Bincode, &longest, 0, As::Map),
        (MessagePack, &[], 0x91, As::Json),
        (MessagePack, &[0xdd, 0xff, 0xff, 0xff, 0xff], 0xc0, As::Nothings),
        (MessagePack, &[0xdd, 0xff, 0xff, 0xff, 0xff], 0x90, As::Json),
        (Json, &[], b'[', As::Json),
        (Json, br#"{"a":"#, b'[', As::Json),
    ];
    for (name, policy) in PRESETS {
        for (format, head, body, wanted) in bombs {
            let sandbox = sandbox(&returning(head, body, 500_000, 10), format, policy.clone());
            let error = decoded(&sandbox, wanted).unwrap_err();
            assert!(
                matches!(error, SandboxError::Undecodable { .. }),
                "{name}, {format}, {wanted:?}: {error}"
            );
            assert!(error.to_string().len() < 1_000, "{name}, {format}, {wanted:?}");
            assert_eq!(sandbox.call_blocking::<i32>("well", ()).unwrap(), 42);
        }
    }
}

#[test]
fn values_that_guests_pass_to_host_functions_are_bounded_too() {
    for (name, policy) in PRESETS {
        let sandbox =
            sandbox(&returning(&[], 1, 500_000, 10), SerializationFormat::Bincode, policy);
        let error = sandbox.call_blocking::<()>("pass", 3i32).unwrap_err();
        let SandboxError::HostFunctionFailed { error, .. } = error else {
            panic!("{name}: {error}")
        };
        let error = error.downcast_ref::<ExchangeError>().unwrap();
        assert!(
            matches!(error, ExchangeError::Argument(said) if said.contains("nested")),
            "{error}"
        );
    }
}

#[test]
fn a_value_that_is_larger_than_the_policy_decodes_is_not_decoded() {
    let limit = 100_000;
    for (name, policy) in PRESETS {
        let policy = policy.with_value_limit(limit);
        let string = |bytes: u32| {
            let length = u16::try_from(bytes - 3).unwrap_or(u16::MAX).to_be_bytes();
            returning(&[0xda, length[0], length[1]], b'a', bytes - 3, 10)
        };
        let format = SerializationFormat::MessagePack;
        let fits = sandbox(&string(60_000), format, policy.clone());
        assert_eq!(fits.call_blocking::<String>("give", ()).unwrap().len(), 59_997, "{name}");
        let large = sandbox(&string(100_001), format, policy);
        let error = large.call_blocking::<String>("give", ()).unwrap_err();
        assert!(
            matches!(
                error,
                SandboxError::ValueTooLarge { size_bytes: 100_001, limit_bytes: 100_000, .. }
            ),
            "{name}: {error}"
        );
        let error = large.call_blocking::<()>("pass", 2i32).unwrap_err();
        let SandboxError::HostFunctionFailed { error, .. } = error else {
            panic!("{name}: {error}")
        };
        let error = error.downcast_ref::<ExchangeError>().unwrap();
        assert!(matches!(error, ExchangeError::TooLarge { size_bytes: 100_001, .. }), "{error}");
    }
}

#[test]
fn types_that_take_whatever_comes_get_several_numbers() {
    let text = r#"(module
        (func (export "three") (result i32 i64 f64) i32.const 1 i64.const 2 f64.const 0.5)
        (func (export "one") (result i32) i32.const 7)
        (func (export "none")))"#;
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Any {
        Three(i32, i64, f64),
        One(i32),
    }
    for (_, policy) in PRESETS {
        let sandbox = modules::builder(text).security_policy(policy).build_blocking().unwrap();
        let value = |name| sandbox.call_blocking::<serde_json::Value>(name, ()).unwrap();
        assert_eq!(value("three"), serde_json::json!([1, 2, 0.5]));
        assert_eq!((value("one"), value("none")), (serde_json::json!(7), serde_json::Value::Null));
        let any = |name| sandbox.call_blocking::<Any>(name, ()).unwrap();
        assert_eq!((any("three"), any("one")), (Any::Three(1, 2, 0.5), Any::One(7)));
        let error = sandbox.call_blocking::<Any>("none", ()).unwrap_err();
        assert!(matches!(error, SandboxError::SignatureMismatch { .. }), "{error}");
        sandbox.call_blocking::<serde::de::IgnoredAny>("three", ()).unwrap();
    }
}

#[test]
fn a_number_that_does_not_fit_its_parameter_is_never_another_number() {
    let text = r#"(module
        (func (export "id") (param i32) (result i32) local.get 0)
        (func (export "id64") (param i64) (result i64) local.get 0))"#;
    let sandbox = modules::builder(text).build_blocking().unwrap();
    for number in [4_000_000_000i64, i64::from(i32::MAX) + 1, i64::from(i32::MIN) - 1, i64::MAX] {
        let error = sandbox.call_blocking::<i64>("id", number).unwrap_err();
        assert!(matches!(error, SandboxError::SignatureMismatch { .. }), "{number}: {error}");
    }
    let error = sandbox.call_blocking::<u64>("id", u64::from(u32::MAX) + 1).unwrap_err();
    assert!(matches!(error, SandboxError::SignatureMismatch { .. }), "{error}");
    for number in [0, -1, i64::from(i32::MAX), i64::from(i32::MIN)] {
        assert_eq!(sandbox.call_blocking::<i64>("id", number).unwrap(), number);
    }
    // The bits are the same, and so is the number as long as both sides say that it has no sign.
    assert_eq!(sandbox.call_blocking::<u32>("id", u32::MAX).unwrap(), u32::MAX);
    assert_eq!(
        sandbox.call_blocking::<u64>("id", u64::from(u32::MAX)).unwrap(),
        u64::from(u32::MAX)
    );
    assert_eq!(sandbox.call_blocking::<i32>("id", u32::MAX).unwrap(), -1);
    assert_eq!(sandbox.call_blocking::<u64>("id64", u64::MAX).unwrap(), u64::MAX);
    assert_eq!(sandbox.call_blocking::<i64>("id64", u64::MAX).unwrap(), -1);
}

/// Whether a terminal would do something else with it than show it.
fn is_obeyed(text: &str) -> bool {
    text.chars().any(|c| {
        (c.is_control() && !matches!(c, '\n' | '\t')) || ('\u{202a}'..='\u{202e}').contains(&c)
    })
}

#[test]
fn names_in_errors_are_cut_and_escaped() {
    let evil = format!("\\e2\\80\\ae{}", "\\1b[31m".repeat(10_000));
    for (preset, policy) in PRESETS {
        for text in [
            format!(r#"(module (import "{evil}" "f" (func)))"#),
            format!(r#"(module (import "env" "{evil}" (func)))"#),
            format!(r#"(module (import "env" "{evil}" (memory 1)))"#),
            format!(r#"(module (import "wasi_snapshot_preview1" "{evil}" (func)))"#),
            format!(r#"(module (func (export "{evil}")) (func (export "also")))"#),
            r#"(module (@custom "sandbox-guest" "{\22abi\22:1,\22export\22:\22\5cu001b[31m\22,\22input\22:\22unit\22,\22output\22:\22unit\22}"))"#.to_owned(),
        ] {
            let built = modules::builder(&text).security_policy(policy.clone()).build_blocking();
            let shown = match built {
                Ok(sandbox) => sandbox.call_blocking::<()>("none", ()).unwrap_err().to_string(),
                Err(error) => error.to_string(),
            };
            assert!(!is_obeyed(&shown), "{preset}: {shown:?}");
            assert!(shown.len() < 10_000, "{preset}: {} bytes", shown.len());
        }
    }
}

#[test]
fn an_error_lists_some_of_the_names_and_says_how_many_there_are() {
    let exports: String = (0..2_000).map(|at| format!(r#"(export "e{at:04}" (func 0))"#)).collect();
    let text = format!("(module (func) {exports})");
    let sandbox = modules::builder(&text).build_blocking().unwrap();
    let error = sandbox.call_blocking::<()>("none", ()).unwrap_err();
    assert!(error.to_string().ends_with("e0019 and 1980 more"), "{error}");
    let SandboxError::NoSuchFunction { available, more, .. } = error else { panic!("{error}") };
    assert_eq!((available.len(), more), (64, 1_936));
    assert!(available.is_sorted() && available[63] == "e0063", "{available:?}");
}
