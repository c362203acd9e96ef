//! Usage of calls, added up, and the spans that `tracing` sees of them.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sandbox_core::{
    CallPlacement, InstanceMode, RunRequest, SecurityPolicy, StreamingSandbox, WasmSandbox,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::cancelling::{ELASTIC, earn_trust};
use crate::modules::{self, MEMORY, NUMBERS};

#[tokio::test]
async fn the_calls_of_a_sandbox_add_up() {
    let sandbox = WasmSandbox::builder().source(modules::guest("abi_probe")).build().await.unwrap();
    assert_eq!(
        sandbox.usage(),
        WasmSandbox::usage(&sandbox.clone()),
        "clones are the same sandbox"
    );
    for _ in 0..3 {
        sandbox.call::<Vec<u8>>("second_half", vec![7u8; 1000]).await.unwrap();
        sandbox.call_blocking::<Vec<u8>>("second_half", vec![7u8; 1000]).unwrap();
    }
    sandbox.call::<i64>("divide", (1i64, 0i64)).await.unwrap_err();
    sandbox.call_with_usage::<Vec<u8>>("second_half", vec![7u8; 10]).await.unwrap();
    // What never reaches the guest is no call.
    sandbox.call::<i64>("missing", ()).await.unwrap_err();
    sandbox.call::<i64>("next_byte", "text").await.unwrap_err();
    let usage = sandbox.usage();
    assert_eq!((usage.calls, usage.failed_calls), (8, 1));
    assert!(usage.bytes_in >= 6010, "{usage:?}");
    assert!(usage.bytes_out >= 3005, "{usage:?}");
    assert!(usage.wall_time > Duration::ZERO);
    assert!(usage.cpu_time.unwrap() > Duration::ZERO);
    assert!(usage.memory_high_water_bytes >= 65_536);
}

#[tokio::test]
async fn batches_programs_and_fresh_instances_are_counted_too() {
    let policy = SecurityPolicy::strict().with_instances(InstanceMode::Fresh);
    for policy in [modules::strict_and_persistent(), policy] {
        let sandbox = modules::sandbox(NUMBERS, policy).await;
        let divisors = (0..100i32).map(|divisor| (1i32, divisor % 50));
        let _ = sandbox.call_batch::<i32>("divide", divisors).await.unwrap();
        // Once more, when the function is trusted and many calls share an entry.
        let divisors = (0..100i32).map(|divisor| (1i32, divisor % 50));
        let _ = sandbox.call_batch::<i32>("divide", divisors).await.unwrap();
        let usage = sandbox.usage();
        assert_eq!((usage.calls, usage.failed_calls), (200, 4));
    }
    let text = r#"(module (memory (export "memory") 3) (func (export "_start")))"#;
    let sandbox = modules::sandbox(text, modules::strict_and_persistent()).await;
    let _ = sandbox.run(RunRequest::new()).await.unwrap();
    let _ = sandbox.run_blocking(RunRequest::new()).unwrap();
    let usage = sandbox.usage();
    assert_eq!((usage.calls, usage.memory_high_water_bytes), (2, 3 * 65_536));
}

#[tokio::test]
async fn the_streams_of_a_sandbox_count_for_it() {
    use futures::StreamExt;
    let sandbox = StreamingSandbox::builder()
        .source(modules::guest("stream_processor"))
        .build()
        .await
        .unwrap();
    let mut processor = sandbox.create_stream_processor().await.unwrap();
    let input = futures::stream::iter([vec![1u8; 1000], vec![2; 500]]);
    let output = processor.process_stream(input).await.unwrap();
    assert_eq!(output.count().await, 3);
    let usage = sandbox.sandbox().usage();
    assert_eq!((usage.calls, usage.bytes_in, usage.bytes_out), (3, 1500, 1508));
}

#[tokio::test]
async fn memory_that_a_quick_function_took_is_seen() {
    let sandbox = modules::sandbox(MEMORY, modules::strict_and_persistent()).await;
    for _ in 0..100 {
        sandbox.call::<i32>("grow", 0i32).await.unwrap();
    }
    assert_eq!(sandbox.usage().memory_high_water_bytes, 65_536);
    sandbox.call_blocking::<i32>("grow", 2i32).unwrap();
    assert_eq!(sandbox.usage().memory_high_water_bytes, 3 * 65_536);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_long_call_of_a_quick_function_is_not_lost() {
    let sandbox = modules::sandbox(ELASTIC, SecurityPolicy::permissive()).await;
    earn_trust(&sandbox).await;
    let hurried = sandbox.with_time_limit(Duration::from_millis(200));
    let spin = tokio::spawn(async move { hurried.call::<i64>("work", -1i64).await });
    spin.await.unwrap().unwrap_err();
    let usage = sandbox.usage();
    assert_eq!((usage.calls, usage.failed_calls), (51, 1));
    assert!(usage.wall_time >= Duration::from_millis(150), "{usage:?}");
}

/// Keeps the names and fields of spans.
#[derive(Clone, Default)]
struct Recorder {
    seen: Arc<Mutex<Vec<String>>>,
    /// The only spans it wants to see, by their name.
    only: Option<&'static str>,
}

impl Visit for Recorder {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.seen.lock().unwrap().push(format!("{field}={value:?}"));
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::DEBUG
            && metadata.is_span()
            && metadata.target().starts_with("sandbox_core")
            && self.only.is_none_or(|name| metadata.name() == name)
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        self.seen.lock().unwrap().push(format!("span={}", attributes.metadata().name()));
        attributes.record(&mut self.clone());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Records the spans that something opened on this thread.
fn recorded<T>(run: impl FnOnce() -> T) -> (T, Vec<String>) {
    recorded_by(Recorder::default(), run)
}

fn recorded_by<T>(recorder: Recorder, run: impl FnOnce() -> T) -> (T, Vec<String>) {
    let value = tracing::subscriber::with_default(recorder.clone(), run);
    let spans = std::mem::take(&mut *recorder.seen.lock().unwrap());
    (value, spans)
}

#[test]
fn building_compiling_and_calling_have_spans_with_fields() {
    let (sandbox, spans) = recorded(|| {
        let builder = modules::builder(NUMBERS).disable_cache();
        builder.security_policy(modules::strict_and_persistent()).build_blocking().unwrap()
    });
    let hash = sandbox.module().wasm_hash();
    assert_eq!(hash, blake3_of(&modules::wasm(NUMBERS)));
    let has = |spans: &[String], field: &str| {
        assert!(spans.iter().any(|span| span == field), "no {field} in {spans:?}");
    };
    has(&spans, "span=build");
    has(&spans, "span=compile");
    has(&spans, &format!("module={hash:?}"));
    has(&spans, "origin=Compiled");

    let (outcome, spans) = recorded(|| sandbox.call_blocking::<i32>("divide", (6i32, 3i32)));
    assert_eq!(outcome.unwrap(), 2);
    for field in ["span=call", "function=\"divide\"", "instances=Persistent", "outcome=\"ok\""] {
        has(&spans, field);
    }
    assert!(spans.iter().any(|span| span.starts_with("elapsed_us=")), "{spans:?}");

    let (outcome, spans) = recorded(|| sandbox.call_blocking::<i32>("divide", (6i32, 0i32)));
    assert_eq!(outcome.unwrap_err().kind(), "trap");
    has(&spans, "outcome=\"trap\"");
}

#[test]
fn calls_of_async_tasks_have_the_same_spans() {
    let ((), spans) = recorded(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let sandbox = modules::sandbox(NUMBERS, modules::strict_and_persistent()).await;
            sandbox.call::<i32>("add", (1i32, 2i32)).await.unwrap();
            let _ = sandbox.call_batch::<i32>("add", [(1i32, 2i32); 5]).await.unwrap();
        });
    });
    for field in ["function=\"add\"", "calls=1", "calls=5", "outcome=\"ok\""] {
        assert!(spans.iter().any(|span| span == field), "no {field} in {spans:?}");
    }
}

#[test]
fn the_span_of_a_quick_call_is_seen_by_whoever_wants_only_that() {
    let recorder = Recorder { only: Some("call"), ..Recorder::default() };
    let ((), spans) = recorded_by(recorder, || {
        let builder = tokio::runtime::Builder::new_current_thread().enable_time().build();
        builder.unwrap().block_on(async {
            let sandbox = modules::builder(NUMBERS)
                .call_placement(CallPlacement::CallersThread)
                .build()
                .await
                .unwrap();
            for _ in 0..50 {
                sandbox.call::<i32>("add", (1i32, 2i32)).await.unwrap();
            }
        });
    });
    let calls = spans.iter().filter(|span| *span == "span=call").count();
    assert_eq!(calls, 50, "{spans:?}");
}

/// Computes the hash without asking the library.
fn blake3_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}
