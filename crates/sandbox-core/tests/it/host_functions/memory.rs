//! Views of host functions into a guest's memory, and what hostile pointers get from them.

use std::error::Error;

use sandbox_core::{Caller, GuestMemoryError, HostFunctions, SandboxError, WasmSandbox};

use crate::modules;

const PAGE: u32 = 65_536;

/// A guest of one page that passes any pointer and length on.
const POINTERS: &str = r#"(module
    (import "env" "sum" (func $sum (param i32 i32) (result i32)))
    (import "env" "fill" (func $fill (param i32 i32)))
    (import "env" "words" (func $words (param i32 i32) (result i32)))
    (import "env" "number" (func $number (param i32) (result i64)))
    (memory (export "memory") 1 2)
    (data (i32.const 16) "\01\02\03\04\05\06\07\08")
    (data (i32.const 32) "one two \ff\fe")
    (func (export "sum") (param i32 i32) (result i32) (call $sum (local.get 0) (local.get 1)))
    (func (export "fill") (param i32 i32) (call $fill (local.get 0) (local.get 1)))
    (func (export "words") (param i32 i32) (result i32) (call $words (local.get 0) (local.get 1)))
    (func (export "number") (param i32) (result i64) (call $number (local.get 0)))
    (func (export "grow") (result i32) (memory.grow (i32.const 1)))
    (func (export "byte") (param i32) (result i32) (i32.load8_u (local.get 0))))"#;

fn functions() -> HostFunctions {
    HostFunctions::new()
        .function("env", "sum", |caller: &mut Caller<'_>, at: u32, len: u32| {
            let bytes = caller.bytes(at, len)?;
            Ok::<u32, GuestMemoryError>(bytes.iter().map(|&byte| u32::from(byte)).sum())
        })
        .function("env", "fill", |caller: &mut Caller<'_>, at: u32, len: u32| {
            let bytes: Vec<u8> = (0..len.min(2 * PAGE)).map(|_| 7).collect();
            if len.is_multiple_of(2) {
                caller.write(at, &bytes)
            } else {
                caller.bytes_mut(at, len).map(|place| place.fill(7))
            }
        })
        .function("env", "words", |caller: &mut Caller<'_>, at: u32, len: u32| {
            let words = caller.text(at, len)?.split_whitespace().count();
            Ok::<u32, Box<dyn Error + Send + Sync>>(words.try_into()?)
        })
        .function("env", "number", |caller: &mut Caller<'_>, at: u32| {
            Ok::<u64, GuestMemoryError>(u64::from_le_bytes(caller.array(at)?))
        })
}

async fn sandbox() -> WasmSandbox {
    let builder = modules::builder(POINTERS).security_policy(modules::strict_and_persistent());
    builder.host_functions(&functions()).build().await.unwrap()
}

#[tokio::test]
async fn what_lies_in_memory_is_read_and_written() {
    let sandbox = sandbox().await;
    assert_eq!(sandbox.call::<u32>("sum", (16u32, 8u32)).await.unwrap(), 36);
    assert_eq!(sandbox.call::<u32>("sum", (0u32, PAGE)).await.unwrap(), 36 + 732 + 0xff + 0xfe);
    assert_eq!(sandbox.call::<u32>("sum", (PAGE, 0u32)).await.unwrap(), 0);
    assert_eq!(sandbox.call::<u64>("number", 16u32).await.unwrap(), 0x0807_0605_0403_0201);
    assert_eq!(sandbox.call::<u32>("words", (32u32, 8u32)).await.unwrap(), 2);
    for (at, len) in [(100u32, 4u32), (200, 5), (PAGE - 2, 2), (PAGE - 1, 1), (PAGE, 0)] {
        let () = sandbox.call("fill", (at, len)).await.unwrap();
        assert_eq!(sandbox.call::<u32>("sum", (at, len)).await.unwrap(), 7 * len);
        assert_eq!(sandbox.call::<u32>("byte", at - 1).await.unwrap() * u32::from(len > 1), 0);
    }
}

#[tokio::test]
async fn pointers_outside_memory_are_typed_errors_and_never_touched() {
    let sandbox = sandbox().await;
    let neighbour = self::sandbox().await;
    for (at, len) in [
        (PAGE, 1u32),
        (PAGE - 1, 2),
        (0, PAGE + 1),
        (PAGE + 1, 0),
        (u32::MAX, 1),
        (1, u32::MAX),
        (u32::MAX, u32::MAX),
        (0x8000_0000, 0x8000_0000),
        (16, 0xffff_fff0),
    ] {
        for function in ["sum", "words", "fill"] {
            let error = match function {
                "fill" => sandbox.call::<()>(function, (at, len)).await.unwrap_err(),
                _ => sandbox.call::<u32>(function, (at, len)).await.map(drop).unwrap_err(),
            };
            assert!(matches!(error, SandboxError::HostFunctionFailed { .. }), "{error}");
            let source = error.source().unwrap();
            let Some(GuestMemoryError::OutOfBounds { start, memory_bytes, .. }) =
                source.downcast_ref()
            else {
                panic!("{function} of {len} at {at}: {source}")
            };
            assert_eq!((*start, *memory_bytes), (at, u64::from(PAGE)));
        }
    }
    for sandbox in [sandbox, neighbour] {
        assert_eq!(sandbox.call::<u32>("sum", (16u32, 8u32)).await.unwrap(), 36);
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_said_to_be_none() {
    let sandbox = sandbox().await;
    let error = sandbox.call::<u32>("words", (32u32, 10u32)).await.unwrap_err();
    let expected = GuestMemoryError::NotUtf8 { start: 32, len: 10, valid_up_to: 8 };
    assert_eq!(error.source().unwrap().downcast_ref(), Some(&expected));
}

#[tokio::test]
async fn memory_that_grew_is_seen_as_large_as_it_is() {
    let sandbox = sandbox().await;
    assert_eq!(sandbox.call::<u32>("grow", ()).await.unwrap(), 1);
    let () = sandbox.call("fill", (PAGE, PAGE)).await.unwrap();
    assert_eq!(sandbox.call::<u32>("sum", (PAGE, PAGE)).await.unwrap(), 7 * PAGE);
    assert_eq!(sandbox.call::<u32>("byte", 2 * PAGE - 1).await.unwrap(), 7);
    assert!(sandbox.call::<u32>("sum", (PAGE, PAGE + 1)).await.is_err());
}

#[tokio::test]
async fn the_whole_memory_can_be_had() {
    let text = r#"(module (import "env" "reverse" (func $reverse (result i32)))
        (memory 1) (data (i32.const 0) "abc")
        (func (export "reverse") (result i32) (call $reverse))
        (func (export "byte") (param i32) (result i32) (i32.load8_u (local.get 0))))"#;
    let builder =
        modules::builder(text).host_function("env", "reverse", |caller: &mut Caller<'_>| {
            caller.memory_mut().reverse();
            u32::try_from(caller.memory().len())
        });
    let sandbox = builder.build().await.unwrap();
    // The memory is not exported, and still the guest's own.
    assert_eq!(sandbox.call::<u32>("reverse", ()).await.unwrap(), PAGE);
    assert_eq!(sandbox.call::<u32>("byte", PAGE - 1).await.unwrap(), u32::from(b'a'));
}

#[tokio::test]
async fn a_guest_without_memory_has_none_to_point_to() {
    let text = r#"(module (import "env" "sum" (func $sum (param i32 i32) (result i32)))
        (func (export "sum") (param i32 i32) (result i32) (call $sum (local.get 0) (local.get 1))))"#;
    let sandbox = modules::builder(text).host_functions(&functions()).build().await.unwrap();
    assert_eq!(sandbox.call::<u32>("sum", (0u32, 0u32)).await.unwrap(), 0);
    let error = sandbox.call::<u32>("sum", (0u32, 1u32)).await.unwrap_err();
    let expected = GuestMemoryError::OutOfBounds { start: 0, len: 1, memory_bytes: 0 };
    assert_eq!(error.source().unwrap().downcast_ref(), Some(&expected));
}

#[tokio::test]
async fn an_empty_memory_is_empty() {
    let text = r#"(module (import "env" "sum" (func $sum (param i32 i32) (result i32)))
        (memory 0 1)
        (func (export "grow") (result i32) (memory.grow (i32.const 1)))
        (func (export "sum") (param i32 i32) (result i32) (call $sum (local.get 0) (local.get 1))))"#;
    let sandbox = modules::builder(text).host_functions(&functions()).build().await.unwrap();
    assert_eq!(sandbox.call::<u32>("sum", (0u32, 0u32)).await.unwrap(), 0);
    assert!(sandbox.call::<u32>("sum", (0u32, 1u32)).await.is_err());
    assert_eq!(sandbox.call::<u32>("grow", ()).await.unwrap(), 0);
    assert_eq!(sandbox.call::<u32>("sum", (0u32, PAGE)).await.unwrap(), 0);
}

#[test]
fn any_pointer_and_length_is_either_in_memory_or_refused() {
    let builder = modules::builder(POINTERS).security_policy(modules::strict_and_persistent());
    let sandbox = builder.host_functions(&functions()).build_blocking().unwrap();
    let edges = [0u32, 1, 2, PAGE - 1, PAGE, PAGE + 1, 1 << 31, u32::MAX - 1, u32::MAX];
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = || {
        // Marsaglia's xorshift64 (2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let bits = u32::try_from(state >> 32).unwrap();
        let edge = edges[usize::try_from(state % 9).unwrap()];
        match state % 4 {
            0 => edge,
            1 => edge.wrapping_add(bits % 16).wrapping_sub(8),
            2 => bits % (2 * PAGE),
            _ => bits,
        }
    };
    for _ in 0..2000 {
        let (at, len) = (random(), random());
        let lies_in_memory = u64::from(at) + u64::from(len) <= u64::from(PAGE);
        let outcome = sandbox.call_blocking::<u32>("sum", (at, len));
        match outcome {
            Ok(_) => assert!(lies_in_memory, "{len} bytes at {at} were read"),
            Err(error) => {
                assert!(!lies_in_memory, "{len} bytes at {at}: {error}");
                let source = error.source().unwrap();
                assert!(source.is::<GuestMemoryError>(), "{len} bytes at {at}: {source}");
            }
        }
    }
}
