//! Guests side by side: whether they share the cores as well as native code does.
//!
//! Every guest runs in a task of its own, spawned on a runtime with as many threads as there are cores. Joining
//! futures within one task would run one guest at a time.

use std::cell::LazyCell;

use criterion::{Criterion, Throughput};
use sandbox_bench::figures::Figure;
use sandbox_bench::group::Group;
use sandbox_bench::guests::{Guest, check};
use sandbox_bench::runtime;
use sandbox_bench::suite::{self, expect};
use sandbox_core::{InstanceMode, SecurityPolicy, WasmSandbox};

const MIB: u64 = 1024 * 1024;

const CPU_INTENSIVE: Guest = Guest("cpu_intensive");
const PARALLEL_WORK: Guest = Guest("parallel_work");
const MEMORY_HEAVY: Guest = Guest("memory_heavy");

/// Sandboxes side by side, as many as the seed has.
const INSTANCES: [usize; 5] = [1, 2, 4, 8, 16];

/// Where five steps would tell no more than three.
const FEWER_INSTANCES: [usize; 3] = [1, 4, 16];

/// Up to where a guest looks for the longest Collatz sequence: a few milliseconds of arithmetic.
const LIMIT: u32 = 10_000;

/// Number of tasks for each core when the threads are to be saturated.
const TASKS_PER_CORE: usize = 4;

/// Sandboxes that need memory at the same time, what each may have, and what each works on.
const HEAVY: usize = 8;
const HEAVY_LIMIT: u64 = 32 * MIB;
const HEAVY_BYTES: u32 = 16 * 1024 * 1024;

fn main() {
    let cores = runtime::cores();
    let mut figures = Vec::new();
    for tasks in INSTANCES {
        figures.push(Figure::scaling("concurrency/concurrent_instances", tasks, cores));
        figures.push(Figure::scaling("concurrency/floor", tasks, cores));
    }
    figures.push(Figure::ratio(
        "concurrency/thread_pool_saturation",
        "concurrency/thread_pool_saturation_floor",
    ));
    figures
        .push(Figure::ratio("resource_contention/memory_contention", "resource_contention/floor"));
    suite::run("concurrency", &[concurrency, thread_pool, resource_contention], &figures);
}

fn policy() -> SecurityPolicy {
    SecurityPolicy::basic()
}

/// Sandboxes with an instance each, made and warmed up before the timer starts.
fn persistent(guest: Guest, policy: &SecurityPolicy, count: usize) -> Vec<WasmSandbox> {
    (0..count).map(|_| guest.sandbox(policy.clone())).collect()
}

/// Does the same computation on so many instances at once.
fn concurrency(criterion: &mut Criterion) {
    let expected = cpu_intensive::compute(LIMIT);
    let mut group = Group::open(criterion, "concurrency");

    for count in INSTANCES {
        let sandboxes = LazyCell::new(|| {
            let sandboxes = persistent(CPU_INTENSIVE, &policy(), count);
            for sandbox in &sandboxes {
                check(sandbox, "compute", LIMIT, &expected);
            }
            sandboxes
        });
        group.bench(("concurrent_instances", count), elements(count), |bench| {
            let sandboxes = &*sandboxes;
            bench.side_by_side(count, |at| {
                let sandbox = sandboxes[at].clone();
                async move { compute(&sandbox, expected).await }
            });
        });
    }

    // One sandbox for all, in which every call has an instance of its own.
    let fresh = LazyCell::new(|| {
        let sandbox = CPU_INTENSIVE.sandbox(policy().with_instances(InstanceMode::Fresh));
        check(&sandbox, "compute", LIMIT, &expected);
        sandbox
    });
    for count in FEWER_INSTANCES {
        group.bench(("fresh_instances", count), elements(count), |bench| {
            let fresh = &*fresh;
            bench.side_by_side(count, |_| {
                let sandbox = fresh.clone();
                async move { compute(&sandbox, expected).await }
            });
        });
    }

    // The whole path from a compiled module: a sandbox is built, used once and dropped.
    for count in FEWER_INSTANCES {
        group.bench(("cold_instances", count), elements(count), |bench| {
            let module = fresh.module().clone();
            bench.side_by_side(count, |_| {
                let builder = WasmSandbox::builder().module(&module).security_policy(policy());
                async move { compute(&expect(builder.build().await), expected).await }
            });
        });
    }

    // The same tasks without a sandbox: how well the machine itself runs them side by side.
    for count in INSTANCES {
        group.bench(("floor", count), elements(count), |bench| {
            bench.side_by_side(count, |_| async move {
                assert_eq!(cpu_intensive::compute(std::hint::black_box(LIMIT)), expected);
            });
        });
    }
}

async fn compute(sandbox: &WasmSandbox, expected: u64) {
    let result: u64 = expect(sandbox.call("compute", LIMIT).await);
    assert_eq!(result, expected);
}

/// More tasks than threads: every core has a queue.
fn thread_pool(criterion: &mut Criterion) {
    let tasks = runtime::cores() * TASKS_PER_CORE;
    let expected = |at: usize| parallel_work::parallel_task(number(at));
    let mut group = Group::open(criterion, "concurrency");

    let sandboxes = LazyCell::new(|| {
        let sandboxes = persistent(PARALLEL_WORK, &policy(), tasks);
        for (at, sandbox) in sandboxes.iter().enumerate() {
            check(sandbox, "parallel_task", number(at), &expected(at));
        }
        let expected: Vec<u64> = (0..tasks).map(expected).collect();
        (sandboxes, expected)
    });
    group.bench("thread_pool_saturation", elements(tasks), |bench| {
        let (sandboxes, expected) = &*sandboxes;
        bench.side_by_side(tasks, |at| {
            let (sandbox, expected) = (sandboxes[at].clone(), expected[at]);
            async move {
                let hash: u64 = expect(sandbox.call("parallel_task", number(at)).await);
                assert_eq!(hash, expected);
            }
        });
    });

    group.bench("thread_pool_saturation_floor", elements(tasks), |bench| {
        let (_, expected) = &*sandboxes;
        bench.side_by_side(tasks, |at| {
            let expected = expected[at];
            async move { assert_eq!(parallel_work::parallel_task(number(at)), expected) }
        });
    });
}

/// Sandboxes that fill and sort 16 MiB each at the same time.
fn resource_contention(criterion: &mut Criterion) {
    let policy = policy().with_memory_limit(HEAVY_LIMIT);
    let expected = LazyCell::new(|| memory_heavy::allocate_and_process(HEAVY_BYTES));
    let mut group = Group::open(criterion, "resource_contention");
    group.slow();

    let sandboxes = LazyCell::new(|| {
        let sandboxes = persistent(MEMORY_HEAVY, &policy, HEAVY);
        let usage = check(&sandboxes[0], "allocate_and_process", HEAVY_BYTES, &*expected);
        (sandboxes, usage)
    });
    for (name, count) in [("memory_contention", HEAVY), ("no_contention", 1)] {
        let bytes = Throughput::Bytes(u64::from(HEAVY_BYTES) * count as u64);
        group.bench(name, bytes, |bench| {
            let ((sandboxes, usage), expected) = (&*sandboxes, *expected);
            bench.uses(usage);
            bench.side_by_side(count, |at| {
                let sandbox = sandboxes[at].clone();
                async move { process(&sandbox, expected).await }
            });
        });
    }

    // The whole path from a compiled module, so that all memory is new to the process.
    let bytes = Throughput::Bytes(u64::from(HEAVY_BYTES) * HEAVY as u64);
    group.bench("cold_memory_contention", bytes.clone(), |bench| {
        let (module, expected) = (sandboxes.0[0].module().clone(), *expected);
        bench.side_by_side(HEAVY, |_| {
            let builder = WasmSandbox::builder().module(&module).security_policy(policy.clone());
            async move { process(&expect(builder.build().await), expected).await }
        });
    });

    group.bench("floor", bytes, |bench| {
        let expected = *expected;
        bench.side_by_side(HEAVY, |_| async move {
            assert_eq!(memory_heavy::allocate_and_process(HEAVY_BYTES), expected);
        });
    });
}

async fn process(sandbox: &WasmSandbox, expected: u64) {
    let sum: u64 = expect(sandbox.call("allocate_and_process", HEAVY_BYTES).await);
    assert_eq!(sum, expected);
}

fn elements(count: usize) -> Throughput {
    Throughput::Elements(count as u64)
}

/// The number of a task, as the guest takes it.
fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
