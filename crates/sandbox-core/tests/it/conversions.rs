//! Conversions to and from the types of guests, of all the types that hold numbers, bytes, text and values.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use abi_probe::{Order, Report};
use bytes::Bytes;
use sandbox_core::{
    Bincode, FromGuest, Json, MsgPack, SandboxError, SecurityPolicy, SerializationFormat, Value,
    Values, WasmSandbox,
};
use serde::{Deserialize, Serialize};

use crate::modules::{self, NUMBERS};

async fn probe(format: SerializationFormat) -> WasmSandbox {
    let builder = WasmSandbox::builder().source(modules::guest("abi_probe"));
    builder.serialization_format(format).build().await.unwrap()
}

/// The lines by which the library was first described, word for word but for the guests' place.
#[tokio::test]
async fn the_first_examples_of_the_library_compile_and_run() {
    async fn built(file: &str) -> sandbox_core::Result<WasmSandbox> {
        WasmSandbox::builder()
            .source(modules::guest(file))
            .memory_limit(128 * 1024 * 1024)
            .security_policy(modules::strict_and_persistent())
            .serialization_format(SerializationFormat::MessagePack)
            .enable_cache(false)
            .build()
            .await
    }

    async fn run() -> sandbox_core::Result<()> {
        let sandbox = built("simple_math").await?;
        let sum: i32 = sandbox.call("add", (42i32, 24i32)).await?;
        assert_eq!(sum, 66);
        let sandbox = built("memory_ops").await?;
        let data = vec![7u8; 1000];
        let out: Vec<u8> = sandbox.call("copy_memory", &data).await?;
        assert_eq!(out, data);
        let sandbox = built("abi_probe").await?;
        let order = Order::default();
        let report: Report = sandbox.call("summarise", &order).await?;
        assert_eq!(report, order.summary());
        Ok(())
    }

    run().await.unwrap();
}

#[tokio::test]
async fn a_call_names_the_type_of_its_result_alone() {
    let sandbox = modules::sandbox(NUMBERS, modules::strict_and_persistent()).await;
    assert_eq!(sandbox.call::<i32>("add", (1, 2)).await.unwrap(), 3);
    assert_eq!(sandbox.call_blocking::<u64>("add", (1, 2)).unwrap(), 3);
    let sums = sandbox.call_batch::<i32>("add", [(1, 2), (3, 4)]).await.unwrap();
    assert_eq!(sums.into_values().unwrap(), [3, 7]);
    let (sum, usage) = sandbox.call_with_usage::<i32>("add", (1, 2)).await.unwrap();
    assert_eq!((sum, usage.calls), (3, 1));
    let mut session = sandbox.session().await.unwrap();
    assert_eq!(session.call::<i32>("add", (1, 2)).await.unwrap(), 3);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Payload(Vec<u8>);

#[tokio::test]
async fn every_type_of_bytes_is_passed_as_bytes() {
    let sandbox = probe(SerializationFormat::MessagePack).await;
    let three = b"abc".to_vec();
    macro_rules! echoes {
        ($($given:expr),+ $(,)?) => {$(
            let back: Vec<u8> = sandbox.call("echo", $given).await.unwrap();
            assert_eq!(back, b"abc", stringify!($given));
        )+};
    }
    echoes!(
        three.clone(),
        &three,
        &three[..],
        &&three[..],
        b"abc",
        *b"abc",
        Box::<[u8]>::from(&three[..]),
        Cow::Borrowed(&three[..]),
        Cow::<[u8]>::Owned(three.clone()),
        Arc::<[u8]>::from(&three[..]),
        Bytes::from_static(b"abc"),
        &Bytes::from_static(b"abc"),
        VecDeque::from(three.clone()),
        Payload(three.clone()),
        Value::Bytes(three.clone()),
    );
    // Longer ones are as serde has no arrays for.
    const LONG: [u8; 100] = [7; 100];
    let back: Vec<u8> = sandbox.call("echo", &LONG[..]).await.unwrap();
    assert_eq!(back, LONG);
}

#[tokio::test]
async fn bytes_come_back_as_every_type_of_bytes() {
    async fn echo<R: FromGuest>(sandbox: &WasmSandbox) -> R {
        sandbox.call("echo", b"abc").await.unwrap()
    }

    let sandbox = probe(SerializationFormat::MessagePack).await;
    assert_eq!(echo::<Vec<u8>>(&sandbox).await, b"abc");
    assert_eq!(echo::<Bytes>(&sandbox).await, &b"abc"[..]);
    assert_eq!(*echo::<Box<[u8]>>(&sandbox).await, *b"abc");
    assert_eq!(*echo::<Arc<[u8]>>(&sandbox).await, *b"abc");
    assert_eq!(echo::<Cow<'static, [u8]>>(&sandbox).await, &b"abc"[..]);
    assert_eq!(echo::<[u8; 3]>(&sandbox).await, *b"abc");
    assert_eq!(echo::<Payload>(&sandbox).await, Payload(b"abc".to_vec()));
    assert_eq!(echo::<Value>(&sandbox).await, Value::Bytes(b"abc".to_vec()));
    let error = sandbox.call::<[u8; 4]>("echo", b"abc").await.unwrap_err();
    assert!(matches!(error, SandboxError::Undecodable { .. }), "{error}");
    for error in [
        sandbox.call::<Vec<u64>>("echo", b"abc").await.unwrap_err(),
        sandbox.call::<String>("echo", b"abc").await.map(|_| Vec::<u8>::new()).unwrap_err(),
    ] {
        assert!(matches!(error, SandboxError::SignatureMismatch { .. }), "{error}");
    }
}

#[tokio::test]
async fn every_type_of_text_is_passed_and_comes_back_as_text() {
    async fn shout<R: FromGuest>(sandbox: &WasmSandbox) -> R {
        sandbox.call("shout", "abc").await.unwrap()
    }

    let sandbox = probe(SerializationFormat::MessagePack).await;
    let text = "abc".to_owned();
    macro_rules! shouts {
        ($($given:expr),+ $(,)?) => {$(
            let back: String = sandbox.call("shout", $given).await.unwrap();
            assert_eq!(back, "ABC", stringify!($given));
        )+};
    }
    shouts!(
        "abc",
        &"abc",
        text.clone(),
        &text,
        text.clone().into_boxed_str(),
        Cow::Borrowed("abc"),
        Arc::<str>::from("abc"),
        Value::Text(text.clone()),
    );
    assert_eq!(shout::<String>(&sandbox).await, "ABC");
    assert_eq!(*shout::<Box<str>>(&sandbox).await, *"ABC");
    assert_eq!(*shout::<Arc<str>>(&sandbox).await, *"ABC");
    assert_eq!(shout::<Cow<'static, str>>(&sandbox).await, "ABC");
    assert_eq!(shout::<Value>(&sandbox).await, Value::from("ABC"));
}

#[tokio::test]
async fn what_is_not_bytes_or_text_is_refused_as_before() {
    let sandbox = probe(SerializationFormat::MessagePack).await;
    let refused = [
        sandbox.call::<Vec<u8>>("echo", vec![1u64]).await.unwrap_err(),
        sandbox.call::<Vec<u8>>("echo", "text").await.unwrap_err(),
        sandbox.call::<Vec<u8>>("echo", 7).await.unwrap_err(),
        sandbox.call::<Vec<u8>>("echo", Some(vec![1u8])).await.unwrap_err(),
        sandbox.call::<String>("shout", b"abc").await.map(|_| Vec::<u8>::new()).unwrap_err(),
        sandbox.call::<String>("shout", 'c').await.map(|_| Vec::<u8>::new()).unwrap_err(),
    ];
    for error in refused {
        assert!(matches!(error, SandboxError::SignatureMismatch { .. }), "{error}");
    }
}

#[tokio::test]
async fn bytes_among_several_arguments_are_counted_once_each() {
    let bytes = vec![200u8; 100_000];
    let expected = ("hello".to_owned(), bytes.len());
    for format in [SerializationFormat::MessagePack, SerializationFormat::Bincode] {
        let sandbox = probe(format).await;
        let (back, usage): ((String, usize), _) =
            sandbox.call_with_usage("repeat", ("hello", 1u8, &bytes)).await.unwrap();
        assert_eq!(back, expected);
        // As numbers they would take two bytes each in MessagePack.
        assert!(usage.bytes_in < 100_100, "{format}: {} bytes", usage.bytes_in);
    }
    let sandbox = probe(SerializationFormat::Json).await;
    let back: (String, usize) = sandbox.call("repeat", ("hello", 1u8, &bytes)).await.unwrap();
    assert_eq!(back, expected);
}

#[tokio::test]
async fn bytes_in_a_guests_result_travel_as_bytes() {
    let sandbox = probe(SerializationFormat::MessagePack).await;
    let bytes = vec![200u8; 100_000];
    let (back, usage): ((String, Vec<u8>), _) =
        sandbox.call_with_usage("labelled", &bytes).await.unwrap();
    assert_eq!(back, ("100000 bytes".to_owned(), bytes));
    assert!(usage.bytes_out < 100_100, "{} bytes", usage.bytes_out);
}

#[tokio::test]
async fn a_wrapper_chooses_the_format_of_its_call() {
    let order = Order::default();
    for &format in SerializationFormat::ALL {
        let sandbox = probe(format).await;
        let report: Report = sandbox.call("summarise", Json(&order)).await.unwrap();
        assert_eq!(report, order.summary());
        let MsgPack(report): MsgPack<Report> = sandbox.call("summarise", &order).await.unwrap();
        assert_eq!(report, order.summary());
        let Bincode(report) =
            sandbox.call::<Bincode<Report>>("summarise", Bincode(&order)).await.unwrap();
        assert_eq!(report, order.summary());
        let blocking: Json<Report> = sandbox.call_blocking("summarise", Json(&order)).unwrap();
        assert_eq!(blocking.0, order.summary());
        let mut session = sandbox.session().await.unwrap();
        let in_session: Report = session.call("summarise", Json(&order)).await.unwrap();
        assert_eq!(in_session, order.summary());
    }
}

#[tokio::test]
async fn values_can_be_passed_to_functions_of_bytes_and_text() {
    let sandbox = probe(SerializationFormat::Bincode).await;
    let pair = ("bolt".to_owned(), 12u32);
    let text: Vec<u8> = sandbox.call("echo", Json(&pair)).await.unwrap();
    assert_eq!(text, br#"["bolt",12]"#);
    let Json(back): Json<(String, u32)> = sandbox.call("echo", Json(&pair)).await.unwrap();
    assert_eq!(back, pair);
    let MsgPack(back): MsgPack<(String, u32)> = sandbox.call("echo", MsgPack(&pair)).await.unwrap();
    assert_eq!(back, pair);
    let Json(loud): Json<(String, u32)> = sandbox.call("shout", Json(&pair)).await.unwrap();
    assert_eq!(loud, ("BOLT".to_owned(), 12));
    for error in [
        // MessagePack is no text, and a number no JSON.
        sandbox.call::<String>("shout", MsgPack("a")).await.map(|_| 0).unwrap_err(),
        sandbox.call::<MsgPack<String>>("shout", "a").await.map(|_| 0).unwrap_err(),
        sandbox.call::<u64>("below_u64_max", Json(1)).await.map(|_| 0).unwrap_err(),
        sandbox.call::<Json<u64>>("below_u64_max", 1u64).await.map(|_| 0).unwrap_err(),
        sandbox.call_batch::<Json<u64>>("below_u64_max", [1u64]).await.map(|_| 0).unwrap_err(),
    ] {
        assert!(matches!(error, SandboxError::SignatureMismatch { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_value_that_a_wrapper_decodes_is_held_to_the_limit_of_values() {
    let policy = SecurityPolicy::basic().with_value_limit(100);
    let builder = WasmSandbox::builder().source(modules::guest("abi_probe"));
    let sandbox = builder.security_policy(policy).build().await.unwrap();
    let large = Json("x".repeat(200));
    let error = sandbox.call::<Json<String>>("echo", large.clone()).await.unwrap_err();
    assert!(matches!(error, SandboxError::ValueTooLarge { .. }), "{error}");
    // As bytes they are no value.
    assert_eq!(sandbox.call::<Vec<u8>>("echo", large).await.unwrap().len(), 202);
}

#[tokio::test]
async fn values_of_types_known_at_run_time_fit_every_function() {
    let sandbox = probe(SerializationFormat::MessagePack).await;
    let call = async |function: &str, arguments: &[Value]| {
        sandbox.call::<Value>(function, Values(arguments)).await.unwrap()
    };
    assert_eq!(call("nothing", &[]).await, Value::Null);
    assert_eq!(call("below_u64_max", &[Value::U64(1)]).await, Value::I64(-2));
    let mixed = [1.into(), 2.into(), 3u32.into(), 4i64.into(), 5.0f32.into(), true.into()];
    assert_eq!(call("mixed_numbers", &mixed).await, Value::F64(16.0));
    assert_eq!(call("echo", &[b"abc"[..].into()]).await, b"abc"[..].into());
    assert_eq!(call("shout", &["abc".into()]).await, "ABC".into());
    assert_eq!(call("greeting", &[]).await, "hello".into());
    let words = Value::Map(vec![("a".into(), 1.into()), ("b".into(), 2.into())]);
    assert_eq!(call("find_word", &[words.clone(), "b".into()]).await.as_i64(), Some(2));
    assert_eq!(call("find_word", &[words, "c".into()]).await, Value::Null);
    let repeated = call("repeat", &["ab".into(), 2.into(), Value::Bytes(vec![0; 5])]).await;
    assert_eq!(repeated, Value::List(vec!["abab".into(), Value::U64(5)]));
    let error = sandbox.call::<Value>("shout", Values(&[1.into()])).await.unwrap_err();
    assert!(matches!(error, SandboxError::SignatureMismatch { .. }), "{error}");
}
