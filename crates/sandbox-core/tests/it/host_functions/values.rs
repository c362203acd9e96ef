//! Host functions of bytes, text and values: with a guest written in Rust, and with one that lies.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use sandbox_core::{
    Caller, ExchangeError, GuestMemoryError, HostFunctions, MissingContext, SandboxError,
    SerializationFormat, StreamingSandbox, WasmSandbox,
};
use serde::{Deserialize, Serialize};

use crate::modules;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Item {
    name: String,
    price: Option<f64>,
    tags: BTreeMap<String, u32>,
}

#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

/// All that the guest `host_caller` imports.
fn functions() -> HostFunctions {
    let reverse = |mut bytes: Vec<u8>| {
        bytes.reverse();
        Ok::<Vec<u8>, Infallible>(bytes)
    };
    HostFunctions::new()
        .function("host", "add", |a: u32, b: i64| i64::from(a) + b)
        .function("host", "half", |x: f64| x / 2.0)
        .function("host", "is_even", |x: u32| u32::from(x.is_multiple_of(2)))
        .function("host", "tick", || ())
        .value_function("host", "reversed", reverse)
        .value_function("host", "reversed_owned", |bytes: Bytes| {
            Ok::<Bytes, Infallible>(bytes.iter().rev().copied().collect())
        })
        .value_function("host", "shout", |text: String| Ok::<_, Infallible>(text.to_uppercase()))
        .value_function("host", "greeting", |()| Ok::<&'static str, Infallible>("well,"))
        .value_function("host", "note", |caller: &mut Caller<'_>, text: String| {
            caller.context::<Arc<Notes>>()?.0.lock().unwrap().push(text);
            Ok::<(), MissingContext>(())
        })
        .value_function("host", "tagged", |(mut item, tag, count): (Item, String, u32)| {
            item.tags.insert(tag, count);
            Ok::<Item, Infallible>(item)
        })
        .value_function("host", "price_of", |article: String| match article.as_str() {
            "fire" => Err("the shop burnt down"),
            "bolt" => Ok(Ok(0.25)),
            other => Ok(Err(format!("no {other} here"))),
        })
        .value_function("host", "sum_of", |numbers: Vec<i64>| {
            Ok::<i64, Infallible>(numbers.iter().sum())
        })
        .async_value_function("host", "wait-for", async |milliseconds: u32| {
            tokio::time::sleep(Duration::from_millis(milliseconds.into())).await;
            Ok::<String, Infallible>(format!("waited for {milliseconds} ms"))
        })
}

async fn sandbox(format: SerializationFormat) -> (WasmSandbox, Arc<Notes>) {
    let notes = Arc::<Notes>::default();
    let builder =
        WasmSandbox::builder().source(modules::guest("host_caller")).serialization_format(format);
    let builder = builder.host_functions(&functions()).context(Arc::clone(&notes));
    (builder.build().await.unwrap(), notes)
}

#[tokio::test]
async fn numbers_need_no_format() {
    let (sandbox, _) = sandbox(SerializationFormat::default()).await;
    assert_eq!(sandbox.call::<f64>("numbers", (4u32, -1i64)).await.unwrap(), 2.0);
    assert_eq!(sandbox.call::<f64>("numbers", (u32::MAX, 0i64)).await.unwrap(), 2_147_483_647.5);
    let (_, usage) = sandbox.call_with_usage::<f64>("numbers", (1u32, 1i64)).await.unwrap();
    assert_eq!(usage.host_calls, 4);
}

#[tokio::test]
async fn bytes_of_any_length_make_the_round_trip() {
    let (sandbox, _) = sandbox(SerializationFormat::default()).await;
    for len in [0usize, 1, 511, 512, 513, 65_536, 3 << 20, 10] {
        let bytes: Vec<u8> = (0..=250u8).cycle().take(len).collect();
        let returned: Vec<u8> = sandbox.call("twice_reversed", &bytes).await.unwrap();
        assert!(returned == bytes, "{len} bytes came back changed");
        let mut returned: Vec<u8> = sandbox.call("once_reversed", &bytes).await.unwrap();
        returned.reverse();
        assert!(returned == bytes, "{len} bytes came back changed");
    }
}

#[tokio::test]
async fn an_output_that_is_fetched_counts_as_one_call() {
    let (sandbox, _) = sandbox(SerializationFormat::default()).await;
    for len in [10usize, 10_000] {
        let bytes = vec![7u8; len];
        let (_, usage) = sandbox.call_with_usage::<Vec<u8>>("once_reversed", &bytes).await.unwrap();
        assert_eq!(usage.host_calls, 1, "{len} bytes");
    }
}

#[tokio::test]
async fn values_travel_in_the_format_of_the_call() {
    for &format in SerializationFormat::ALL {
        let (sandbox, notes) = sandbox(format).await;
        let item = Item { name: "bolt".to_owned(), price: Some(0.25), tags: BTreeMap::new() };
        let tags: Vec<String> = (0..40).map(|tag| format!("tag number {tag}")).collect();
        let tagged: Item = sandbox.call("with_tags", (&item, &tags)).await.unwrap();
        assert_eq!(
            (tagged.name.as_str(), tagged.price, tagged.tags.len()),
            ("bolt", Some(0.25), 40)
        );
        assert_eq!(tagged.tags["tag number 39"], 39);
        assert_eq!(sandbox.call::<String>("shouted", "größe").await.unwrap(), "well, GRÖSSE");
        assert_eq!(*notes.0.lock().unwrap(), ["about to shout größe"]);
        assert_eq!(sandbox.call::<i64>("sum_up_to", 100u32).await.unwrap(), 5050);
        assert_eq!(sandbox.call::<String>("waited", 2u32).await.unwrap(), "waited for 2 ms");
    }
}

#[tokio::test]
async fn an_error_for_the_guest_is_its_own_to_handle() {
    let (sandbox, _) = sandbox(SerializationFormat::Json).await;
    let words: String = sandbox.call("price_in_words", "bolt").await.unwrap();
    assert_eq!(words, "bolt costs 0.25");
    let words: String = sandbox.call("price_in_words", "nut").await.unwrap();
    assert_eq!(words, "nut has no price: no nut here");
    assert_eq!(sandbox.call::<f64>("total", vec!["bolt", "bolt"]).await.unwrap(), 0.5);
    let error = sandbox.call::<f64>("total", vec!["bolt", "nut"]).await.unwrap_err();
    let SandboxError::GuestError { message, .. } = error else { panic!("{error}") };
    assert_eq!(message, "no nut here");
    let error = sandbox.call::<f64>("total", vec!["fire", "nut"]).await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "the shop burnt down");
    let SandboxError::HostFunctionFailed { host_function, .. } = error else { panic!("{error}") };
    assert_eq!(host_function, "host.price_of");
}

#[tokio::test]
async fn streams_call_functions_of_values() {
    let sandbox = StreamingSandbox::builder()
        .source(modules::guest("host_caller"))
        .host_functions(&functions())
        .build()
        .await
        .unwrap();
    let mut processor = sandbox.create_stream_processor().await.unwrap();
    let input = futures::stream::iter([Bytes::from("abc"), Bytes::from(vec![7u8; 5000])]);
    let output = processor.process_stream(input).await.unwrap();
    let output: Vec<Bytes> = output.map(Result::unwrap).collect().await;
    assert_eq!(output[0], "cba");
    assert_eq!(output[1], vec![7u8; 5000]);
    assert_eq!(output[2], 6i64.to_le_bytes()[..]);
}

#[tokio::test]
async fn what_guest_and_host_say_about_a_function_must_agree() {
    let none = HostFunctions::new;
    for (others, expected, given) in [
        (
            none().value_function("host", "shout", |text: Vec<u8>| Ok::<_, Infallible>(text)),
            "a function from text to text",
            "a function from bytes to bytes",
        ),
        (
            none().value_function("host", "sum_of", |_: Vec<i64>| Ok::<(), Infallible>(())),
            "a function from a value to a value",
            "a function from a value to nothing",
        ),
        (
            none().function("host", "note", |_: u32, _: u32, _: u32, _: u32, _: u32| 0u32),
            "a function from text to nothing",
            "a function from (i32, i32, i32, i32, i32) to (i32)",
        ),
    ] {
        let builder = WasmSandbox::builder().source(modules::guest("host_caller"));
        let error =
            builder.host_functions(&functions().replace(&others)).build().await.unwrap_err();
        let SandboxError::IncompatibleImport { expected: found, given: offered, .. } = error else {
            panic!("{error}")
        };
        assert_eq!((found.as_str(), offered.as_str()), (expected, given));
    }
    let error =
        WasmSandbox::builder().source(modules::guest("host_caller")).build().await.unwrap_err();
    let SandboxError::UnknownImport { module, remedy, .. } = error else { panic!("{error}") };
    assert_eq!(module, "host");
    assert!(remedy.contains("function"), "{remedy}");
}

/// A guest that passes the five numbers on as they are, and then fetches so many bytes of output to so many places.
const LIAR: &str = r#"(module
    (import "host" "text" (func $text (param i32 i32 i32 i32 i32) (result i32)))
    (import "host" "value" (func $value (param i32 i32 i32 i32 i32) (result i32)))
    (import "sandbox_host" "take_output" (func $take (param i32 i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "[1,2,3]\ff")
    (func (export "text") (param i32 i32 i32 i32 i32) (result i32)
        (call $text (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)))
    (func (export "value") (param i32 i32 i32 i32 i32) (result i32)
        (call $value (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)))
    (func (export "take") (param i32 i32) (call $take (local.get 0) (local.get 1)))
    (func (export "text_and_take") (param i32 i32) (result i32)
        (drop (call $text (i32.const 0) (i32.const 7) (i32.const 0) (i32.const 0) (i32.const 0)))
        (call $take (local.get 0) (local.get 1))
        (i32.load8_u (local.get 0)))
    (func (export "take_twice")
        (drop (call $text (i32.const 0) (i32.const 7) (i32.const 0) (i32.const 0) (i32.const 0)))
        (call $take (i32.const 100) (i32.const 14))
        (call $take (i32.const 100) (i32.const 14))))"#;

type Passed = (u32, u32, u32, u32, u32);

async fn liar() -> WasmSandbox {
    let functions = HostFunctions::new()
        .value_function("host", "text", |text: String| Ok::<_, Infallible>(text.repeat(2)))
        .value_function("host", "value", |numbers: Vec<u32>| Ok::<_, Infallible>(numbers));
    let builder = modules::builder(LIAR).security_policy(modules::strict_and_persistent());
    builder.host_functions(&functions).build().await.unwrap()
}

/// Why the host did not serve the call.
async fn refusal(function: &str, passed: Passed) -> Box<dyn Error + Send + Sync> {
    let sandbox = liar().await;
    let error = sandbox.call::<u32>(function, passed).await.unwrap_err();
    assert_eq!(sandbox.call::<u32>("text", (0u32, 7u32, 64u32, 14u32, 0u32)).await.unwrap(), 14);
    match error {
        SandboxError::HostFunctionFailed { error, .. } => error,
        other => panic!("{function} with {passed:?}: {other}"),
    }
}

#[tokio::test]
async fn pointers_of_an_exchange_are_checked() {
    let end = 65_536u32;
    for passed in [
        (end, 1, 0, 64, 0),
        (end - 1, 2, 0, 64, 0),
        (u32::MAX, u32::MAX, 0, 64, 0),
        (0, u32::MAX, 0, 64, 0),
        (0, 7, end, 14, 0),
        (0, 7, end - 13, 14, 0),
        (0, 7, u32::MAX, u32::MAX, 0),
    ] {
        let refusal = refusal("text", passed).await;
        assert!(refusal.is::<GuestMemoryError>(), "{passed:?}: {refusal}");
    }
    // No more room is looked at than is used.
    let sandbox = liar().await;
    assert_eq!(
        sandbox.call::<u32>("text", (0u32, 7u32, end - 14, u32::MAX, 0u32)).await.unwrap(),
        14
    );
    // In place: what is written over was read before.
    assert_eq!(sandbox.call::<u32>("text", (0u32, 7u32, 1u32, 14u32, 0u32)).await.unwrap(), 14);
}

#[tokio::test]
async fn what_does_not_decode_is_an_error_that_says_so() {
    for (function, passed) in [
        ("text", (0, 8, 64, 64, 0)),
        ("value", (0, 6, 64, 64, 1)),
        ("value", (0, 8, 64, 64, 1)),
        ("value", (0, 0, 64, 64, 2)),
        ("value", (0, 7, 64, 64, 3)),
    ] {
        let refusal = refusal(function, passed).await;
        let reason = refusal.downcast_ref();
        assert!(
            matches!(reason, Some(ExchangeError::Argument(_))),
            "{function} {passed:?}: {refusal}"
        );
    }
    for format in [0, 4, 8, u32::MAX] {
        let refusal = refusal("value", (0, 7, 64, 64, format)).await;
        assert_eq!(refusal.downcast_ref(), Some(&ExchangeError::Format(format)));
    }
    assert_eq!(
        liar().await.call::<u32>("value", (0u32, 7u32, 64u32, 64u32, 1u32)).await.unwrap(),
        7
    );
}

#[tokio::test]
async fn an_output_is_fetched_once_and_whole() {
    let sandbox = liar().await;
    assert_eq!(
        sandbox.call::<u32>("text_and_take", (100u32, 14u32)).await.unwrap(),
        u32::from(b'[')
    );
    for (function, at, len, held) in [
        ("take", 100u32, 14u32, 0),
        ("take", 0, 1, 0),
        ("text_and_take", 100, 13, 14),
        ("text_and_take", 100, 15, 14),
        ("text_and_take", 100, u32::MAX, 14),
    ] {
        let error = match function {
            "take" => sandbox.call::<()>(function, (at, len)).await.unwrap_err(),
            _ => sandbox.call::<u32>(function, (at, len)).await.map(drop).unwrap_err(),
        };
        let expected = ExchangeError::Output { asked: len, held };
        assert_eq!(error.source().unwrap().downcast_ref(), Some(&expected), "{function} {len}");
    }
    let error = sandbox.call::<u32>("text_and_take", (65_530u32, 14u32)).await.unwrap_err();
    assert!(error.source().unwrap().is::<GuestMemoryError>(), "{error}");
    let error = sandbox.call::<()>("take_twice", ()).await.unwrap_err();
    let expected = ExchangeError::Output { asked: 14, held: 0 };
    assert_eq!(error.source().unwrap().downcast_ref(), Some(&expected));
    // Nothing is left for the next call to fetch.
    let () = sandbox.call("take", (0u32, 0u32)).await.unwrap();
    assert_eq!(sandbox.call::<u32>("text", (0u32, 7u32, 0u32, 0u32, 0u32)).await.unwrap(), 14);
    let error = sandbox.call::<()>("take", (100u32, 14u32)).await.unwrap_err();
    assert_eq!(error.source().unwrap().downcast_ref(), Some(&expected));
}

#[tokio::test]
async fn an_undeclared_import_is_known_by_its_signature_alone() {
    let text = r#"(module
        (@custom "sandbox-guest" "{\"abi\":1,\"import\":\"f\",\"module\":\"m\",\"input\":\"text\",\"output\":\"unit\"}\n")
        (import "m" "f" (func (param i32 i32 i32 i32 i32) (result i32))))"#;
    let error = modules::builder(text).build().await.unwrap_err();
    let SandboxError::UnknownImport { remedy, .. } = error else { panic!("{error}") };
    assert!(remedy.contains(r#"value_function("m", "f", ..)"#), "{remedy}");
    assert!(remedy.contains("from text to nothing"), "{remedy}");
}
