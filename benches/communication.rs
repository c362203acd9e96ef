//! Communication between host and guest: bytes, values and streams.

use std::cell::LazyCell;
use std::hint::black_box;
use std::pin::pin;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use futures::{Stream, StreamExt, stream};
use sandbox_bench::figures::Figure;
use sandbox_bench::group::Group;
use sandbox_bench::guests::{Guest, check};
use sandbox_bench::suite::{self, expect};
use sandbox_bench::{encodings, inputs, runtime};
use sandbox_core::{
    InstanceMode, Result, SecurityPolicy, SerializationFormat, StreamProcessor, StreamingSandbox,
    WasmSandbox,
};
use serialization::Priced;
use stream_processor::State;

/// The seed's sizes, of transfers and of chunks.
const SIZES: [usize; 3] = [1024, 64 * 1024, 1024 * 1024];

/// Number of orders in the data set.
const ORDERS: u64 = 300;

/// Bytes that pass through a stream in one iteration.
const STREAM_BYTES: usize = 10 * 1024 * 1024;

fn main() {
    let mut figures = Vec::new();
    for size in SIZES {
        figures.push(Figure::ratio(
            format!("communication/data_transfer/{size}"),
            format!("communication/floor/{size}"),
        ));
    }
    for &format in SerializationFormat::ALL {
        figures.push(Figure::ratio(
            format!("communication/serialization/{}", format.name()),
            format!("communication/serialization_floor/{}", format.name()),
        ));
    }
    for size in SIZES {
        let of = format!("streaming/stream_processing/{size}");
        figures.push(Figure::ratio(of, "streaming/floor"));
    }
    let groups: [fn(&mut Criterion); 3] = [data_transfer, serialization, streaming];
    suite::run("communication", &groups, &figures);
}

/// Bytes in, other bytes out: on one instance, on a fresh one for each call, and without a sandbox.
fn data_transfer(criterion: &mut Criterion) {
    let data = LazyCell::new(|| inputs::bytes(SIZES.into_iter().max().unwrap_or(0)));
    let sandbox = |mode| {
        LazyCell::new(move || {
            Guest("data_processor").sandbox(SecurityPolicy::basic().with_instances(mode))
        })
    };
    let persistent = sandbox(InstanceMode::Persistent);
    let fresh = sandbox(InstanceMode::Fresh);
    let mut group = Group::open(criterion, "communication");

    for (name, sandbox) in [("data_transfer", &persistent), ("data_transfer_fresh", &fresh)] {
        for size in SIZES {
            let checked = LazyCell::new(|| {
                let data = &data[..size];
                let expected = data_processor::process_data(data.to_vec());
                (check(sandbox, "process_data", data, &expected), expected.last().copied())
            });
            group.bench((name, size), Throughput::Bytes(size as u64), |bench| {
                let (usage, last) = &*checked;
                bench.uses(usage);
                bench.awaiting(|| async {
                    let data = black_box(&data[..size]);
                    let processed: Vec<u8> = expect(sandbox.call("process_data", data).await);
                    assert_eq!((processed.len(), processed.last().copied()), (size, *last));
                });
            });
        }
    }

    // The same work on a copy of the bytes.
    for size in SIZES {
        group.bench(("floor", size), Throughput::Bytes(size as u64), |bench| {
            bench.blocking(|| data_processor::process_data(black_box(&data[..size]).to_vec()));
        });
    }
}

/// A nested value in, another out, in each format; and the same encoding and decoding within the host.
fn serialization(criterion: &mut Criterion) {
    let batch = LazyCell::new(|| inputs::orders(ORDERS));
    let expected = LazyCell::new(|| serialization::serialize_deserialize(batch.clone()));
    let mut group = Group::open(criterion, "communication");

    for &format in SerializationFormat::ALL {
        let checked = LazyCell::new(|| {
            let wasm = expect(Guest("serialization").wasm());
            let builder = WasmSandbox::builder().source_bytes(wasm).serialization_format(format);
            let sandbox = expect(builder.build_blocking());
            let usage = check(&sandbox, "serialize_deserialize", &*batch, &*expected);
            (sandbox, usage)
        });
        let (name, orders) = (format.name(), Throughput::Elements(ORDERS));
        group.bench(("serialization", name), orders.clone(), |bench| {
            let (sandbox, usage) = &*checked;
            bench.uses(usage);
            bench.awaiting(|| async {
                let call = sandbox.call("serialize_deserialize", black_box(&*batch));
                let priced: Priced = expect(call.await);
                assert_eq!(priced.orders.len(), expected.orders.len());
            });
        });
        group.bench(("serialization_floor", name), orders, |bench| {
            bench.blocking(|| {
                let priced = encodings::round_trip(format, black_box(&batch));
                assert_eq!(priced.orders.len(), expected.orders.len());
            });
        });
    }
}

/// Ten megabytes through a guest, in chunks. The guest's checksum of all that it returned comes last.
fn streaming(criterion: &mut Criterion) {
    let data = LazyCell::new(|| Bytes::from(inputs::bytes(STREAM_BYTES)));
    let expected = LazyCell::new(|| {
        let mut state = State::new();
        (state.mask(&data), state.sum().to_le_bytes())
    });
    let throughput = Throughput::Bytes(STREAM_BYTES as u64);
    let mut group = Group::open(criterion, "streaming");

    for chunk in SIZES {
        let sandbox = LazyCell::new(|| {
            let sandbox = streaming_sandbox(chunk);
            let (masked, sum) = &*expected;
            let mut output = runtime::shared().block_on(async {
                let mut processor = expect(sandbox.create_stream_processor().await);
                collect(&mut processor, chunks(&data, chunk)).await
            });
            assert!(output.split_off(STREAM_BYTES) == sum && output == *masked, "wrong output");
            sandbox
        });
        group.bench(("stream_processing", chunk), throughput.clone(), |bench| {
            bench.moves(STREAM_BYTES, STREAM_BYTES + size_of::<u64>());
            bench.prepared(
                // Each stream needs an instance, which is a phase of its own.
                || expect(runtime::shared().block_on(sandbox.create_stream_processor())),
                |mut processor| {
                    let pass = pass(&mut processor, chunks(&data, chunk), expected.1);
                    runtime::shared().block_on(pass);
                    processor
                },
            );
        });
    }

    // The whole path of a stream, from a built sandbox.
    let whole = LazyCell::new(|| streaming_sandbox(SIZES[1]));
    group.bench(("stream_with_start", SIZES[1]), throughput.clone(), |bench| {
        let (whole, data, sum) = (&*whole, &*data, expected.1);
        bench.awaiting(|| async {
            let mut processor = expect(whole.create_stream_processor().await);
            pass(&mut processor, chunks(data, SIZES[1]), sum).await;
        });
    });

    // The same transformation without a sandbox.
    group.bench("floor", throughput, |bench| {
        bench.blocking(|| {
            let mut state = State::new();
            for chunk in black_box(&data).chunks(SIZES[1]) {
                black_box(state.mask(chunk));
            }
            assert_eq!(state.sum().to_le_bytes(), expected.1);
        });
    });
}

fn streaming_sandbox(buffer_bytes: usize) -> StreamingSandbox {
    let wasm = expect(Guest("stream_processor").wasm());
    let builder = StreamingSandbox::builder().source_bytes(wasm).buffer_size(buffer_bytes);
    expect(runtime::shared().block_on(builder.build()))
}

fn chunks(data: &Bytes, chunk: usize) -> impl Stream<Item = Bytes> {
    let starts = (0..data.len()).step_by(chunk);
    stream::iter(starts.map(move |start| data.slice(start..data.len().min(start + chunk))))
}

/// Passes a stream through and looks only at its end, where the checksum is.
async fn pass(
    processor: &mut StreamProcessor,
    input: impl Stream<Item = Bytes>,
    sum: [u8; size_of::<u64>()],
) {
    let mut output = pin!(expect(processor.process_stream(input).await));
    let (mut bytes, mut last) = (0, Bytes::new());
    while let Some(chunk) = output.next().await {
        last = expect(chunk);
        bytes += last.len();
    }
    assert_eq!((bytes, &last[..]), (STREAM_BYTES + sum.len(), &sum[..]));
}

/// Passes a stream through and keeps all that comes out.
async fn collect(processor: &mut StreamProcessor, input: impl Stream<Item = Bytes>) -> Vec<u8> {
    let output = expect(processor.process_stream(input).await);
    let chunks: Vec<Result<Bytes>> = output.collect().await;
    chunks.into_iter().flat_map(expect).collect()
}
