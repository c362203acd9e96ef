//! The core of the sandbox: what a call, a megabyte and a compilation cost.

use std::cell::LazyCell;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use futures::future::join_all;
use sandbox_bench::guests::Guest;
use sandbox_bench::resources::Recorder;
use sandbox_bench::{inputs, suite, timing};
use sandbox_core::{Module, SecurityPolicy, WasmSandbox};
use tokio::runtime::Runtime;

const MIB: usize = 1024 * 1024;

/// Which Fibonacci number a call of a batch computes: about a microsecond of work in the guest.
const FIBONACCI_OF: i32 = 12;

fn main() {
    suite::run(&[function_calls, memory_operations, compilation]);
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap_or_else(|error| suite::give_up(&error))
}

fn sandbox(guest: Guest, policy: SecurityPolicy) -> WasmSandbox {
    let wasm = guest.wasm().unwrap_or_else(|error| suite::give_up(&error));
    WasmSandbox::builder()
        .source_bytes(wasm)
        .security_policy(policy)
        .memory_limit(128 * MIB as u64)
        .build_blocking()
        .unwrap_or_else(|error| suite::give_up(&error))
}

/// A call of a function with numbers, on a warm instance, and batches of calls of a short function.
fn function_calls(criterion: &mut Criterion) {
    let runtime = LazyCell::new(runtime);
    let sandbox = LazyCell::new(|| {
        let sandbox = sandbox(Guest("simple_math"), SecurityPolicy::basic());
        let call = sandbox.call_blocking("fibonacci", FIBONACCI_OF);
        assert_eq!(call.ok(), Some(simple_math::fibonacci(FIBONACCI_OF)));
        assert_eq!(sandbox.call_blocking("add", (42i32, 24i32)).ok(), Some(66i32));
        sandbox
    });
    let mut group = criterion.benchmark_group("function_calls");

    group.throughput(Throughput::Elements(1));
    group.bench_function("add_two_numbers", |bencher| {
        let recorder = Recorder::new("function_calls/add_two_numbers");
        timing::awaiting(bencher, &runtime, &recorder, || async {
            let sum: i32 = expect(sandbox.call("add", (black_box(42i32), 24i32)).await);
            assert_eq!(sum, 66);
        });
    });

    for size in [10usize, 100, 1000] {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_with_input(BenchmarkId::new("batch_calls", size), &size, |bencher, &size| {
            let recorder = Recorder::new(format!("function_calls/batch_calls/{size}"));
            let expected = simple_math::fibonacci(FIBONACCI_OF);
            timing::awaiting(bencher, &runtime, &recorder, || async {
                let calls = (0..size).map(|_| sandbox.call("fibonacci", black_box(FIBONACCI_OF)));
                for result in join_all(calls).await {
                    let number: i64 = expect(result);
                    assert_eq!(number, expected);
                }
            });
        });
    }

    // The same loop around the same addition, without a sandbox.
    group.throughput(Throughput::Elements(1));
    group.bench_function("floor", |bencher| {
        let recorder = Recorder::new("function_calls/floor");
        timing::awaiting(bencher, &runtime, &recorder, || async {
            assert_eq!(simple_math::add(black_box(42), black_box(24)), 66);
        });
    });
    group.finish();
}

/// Memory that the guest allocates and touches, and a megabyte that goes in, is copied, and comes out.
fn memory_operations(criterion: &mut Criterion) {
    let runtime = LazyCell::new(runtime);
    let data = LazyCell::new(|| inputs::bytes(MIB));
    let sandbox = LazyCell::new(|| {
        let sandbox = sandbox(Guest("memory_ops"), SecurityPolicy::basic());
        let copied: Option<Vec<u8>> = sandbox.call_blocking("copy_memory", &*data).ok();
        assert_eq!(copied.as_ref(), Some(&*data));
        sandbox
    });
    let mut group = criterion.benchmark_group("memory_operations");
    group.throughput(Throughput::Bytes(MIB as u64));

    group.bench_function("memory_allocation", |bencher| {
        let recorder = Recorder::new("memory_operations/memory_allocation");
        let size = u32::try_from(MIB).unwrap_or(u32::MAX);
        let expected = memory_ops::sum_of_pages(size);
        timing::awaiting(bencher, &runtime, &recorder, || async {
            let touched: u32 = expect(sandbox.call("allocate_memory", black_box(size)).await);
            assert_eq!(touched, expected);
        });
    });

    group.bench_function("memory_copy", |bencher| {
        let recorder = Recorder::new("memory_operations/memory_copy");
        recorder.bytes_per_iteration(MIB as u64, MIB as u64);
        let last = data.last().copied();
        timing::awaiting(bencher, &runtime, &recorder, || async {
            let copied: Vec<u8> = expect(sandbox.call("copy_memory", black_box(&*data)).await);
            assert_eq!((copied.len(), copied.last().copied()), (MIB, last));
        });
    });

    // The copies that no sandbox can do without: one in, one out.
    group.bench_function("floor", |bencher| {
        let recorder = Recorder::new("memory_operations/floor");
        let mut inside = vec![0; MIB];
        timing::blocking(bencher, &recorder, || {
            inside.copy_from_slice(black_box(&*data));
            black_box(&inside).clone()
        });
    });
    group.finish();
}

/// From the bytes of a module to native code. Nothing is instantiated, and nothing is cached.
fn compilation(criterion: &mut Criterion) {
    let policy = SecurityPolicy::basic();
    let mut group = criterion.benchmark_group("compilation");
    for (size, guest) in [
        ("small", Guest("small_module")),
        ("medium", Guest("medium_module")),
        ("large", Guest("large_module")),
    ] {
        let wasm = LazyCell::new(|| guest.wasm().unwrap_or_else(|error| suite::give_up(&error)));
        group.throughput(Throughput::Bytes(guest.size_bytes()));
        group.bench_with_input(BenchmarkId::new("compile_module", size), &(), |bencher, ()| {
            let recorder = Recorder::new(format!("compilation/compile_module/{size}"));
            recorder.bytes_per_iteration(wasm.len() as u64, 0);
            timing::blocking_without_drop(bencher, &recorder, || {
                expect(Module::compile(black_box(&wasm), &policy))
            });
        });
    }

    // The smallest module there is: what compiling costs before there is anything to compile.
    group.throughput(Throughput::Elements(1));
    group.bench_function("floor", |bencher| {
        let recorder = Recorder::new("compilation/floor");
        timing::blocking_without_drop(bencher, &recorder, || {
            expect(Module::compile(black_box(b"\0asm\x01\0\0\0"), &policy))
        });
    });
    group.finish();
}

/// The value of a call that cannot fail in a benchmark that measures anything.
fn expect<T>(result: sandbox_core::Result<T>) -> T {
    result.unwrap_or_else(|error| suite::give_up(&error))
}
