//! The core of the sandbox: what a call, a megabyte and a compilation cost.

use std::cell::LazyCell;
use std::hint::black_box;

use criterion::{Criterion, Throughput};
use futures::future::join_all;
use sandbox_bench::figures::Figure;
use sandbox_bench::group::Group;
use sandbox_bench::guests::{Guest, check};
use sandbox_bench::inputs;
use sandbox_bench::suite::{self, expect};
use sandbox_core::{Module, SecurityPolicy};

const MIB: usize = 1024 * 1024;

/// Which Fibonacci number a call of a batch computes: about a microsecond of work in the guest.
const FIBONACCI_OF: i32 = 12;

fn main() {
    let figures = [Figure::ratio("memory_operations/memory_copy", "memory_operations/floor")];
    suite::run("core", &[function_calls, memory_operations, compilation], &figures);
}

fn policy() -> SecurityPolicy {
    SecurityPolicy::basic().with_memory_limit(128 * MIB as u64)
}

/// A call of a function with numbers, on a warm instance, and batches of calls of a short function.
fn function_calls(criterion: &mut Criterion) {
    let fibonacci = simple_math::fibonacci(FIBONACCI_OF);
    let sandbox = LazyCell::new(|| {
        let sandbox = Guest("simple_math").sandbox(policy());
        check(&sandbox, "fibonacci", FIBONACCI_OF, &fibonacci);
        check(&sandbox, "add", (42i32, 24i32), &simple_math::add(42, 24));
        sandbox
    });
    let mut group = Group::open(criterion, "function_calls");

    group.bench_one("add_two_numbers", |bench| {
        let sandbox = &*sandbox;
        bench.awaiting(|| async {
            let sum: i32 = expect(sandbox.call("add", (black_box(42i32), 24i32)).await);
            assert_eq!(sum, 66);
        });
    });

    for size in [10, 100, 1000] {
        group.bench(("batch_calls", size), Throughput::Elements(size), |bench| {
            let sandbox = &*sandbox;
            bench.awaiting(|| async {
                let calls = (0..size).map(|_| sandbox.call("fibonacci", black_box(FIBONACCI_OF)));
                for result in join_all(calls).await {
                    let number: i64 = expect(result);
                    assert_eq!(number, fibonacci);
                }
            });
        });
    }

    // The same loop around the same addition, without a sandbox.
    group.bench_one("floor", |bench| {
        bench.awaiting(|| async {
            assert_eq!(simple_math::add(black_box(42), black_box(24)), 66);
        });
    });
}

/// Memory that the guest allocates and touches, and a megabyte that goes in, is copied, and comes out.
fn memory_operations(criterion: &mut Criterion) {
    let data = LazyCell::new(|| inputs::bytes(MIB));
    let size = u32::try_from(MIB).unwrap_or(u32::MAX);
    let touched = memory_ops::sum_of_pages(size);
    let sandbox = LazyCell::new(|| Guest("memory_ops").sandbox(policy()));
    let allocation = LazyCell::new(|| check(&sandbox, "allocate_memory", size, &touched));
    let copy = LazyCell::new(|| check(&sandbox, "copy_memory", &*data, &*data));
    let bytes = Throughput::Bytes(MIB as u64);
    let mut group = Group::open(criterion, "memory_operations");

    group.bench("memory_allocation", bytes.clone(), |bench| {
        bench.uses(&allocation);
        bench.awaiting(|| async {
            let sum: u32 = expect(sandbox.call("allocate_memory", black_box(size)).await);
            assert_eq!(sum, touched);
        });
    });

    group.bench("memory_copy", bytes.clone(), |bench| {
        bench.uses(&copy);
        let last = data.last().copied();
        bench.awaiting(|| async {
            let copied: Vec<u8> = expect(sandbox.call("copy_memory", black_box(&*data)).await);
            assert_eq!((copied.len(), copied.last().copied()), (MIB, last));
        });
    });

    // The copies that no sandbox can do without: one in, one out.
    let mut inside = vec![0; MIB];
    group.bench("floor", bytes, |bench| {
        bench.blocking(|| {
            inside.copy_from_slice(black_box(&*data));
            black_box(&inside).clone()
        });
    });
}

/// From the bytes of a module to native code. Nothing is instantiated, and nothing is cached.
fn compilation(criterion: &mut Criterion) {
    let policy = SecurityPolicy::basic();
    let mut group = Group::open(criterion, "compilation");
    for (size, guest) in [
        ("small", Guest("small_module")),
        ("medium", Guest("medium_module")),
        ("large", Guest("large_module")),
    ] {
        let wasm = LazyCell::new(|| expect(guest.wasm()));
        let bytes = Throughput::Bytes(guest.size_bytes());
        group.bench(("compile_module", size), bytes, |bench| {
            bench.moves(wasm.len(), 0);
            bench.building(|| expect(Module::compile(black_box(&wasm), &policy)));
        });
    }

    // The smallest module there is: what compiling costs before there is anything to compile.
    group.bench_one("floor", |bench| {
        bench.building(|| expect(Module::compile(black_box(b"\0asm\x01\0\0\0"), &policy)));
    });
}
