//! Guests written in Rust against `sandbox-guest`: everything that travels between host and guest.

use std::collections::BTreeMap;

use abi_probe::{Line, Order, Report, Shortage, Status};
use bytes::Bytes;
use sandbox_core::{SandboxError, SecurityPolicy, SerializationFormat, WasmSandbox};

use crate::modules;

async fn sandbox(guest: &str, format: SerializationFormat) -> WasmSandbox {
    WasmSandbox::builder()
        .source(modules::guest(guest))
        .security_policy(modules::strict_and_persistent())
        .serialization_format(format)
        .build()
        .await
        .unwrap()
}

async fn probe() -> WasmSandbox {
    sandbox("abi_probe", SerializationFormat::default()).await
}

fn order() -> Order {
    Order {
        id: u64::MAX,
        customer: Some("Ada".to_owned()),
        lines: vec![
            Line { article: "nails".to_owned(), count: 1000, price: 0.01 },
            Line { article: "hämmer".to_owned(), count: -1, price: 12.5 },
        ],
        notes: BTreeMap::from([("gift".to_owned(), "yes".to_owned())]),
        status: Status::Shipped { tracking: "T1".to_owned(), parcels: 2 },
    }
}

#[tokio::test]
async fn numbers_of_every_width_arrive() {
    let sandbox = probe().await;
    let sum: f64 =
        sandbox.call("mixed_numbers", (-1i8, 2u16, 3u32, 1i64 << 40, -2.9f32, true)).await.unwrap();
    assert_eq!(sum, abi_probe::mixed_numbers(-1, 2, 3, 1 << 40, -2.9, true));
    assert_eq!(sandbox.call::<u64>("below_u64_max", 5u64).await.unwrap(), u64::MAX - 5);
    assert!(!sandbox.call::<bool>("not", true).await.unwrap());
    assert_eq!(sandbox.call::<u8>("next_byte", 255u8).await.unwrap(), 0);
    let () = sandbox.call("nothing", ()).await.unwrap();
}

#[tokio::test]
async fn bytes_make_the_round_trip_whatever_their_length() {
    let sandbox = probe().await;
    for len in [0usize, 1, 1000, 65_536, 3 << 20, 10] {
        let data: Vec<u8> = (0..=250u8).cycle().take(len).collect();
        for function in ["echo", "copy"] {
            let function = if function == "copy" { "second_half" } else { function };
            let expected = if function == "echo" { &data[..] } else { &data[len / 2..] };
            let returned: Vec<u8> = sandbox.call(function, &data).await.unwrap();
            assert!(returned == expected, "{function} of {len} bytes came back changed");
            let returned: Bytes = sandbox.call(function, Bytes::from(data.clone())).await.unwrap();
            assert!(returned == expected, "{function} of {len} bytes came back changed");
        }
        let () = sandbox.call("swallow", &data[..]).await.unwrap();
    }
    let up: Vec<u8> = sandbox.call("count_up", 300u32).await.unwrap();
    assert_eq!(up, abi_probe::count_up(300));
}

#[tokio::test]
async fn text_travels_as_text() {
    let sandbox = probe().await;
    assert_eq!(sandbox.call::<String>("shout", "größe").await.unwrap(), "GRÖSSE");
    assert_eq!(sandbox.call::<String>("exclaim", "ah".to_owned()).await.unwrap(), "ah!");
    assert_eq!(sandbox.call::<String>("greeting", ()).await.unwrap(), "hello");
    let error = sandbox.call::<String>("decode_text", vec![0xffu8]).await.unwrap_err();
    assert!(matches!(error, SandboxError::GuestError { .. }), "{error}");
}

#[tokio::test]
async fn values_travel_in_every_format() {
    for &format in SerializationFormat::ALL {
        let sandbox = sandbox("abi_probe", format).await;
        let order = order();
        let echoed: Order = sandbox.call("echo_order", &order).await.unwrap();
        assert_eq!(echoed, order, "{format}");
        let report: Report = sandbox.call("summarise", &order).await.unwrap();
        assert_eq!(report, order.summary(), "{format}");
        let words = BTreeMap::from([("a".to_owned(), -1i64), ("b".to_owned(), i64::MAX)]);
        let found: Option<i64> = sandbox.call("find_word", (&words, "b")).await.unwrap();
        assert_eq!(found, Some(i64::MAX), "{format}");
        let found: Option<i64> = sandbox.call("find_word", (&words, "c")).await.unwrap();
        assert_eq!(found, None, "{format}");
        let () = sandbox.call("forget", vec![1i64, 2, 3]).await.unwrap();
        assert_eq!(sandbox.call::<String>("renamed", ()).await.unwrap(), "renamed");
    }
}

#[tokio::test]
async fn a_value_of_another_type_is_an_error_that_names_the_step() {
    for &format in SerializationFormat::ALL {
        let sandbox = sandbox("abi_probe", format).await;
        let error = sandbox.call::<Order>("echo_order", "no order").await.unwrap_err();
        assert!(matches!(error, SandboxError::Undecodable { .. }), "{format}: {error}");
        // The instance is not to blame and lives on.
        assert_eq!(sandbox.call::<u32>("count", ()).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn an_error_of_the_guest_arrives_with_its_text() {
    let sandbox = probe().await;
    assert_eq!(sandbox.call::<i64>("divide", (7i64, 2i64)).await.unwrap(), 3);
    let error = sandbox.call::<i64>("divide", (7i64, 0i64)).await.unwrap_err();
    let SandboxError::GuestError { function, message, .. } = error else { panic!("{error}") };
    assert_eq!((function.as_str(), message.as_str()), ("divide", "7 cannot be divided by 0"));
}

#[tokio::test]
async fn an_error_that_the_guest_returned_as_a_value_is_decoded_as_its_type() {
    for &format in SerializationFormat::ALL {
        let sandbox = sandbox("abi_probe", format).await;
        assert_eq!(sandbox.call::<u32>("take_of_ten", 3u32).await.unwrap(), 7);
        let errors = [
            sandbox.call::<u32>("take_of_ten", 12u32).await.unwrap_err(),
            sandbox.call::<String>("first_letter", "").await.unwrap_err(),
        ];
        let of_letter = Shortage { article: "letter".to_owned(), missing: 1 };
        let of_bolt = Shortage { article: "bolt".to_owned(), missing: 2 };
        for (error, expected) in errors.iter().zip([of_bolt, of_letter]) {
            let SandboxError::GuestError { message, payload: Some(payload), .. } = error else {
                panic!("{error}")
            };
            assert_eq!(*message, expected.to_string());
            assert!(!format!("{payload:?}").contains("bolt"), "{payload:?}");
            assert_eq!(error.guest_error::<Shortage>().unwrap().unwrap(), expected);
            let other = error.guest_error::<Vec<String>>().unwrap().unwrap_err();
            assert!(matches!(other, SandboxError::Undecodable { .. }), "{other}");
        }
        // An error that is only text has no value, and neither has one of another kind.
        for function in ["divide", "nowhere"] {
            let error = sandbox.call::<i64>(function, (7i64, 0i64)).await.unwrap_err();
            assert!(error.guest_error::<Shortage>().is_none(), "{error}");
        }
    }
}

#[tokio::test]
async fn an_error_as_a_value_is_checked_as_all_that_a_guest_says() {
    let guest = |status: u32, output: &str, len: u32| {
        let len: String = len.to_le_bytes().iter().map(|byte| format!("\\{byte:02x}")).collect();
        format!(
            r#"(module (memory (export "memory") 1)
                (data (i32.const 0) "\00\01\00\00\40\00\00\00\40\00\00\00{len}")
                (data (i32.const 64) "{output}")
                (func (export "sandbox_exchange") (result i32) (i32.const 0))
                (func (export "sandbox_reserve") (param i32) (result i32) (i32.const 256))
                (func (export "fail") (param i32) (result i32) (i32.const {status}))
                (@custom "sandbox-guest" "{{\"abi\":1,\"export\":\"fail\",\"input\":\"unit\",\"output\":\"unit\"}}"))"#
        )
    };
    let failed = |text: String| {
        let policy = SecurityPolicy::basic().with_value_limit(16);
        let sandbox = modules::builder(&text).security_policy(policy).build_blocking().unwrap();
        sandbox.call_blocking::<()>("fail", ()).unwrap_err()
    };
    let error = failed(guest(4, r"\02\00\00\00no7", 7));
    assert_eq!(error.guest_error::<u32>().unwrap().unwrap(), 7);
    for (status, output, len) in [
        (4, r"\03\00\00\00no", 6),
        (5, r"\ff\ff\ff\ffno", 6),
        (6, r"\00\00", 2),
        (7, r"\02\00\00\00no7", 7),
        (11, r"\02\00\00\00no7", 7),
        (u32::MAX, "", 0),
    ] {
        let error = failed(guest(status, output, len));
        assert!(matches!(error, SandboxError::AbiViolation { .. }), "{status}: {error}");
    }
    let error = failed(guest(4, r#"\00\00\00\00\22123456789012345\22"#, 21));
    assert!(matches!(error, SandboxError::ValueTooLarge { size_bytes: 17, .. }), "{error}");
    let error = failed(guest(4, r"\00\00\00\00[[[[", 8));
    assert!(error.guest_error::<Vec<u32>>().unwrap().is_err());
}

#[tokio::test]
async fn a_panic_arrives_with_its_message_and_place() {
    let sandbox = probe().await;
    let error = sandbox.call::<()>("fail", "on purpose").await.unwrap_err();
    let SandboxError::GuestPanic { message, .. } = error else { panic!("{error}") };
    assert!(message.contains("on purpose") && message.contains("lib.rs:"), "{message}");
    let error = sandbox.call::<u32>("third_of_three", 7u32).await.unwrap_err();
    let SandboxError::GuestPanic { message, .. } = error else { panic!("{error}") };
    assert!(message.contains("index"), "{message}");
    let error = sandbox.call::<()>("abort_now", ()).await.unwrap_err();
    assert!(matches!(error, SandboxError::Trap { .. }), "{error}");
    assert_eq!(sandbox.call::<u32>("count", ()).await.unwrap(), 1);
}

#[tokio::test]
async fn what_a_guest_prints_is_captured() {
    let sandbox = probe().await;
    let () = sandbox.call("speak", ("out", "err")).await.unwrap();
    let output = sandbox.take_output().await;
    assert_eq!(output.stdout, b"out\n");
    assert!(output.stderr.ends_with(b"err\n"));
}

#[tokio::test]
async fn a_guest_sees_no_input_no_environment_and_no_files() {
    let sandbox = probe().await;
    assert_eq!(sandbox.call::<Vec<u8>>("read_input", ()).await.unwrap(), b"");
    let variables: BTreeMap<String, String> = sandbox.call("variables", ()).await.unwrap();
    assert_eq!(variables, BTreeMap::new());
    for path in ["/etc/passwd", "/proc/self/environ", "Cargo.toml"] {
        let error = sandbox.call::<Vec<u8>>("read_file", path).await.unwrap_err();
        assert!(matches!(error, SandboxError::GuestError { .. }), "{path}: {error}");
    }
}

#[tokio::test]
async fn a_format_that_the_guest_was_not_built_with_is_refused_before_it_runs() {
    // It would trap if it were called; only JSON is declared.
    let text = r#"(module
        (memory (export "memory") 1)
        (func (export "sandbox_exchange") (result i32) (i32.const 0))
        (func (export "sandbox_reserve") (param i32) (result i32) unreachable)
        (func (export "order") (param i32) (result i32) unreachable)
        (@custom "sandbox-guest" "{\"abi\":1,\"formats\":[\"json\"]}\n{\"abi\":1,\"export\":\"order\",\"input\":\"value\",\"output\":\"value\"}\n"))"#;
    for format in [SerializationFormat::MessagePack, SerializationFormat::Bincode] {
        let builder = modules::builder(text).serialization_format(format);
        let sandbox = builder.build().await.unwrap();
        let error = sandbox.call::<u32>("order", order()).await.unwrap_err();
        assert!(matches!(error, SandboxError::SignatureMismatch { .. }), "{error}");
        assert!(error.to_string().contains(format.name()), "{error}");
        assert_eq!(sandbox.usage().calls, 0);
    }
    let sandbox = modules::builder(text).serialization_format("json").build().await.unwrap();
    let error = sandbox.call::<u32>("order", order()).await.unwrap_err();
    assert!(matches!(error, SandboxError::Trap { .. }), "{error}");
}

#[tokio::test]
async fn the_backtrace_of_a_guest_in_rust_has_readable_names() {
    let error = probe().await.call::<()>("abort_now", ()).await.unwrap_err();
    let SandboxError::Trap { backtrace, .. } = &error else { panic!("{error}") };
    assert!(backtrace.iter().any(|name| name == "abi_probe::abort_now"), "{backtrace:?}");
    assert!(!error.to_string().contains("_ZN"), "{error}");
}
