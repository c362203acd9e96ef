//! Functions that are resolved once.

use std::collections::BTreeMap;

use abi_probe::{Order, Report};
use sandbox_core::{FromGuest, Function, IntoGuest, Json, SandboxError, WasmSandbox};

use crate::modules::{self, NUMBERS};

fn probe() -> WasmSandbox {
    WasmSandbox::builder().source(modules::guest("abi_probe")).build_blocking().unwrap()
}

/// Holds a handle for longer than anything that is passed to it.
struct Shouting {
    shout: Function<&'static str, String>,
    repeat: Function<(&'static str, u8, &'static [u8]), (String, usize)>,
}

impl Shouting {
    fn shout(&self, text: &str) -> String {
        self.shout.call_blocking(text).unwrap()
    }

    async fn repeat(&self, text: &str, bytes: &[u8]) -> (String, usize) {
        self.repeat.call((text, 2, bytes)).await.unwrap()
    }
}

#[tokio::test]
async fn a_handle_takes_arguments_of_any_lifetime() {
    let sandbox = probe();
    let shouting = Shouting {
        shout: sandbox.function("shout").unwrap(),
        repeat: sandbox.function("repeat").unwrap(),
    };
    for word in ["a", "b"] {
        let short_lived = word.repeat(3);
        assert_eq!(shouting.shout(&short_lived), short_lived.to_uppercase());
        let bytes = short_lived.clone().into_bytes();
        assert_eq!(shouting.repeat(&short_lived, &bytes).await, (short_lived.repeat(2), 3));
    }
    let summarise = sandbox.function::<&Order, Report>("summarise").unwrap();
    for id in 0..2 {
        let order = Order { id, ..Order::default() };
        assert_eq!(summarise.call(&order).await.unwrap(), order.summary());
    }
}

#[tokio::test]
async fn output_is_read_where_it_lies() {
    let sandbox = probe();
    let data: Vec<u8> = (0..100).collect();
    let half = sandbox.call_with("second_half", &data, <[u8]>::to_vec).await.unwrap();
    assert_eq!(half, data[50..]);
    let sum: u32 = sandbox
        .call_with_blocking("echo", &data, |output| output.iter().map(|b| u32::from(*b)).sum())
        .unwrap();
    assert_eq!(sum, 4950);
    let echo = sandbox.function::<&[u8], Vec<u8>>("echo").unwrap();
    let mut seen = Vec::new();
    // On worker threads at first, on this one when it has proven quick.
    for _ in 0..30 {
        echo.call_with(&data, |output| seen.push(output.len())).await.unwrap();
    }
    echo.call_with_blocking(&data[..5], |output| seen.push(output.len())).unwrap();
    assert_eq!((seen.len(), seen[0], seen[30]), (31, 100, 5));
    // A value comes as it was encoded.
    let json = sandbox.call_with("summarise", Json(Order::default()), |output| {
        serde_json::from_slice::<Report>(output).unwrap()
    });
    assert_eq!(json.await.unwrap(), Order::default().summary());
}

#[tokio::test]
async fn reading_does_not_go_on_where_the_call_failed() {
    let sandbox = probe();
    let mut read = 0;
    let failed = sandbox.call_with("decode_text", b"\xff", |_| read += 1).await;
    assert!(matches!(failed, Err(SandboxError::GuestError { .. })), "{failed:?}");
    let failed = sandbox.call_with_blocking("abort_now", (), |_| read += 1);
    assert!(failed.is_err());
    let refused = sandbox.call_with("count", (), |_| read += 1).await;
    assert!(matches!(refused, Err(SandboxError::SignatureMismatch { .. })), "{refused:?}");
    assert_eq!(read, 0);
}

#[tokio::test]
async fn a_panic_of_the_reader_is_its_own_and_the_sandbox_goes_on() {
    let sandbox = probe();
    for _ in 0..2 {
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            sandbox.call_with_blocking("echo", b"abc", |_| panic!("the reader's own"))
        }));
        assert!(panicked.is_err());
        assert_eq!(sandbox.call::<Vec<u8>>("echo", b"abc").await.unwrap(), b"abc");
    }
}

fn refused<A: IntoGuest, R: FromGuest>(sandbox: &WasmSandbox, function: &str) -> String {
    match sandbox.function::<A, R>(function) {
        Err(SandboxError::SignatureMismatch { expected, given, .. }) => {
            format!("{expected}; {given}")
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn types_are_compared_when_a_function_is_resolved() {
    let sandbox = modules::sandbox(NUMBERS, modules::strict_and_persistent()).await;
    let error = refused::<(i32, f64), i32>(&sandbox, "add");
    assert_eq!(error, "a function from (i32, i32) to (i32); arguments of type (i32, f64)");
    let error = refused::<(i32, i32), f32>(&sandbox, "add");
    assert_eq!(error, "a function from (i32, i32) to (i32); f32 asked for as the result");
    refused::<i32, i32>(&sandbox, "add");
    refused::<(i32, i32, i32), i32>(&sandbox, "add");
    refused::<&str, i32>(&sandbox, "add");
    refused::<Vec<u8>, i32>(&sandbox, "add");
    refused::<(i32, i32), ()>(&sandbox, "add");
    refused::<(i32, i32), (i32, i32)>(&sandbox, "add");
    refused::<(i32, i32), Json<i32>>(&sandbox, "add");
    refused::<(), String>(&sandbox, "count");
    // Whether these fit is a matter of values.
    sandbox.function::<(u8, i64), u64>("add").map(drop).unwrap();
    sandbox.function::<(i32, i64, f32, f64), f64>("mixed").map(drop).unwrap();
    sandbox.function::<i8, (i32, std::num::NonZeroI64)>("pair").map(drop).unwrap();

    let sandbox = probe();
    refused::<i32, Vec<u8>>(&sandbox, "echo");
    refused::<&str, Vec<u8>>(&sandbox, "echo");
    refused::<(), Vec<u8>>(&sandbox, "echo");
    refused::<&[u8], String>(&sandbox, "echo");
    refused::<&[u8], Vec<u64>>(&sandbox, "echo");
    refused::<&[u8], String>(&sandbox, "shout");
    refused::<&str, u32>(&sandbox, "shout");
    refused::<u32, String>(&sandbox, "greeting");
    refused::<&[u8], u32>(&sandbox, "swallow");
    sandbox.function::<&[u8; 3], [u8; 3]>("echo").map(drop).unwrap();
    sandbox.function::<Json<u32>, Json<u32>>("echo").map(drop).unwrap();
    sandbox.function::<(), std::net::Ipv4Addr>("greeting").map(drop).unwrap();
    sandbox.function::<&[u8], ()>("swallow").map(drop).unwrap();
    type Words = BTreeMap<String, i64>;
    sandbox.function::<(Words, String), Option<i64>>("find_word").map(drop).unwrap();
}
