//! Usage of calls: of one call, of all calls of a sandbox, and as `tracing` spans.
//!
//! `cargo run -p sandbox-core --example usage_and_tracing`

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use sandbox_core::{Result, WasmSandbox};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

#[path = "support/guests.rs"]
mod guests;

#[tokio::main]
pub(crate) async fn main() -> Result<()> {
    let sandbox = WasmSandbox::builder().source(guests::guest("memory_ops")).build().await?;
    let data = vec![7u8; 100_000];

    // What one call used.
    let (copy, usage) = sandbox.call_with_usage::<Vec<u8>>("copy_memory", &data).await?;
    assert_eq!(copy, data);
    assert_eq!((usage.bytes_in, usage.bytes_out), (100_000, 100_000));
    assert!(usage.memory_high_water_bytes > 200_000);
    println!("{:?} of real time, {:?} of processor time", usage.wall_time, usage.cpu_time);

    // What all calls used.
    for _ in 0..9 {
        sandbox.call::<Vec<u8>>("copy_memory", &data).await?;
    }
    let total = sandbox.usage();
    assert_eq!((total.calls, total.failed_calls, total.bytes_in), (10, 0, 1_000_000));

    // A program would install a subscriber once, from the crate `tracing-subscriber`. This one keeps the fields of
    // all spans as text.
    let spans = Spans::default();
    let guard = tracing::subscriber::set_default(spans.clone());
    sandbox.call::<Vec<u8>>("copy_memory", &data).await?;
    drop(guard);
    let spans = spans.0.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(spans.contains("function=\"copy_memory\""), "{spans}");
    assert!(spans.contains("outcome=\"ok\""), "{spans}");
    Ok(())
}

#[derive(Clone, Default)]
struct Spans(Arc<Mutex<String>>);

impl Visit for Spans {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spans.push_str(&format!("{field}={value:?} "));
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target().starts_with("sandbox_core")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
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
