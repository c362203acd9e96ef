//! Streams through a guest.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use sandbox_core::{
    Compiler, ErrorClass, FuelUnits, SandboxError, SecurityPolicy, StreamingSandbox,
};
use stream_processor::State;

use crate::modules;

async fn sandbox(buffer_size: usize) -> StreamingSandbox {
    StreamingSandbox::builder()
        .source(modules::guest("stream_processor"))
        .buffer_size(buffer_size)
        .build()
        .await
        .unwrap()
}

fn data(len: usize) -> Vec<u8> {
    (0..=250u8).cycle().take(len).collect()
}

#[tokio::test]
async fn a_stream_arrives_transformed_and_is_flushed_at_its_end() {
    let data = data(300_000);
    let mut expected = State::new();
    let masked = expected.mask(&data);
    for (chunk, buffer) in [(1000, 64), (1000, 4096), (100_000, 1 << 20)] {
        let sandbox = sandbox(buffer).await;
        let mut processor = sandbox.create_stream_processor().await.unwrap();
        let input: Vec<Bytes> = data.chunks(chunk).map(Bytes::copy_from_slice).collect();
        let output = processor.process_stream(stream::iter(input)).await.unwrap();
        let output: Vec<Bytes> = output.map(Result::unwrap).collect().await;
        assert!(output.iter().all(|chunk| chunk.len() <= buffer));
        let (sum, chunks) = output.split_last().unwrap();
        assert!(chunks.concat() == masked, "chunks of {chunk} in buffers of {buffer}");
        assert_eq!(sum[..], expected.sum().to_le_bytes());
    }
}

#[tokio::test]
async fn every_stream_begins_anew() {
    let sandbox = sandbox(1024).await;
    let mut processor = sandbox.create_stream_processor().await.unwrap();
    let mut sums = Vec::new();
    for _ in 0..3 {
        let input = stream::iter([Bytes::from_static(b"the same")]);
        let output = processor.process_stream(input).await.unwrap();
        let output: Vec<Bytes> = output.map(Result::unwrap).collect().await;
        sums.push(output);
    }
    assert!(sums.windows(2).all(|pair| pair[0] == pair[1]), "{sums:?}");
}

#[tokio::test]
async fn the_empty_stream_is_only_flushed() {
    let sandbox = sandbox(1024).await;
    let mut processor = sandbox.create_stream_processor().await.unwrap();
    let output = processor.process_stream(stream::empty::<Bytes>()).await.unwrap();
    let output: Vec<Bytes> = output.map(Result::unwrap).collect().await;
    assert_eq!(output, [Bytes::from_static(&[0; 8])]);
}

#[tokio::test]
async fn no_more_input_is_taken_than_output_is_asked_for() {
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    // A stream without end: only back-pressure keeps this test from running for ever.
    let input = stream::repeat_with(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        Bytes::from(vec![7; 1000])
    });
    let sandbox = sandbox(1000).await;
    let mut processor = sandbox.create_stream_processor().await.unwrap();
    let mut output = std::pin::pin!(processor.process_stream(input).await.unwrap());
    for _ in 0..5 {
        output.next().await.unwrap().unwrap();
    }
    assert!(taken.load(Ordering::Relaxed) <= 6, "{taken:?} chunks taken for 5");
}

#[tokio::test]
async fn memory_stays_bounded_whatever_the_length() {
    let sandbox = StreamingSandbox::builder()
        .source(modules::guest("stream_processor"))
        .memory_limit(4 << 20)
        .build()
        .await
        .unwrap();
    let mut processor = sandbox.create_stream_processor().await.unwrap();
    let chunk = Bytes::from(data(64 * 1024));
    let input = stream::iter(std::iter::repeat_n(chunk, 1600));
    let mut output = std::pin::pin!(processor.process_stream(input).await.unwrap());
    let mut bytes = 0;
    while let Some(chunk) = output.next().await {
        bytes += chunk.unwrap().len();
    }
    assert_eq!(bytes, 1600 * 64 * 1024 + 8);
    // A hundred megabytes went through, and the guest never had more than a few chunks.
    let usage = sandbox.sandbox().usage();
    assert!(usage.bytes_in >= 100 << 20, "{usage:?}");
    assert!(usage.memory_high_water_bytes <= 2 << 20, "{usage:?}");
}

/// Traps at the second chunk.
const TRAPS: &str = r#"(module
    (memory (export "memory") 1)
    (global $chunks (mut i32) (i32.const 0))
    (data (i32.const 0) "\40\00\00\00\00\10\00\00")
    (func (export "sandbox_exchange") (result i32) (i32.const 0))
    (func (export "sandbox_reserve") (param i32) (result i32) (i32.const 64))
    (func (export "transform") (param i32) (result i32)
        (global.set $chunks (i32.add (global.get $chunks) (i32.const 1)))
        (if (i32.eq (global.get $chunks) (i32.const 2)) (then unreachable))
        (i32.store (i32.const 8) (i32.const 64))
        (i32.store (i32.const 12) (local.get 0))
        (i32.const 0))
    (@custom "sandbox-guest"
        "{\"abi\":1,\"export\":\"transform\",\"input\":\"stream\",\"output\":\"bytes\"}\n"))"#;

#[tokio::test]
async fn after_an_error_the_stream_ends() {
    let sandbox =
        StreamingSandbox::builder().source_bytes(modules::wasm(TRAPS)).build().await.unwrap();
    let mut processor = sandbox.create_stream_processor().await.unwrap();
    let input = stream::iter(["one", "two", "three"].map(Bytes::from));
    let output = processor.process_stream(input).await.unwrap();
    let output: Vec<_> = output.collect().await;
    assert_eq!(output.len(), 2);
    assert_eq!(output[0].as_ref().unwrap(), "one");
    assert!(matches!(output[1], Err(SandboxError::Trap { .. })));
}

#[tokio::test]
async fn dropping_the_output_early_leaves_nothing_behind() {
    let sandbox = sandbox(1024).await;
    let mut processor = sandbox.create_stream_processor().await.unwrap();
    {
        let input = stream::iter(std::iter::repeat_n(Bytes::from_static(b"x"), 100));
        let mut output = std::pin::pin!(processor.process_stream(input).await.unwrap());
        output.next().await.unwrap().unwrap();
    }
    let output = processor.process_stream(stream::empty::<Bytes>()).await.unwrap();
    let output: Vec<Bytes> = output.map(Result::unwrap).collect().await;
    assert_eq!(output, [Bytes::from_static(&[0; 8])]);
}

#[tokio::test]
async fn a_module_without_streams_is_refused() {
    let builder = StreamingSandbox::builder().source(modules::guest("simple_math"));
    let error = builder.build().await.unwrap_err();
    assert!(matches!(error, SandboxError::InvalidDeclaration { .. }), "{error}");
    let builder = StreamingSandbox::builder().source(modules::guest("simple_math")).function("add");
    let error = builder.build().await.unwrap_err();
    assert!(matches!(error, SandboxError::SignatureMismatch { .. }), "{error}");
}

#[tokio::test]
async fn input_that_comes_slowly_is_waited_for() {
    let sandbox = sandbox(1024).await;
    let mut processor = sandbox.create_stream_processor().await.unwrap();
    let input = stream::iter([Bytes::from_static(b"a"), Bytes::from_static(b"b")]).then(
        |chunk| async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            chunk
        },
    );
    let output = processor.process_stream(input).await.unwrap();
    let output: Vec<Bytes> = output.map(Result::unwrap).collect().await;
    assert_eq!(output.len(), 3);
}

#[tokio::test]
async fn a_source_that_fails_is_no_end_of_the_stream() {
    let sandbox = sandbox(1024).await;
    let mut processor = sandbox.create_stream_processor().await.unwrap();
    let input = stream::iter([
        Ok(Bytes::from_static(b"first")),
        Ok(Bytes::from_static(b"second")),
        Err(io::Error::new(io::ErrorKind::ConnectionReset, "the network is gone")),
        Ok(Bytes::from_static(b"never asked for")),
    ]);
    let output = processor.process_stream(input).await.unwrap();
    let output: Vec<_> = output.collect().await;
    assert_eq!(output.len(), 3, "two chunks, the error, and no checksum over half of the data");
    assert!(output[..2].iter().all(Result::is_ok));
    let error = output[2].as_ref().unwrap_err();
    let SandboxError::SourceFailed { function, error: source, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(function, "process_stream");
    let source = source.downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!((error.class(), error.kind()), (ErrorClass::Host, "source_failed"));
    assert_eq!(std::error::Error::source(error).unwrap().to_string(), "the network is gone");
}

#[tokio::test]
async fn an_output_outlives_its_processor_and_moves_to_another_task() {
    let mut output = {
        let sandbox = sandbox(1024).await;
        let mut processor = sandbox.create_stream_processor().await.unwrap();
        processor.process_stream(stream::iter(["a", "b"])).await.unwrap()
    };
    let chunks = tokio::spawn(async move {
        let mut chunks = 0;
        while let Some(chunk) = output.next().await {
            chunk.unwrap();
            chunks += 1;
        }
        assert!(output.next().await.is_none(), "it stays at its end");
        chunks
    });
    assert_eq!(chunks.await.unwrap(), 3);
}

#[tokio::test]
async fn two_streams_of_one_processor_do_not_mix() {
    let sandbox = sandbox(1024).await;
    let mut processor = sandbox.create_stream_processor().await.unwrap();
    let mut one = processor.process_stream(stream::iter(["a", "b"])).await.unwrap();
    let first = one.next().await.unwrap().unwrap();
    let other = processor.process_stream(stream::iter(["a", "b"])).await.unwrap();
    let other: Vec<Bytes> = other.map(Result::unwrap).collect().await;
    let rest: Vec<Bytes> = one.map(Result::unwrap).collect().await;
    assert_eq!([&[first], &rest[..]].concat(), other);
}

#[tokio::test]
async fn a_stream_says_what_it_used() {
    let sandbox = StreamingSandbox::builder()
        .source(modules::guest("stream_processor"))
        .security_policy(SecurityPolicy::basic().with_fuel(100_000_000))
        .buffer_size(1000)
        .build()
        .await
        .unwrap();
    let mut used = Vec::new();
    for chunks in [1, 5] {
        let mut processor = sandbox.create_stream_processor().await.unwrap();
        let input = stream::iter(std::iter::repeat_n(vec![7u8; 1000], chunks));
        let mut output = processor.process_stream(input).await.unwrap();
        assert_eq!(output.usage().calls, 0);
        while let Some(chunk) = output.next().await {
            chunk.unwrap();
        }
        used.push(output.usage());
    }
    let [one, five] = used[..] else { panic!("{used:?}") };
    assert_eq!((one.calls, one.bytes_in, one.bytes_out), (2, 1000, 1008));
    assert_eq!((five.calls, five.bytes_in, five.bytes_out), (6, 5000, 5008));
    assert!(one.fuel > Some(FuelUnits(1000)) && five.fuel > one.fuel, "{used:?}");
    // And all streams together, as before.
    assert_eq!(sandbox.sandbox().usage().bytes_in, 6000);
}

/// A function of streams that works for as long as the chunk is long, an endless loop after "spin", and a set-up call
/// that chooses a letter to put out.
const SET_UP: &str = r#"(module
    (memory (export "memory") 1)
    (global $letter (mut i32) (i32.const 45))
    (data (i32.const 0) "\40\00\00\00\00\10\00\00")
    (func (export "sandbox_exchange") (result i32) (i32.const 0))
    (func (export "sandbox_reserve") (param i32) (result i32) (i32.const 64))
    (func (export "choose") (param i32) (result i32)
        (global.set $letter (local.get 0)) (i32.const 7))
    (func (export "transform") (param i32) (result i32)
        (if (i32.eq (i32.load8_u (i32.const 64)) (i32.const 115)) (then (loop $again br $again)))
        (i32.store8 (i32.const 64) (global.get $letter))
        (i32.store (i32.const 8) (i32.const 64))
        (i32.store (i32.const 12) (i32.ne (local.get 0) (i32.const 0)))
        (i32.const 0))
    (@custom "sandbox-guest"
        "{\"abi\":1,\"export\":\"transform\",\"input\":\"stream\",\"output\":\"bytes\"}\n"))"#;

#[tokio::test]
async fn an_instance_is_set_up_before_its_stream() {
    let sandbox = StreamingSandbox::builder()
        .source_bytes(modules::wasm(SET_UP))
        .configure(|sandbox| sandbox.compiler(Compiler::Singlepass))
        .build_blocking()
        .unwrap();
    assert_eq!(sandbox.sandbox().module().compiler(), Compiler::Singlepass);
    let mut processor = sandbox.create_stream_processor().await.unwrap();
    let mut seen = Vec::new();
    for letter in [Some('a'), None, Some('b')] {
        if let Some(letter) = letter {
            let seven: i32 = processor.call("choose", u32::from(letter)).await.unwrap();
            assert_eq!(seven, 7);
        }
        let output = processor.process_stream(stream::iter(["x"])).await.unwrap();
        let output: Vec<Bytes> = output.map(Result::unwrap).collect().await;
        seen.extend(output.concat());
    }
    assert_eq!(seen, b"a-b", "each set-up is for one stream");
}

#[tokio::test]
async fn a_stream_has_a_time_limit_of_its_own() {
    let limit = Duration::from_millis(60);
    let sandbox = StreamingSandbox::builder()
        .source_bytes(modules::wasm(SET_UP))
        .build()
        .await
        .unwrap()
        .with_time_limit(limit);
    let mut processor = sandbox.create_stream_processor().await.unwrap();
    let input = stream::iter(["x", "spin", "x"]).then(|chunk| async move {
        // The source's own time is not the guest's.
        tokio::time::sleep(limit * 2).await;
        chunk
    });
    let output = processor.process_stream(Box::pin(input)).await.unwrap();
    let output: Vec<_> = output.collect().await;
    assert_eq!(output.len(), 2, "{output:?}");
    assert_eq!(output[0].as_ref().unwrap(), "-");
    let error = output[1].as_ref().unwrap_err();
    assert!(
        matches!(error, SandboxError::Timeout { limit: said, .. } if *said == limit),
        "{error}"
    );
    assert!(error.usage().is_some_and(|usage| usage.wall_time >= limit / 2), "{:?}", error.usage());
}

#[tokio::test]
async fn every_type_of_bytes_is_an_item() {
    async fn first(input: impl futures::Stream<Item: sandbox_core::StreamItem>) -> Bytes {
        let sandbox = sandbox(1024).await;
        let mut processor = sandbox.create_stream_processor().await.unwrap();
        let mut output = processor.process_stream(input).await.unwrap();
        output.next().await.unwrap().unwrap()
    }

    let expected = first(stream::iter(["abc"])).await;
    assert_eq!(first(stream::iter([b"abc".to_vec()])).await, expected);
    assert_eq!(first(stream::iter(["abc".to_owned()])).await, expected);
    assert_eq!(first(stream::iter([&b"abc"[..]])).await, expected);
    assert_eq!(first(stream::iter([Box::<[u8]>::from(&b"abc"[..])])).await, expected);
    assert_eq!(first(stream::iter([Ok::<_, io::Error>("abc")])).await, expected);
    assert_eq!(first(stream::iter([Ok::<_, String>(Bytes::from("abc"))])).await, expected);
}
