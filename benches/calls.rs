//! Costs that the sandbox adds to Wasmer: to a call, to a megabyte, to a loop, and to the end of a loop that must
//! end.

use std::cell::{LazyCell, RefCell};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use sandbox_bench::figures::Figure;
use sandbox_bench::group::Group;
use sandbox_bench::guests::{Guest, check};
use sandbox_bench::plain_wasmer::{PlainInstance, TypedFunction};
use sandbox_bench::suite::{self, expect};
use sandbox_bench::{inputs, runtime, texts};
use sandbox_core::{InstanceMode, SandboxError, SecurityPolicy, WasmSandbox};

const MIB: usize = 1024 * 1024;

/// Number of calls in a batch.
const BATCH: usize = 64;

/// Number of the tight loop's rounds: a few milliseconds.
const ROUNDS: i64 = 5_000_000;

/// Time that a loop without end may run.
const DEADLINE: Duration = Duration::from_millis(10);

fn main() {
    let of_wasmer = |function: &str| Figure::ratio(format!("calls/{function}"), "calls/wasmer");
    let figures = [
        of_wasmer("handle_blocking").at_most(1.15),
        of_wasmer("in_session"),
        of_wasmer("by_name").at_most(2.0),
        of_wasmer("on_worker"),
        of_wasmer("fresh"),
        Figure::ratio("transfer/in_and_out", "transfer/floor").at_most(1.3),
        Figure::ratio("interruption/tight_loop/wall_clock", "interruption/tight_loop/no_limit"),
        Figure::ratio("interruption/tight_loop/no_limit", "interruption/floor"),
    ];
    suite::run("calls", &[calls, transfer, interruption], &figures);
}

/// A sandbox of the small module of number functions.
fn numbers(policy: SecurityPolicy) -> WasmSandbox {
    let builder = WasmSandbox::builder().source_bytes(texts::wasm(texts::NUMBERS));
    expect(builder.security_policy(policy).build_blocking())
}

/// Calls the same function of the same module in every way there is.
fn calls(criterion: &mut Criterion) {
    let sandbox = LazyCell::new(|| {
        let sandbox = numbers(SecurityPolicy::basic());
        check(&sandbox, "add", (42i32, 24i32), &66i32);
        // Until the function is trusted, so that warming up is not what is measured.
        for _ in 0..100 {
            check(&sandbox, "add", (42i32, 24i32), &66i32);
        }
        sandbox
    });
    let add = LazyCell::new(|| expect(sandbox.function::<(i32, i32), i32>("add")));
    let mut group = Group::open(criterion, "calls");

    let plain = LazyCell::new(|| {
        let plain = expect(PlainInstance::new(&texts::wasm(texts::NUMBERS)));
        let add: TypedFunction<(i32, i32), i32> = expect(plain.function("add"));
        RefCell::new((plain, add))
    });
    group.bench_one("wasmer", |bench| {
        let (plain, add) = &mut *plain.borrow_mut();
        bench.blocking(|| {
            let sum = expect(add.call(plain.store(), black_box(42), 24));
            assert_eq!(sum, 66);
        });
    });

    group.bench_one("handle_blocking", |bench| {
        bench.blocking(|| assert_eq!(expect(add.call_blocking((black_box(42), 24))), 66));
    });
    // A sandbox of its own: others wait while there is a session.
    let held = LazyCell::new(|| {
        let sandbox = numbers(SecurityPolicy::basic());
        let add = expect(sandbox.function::<(i32, i32), i32>("add"));
        (RefCell::new(expect(sandbox.session_blocking())), add)
    });
    group.bench_one("in_session", |bench| {
        let (session, add) = &*held;
        let session = &mut *session.borrow_mut();
        bench.blocking(|| {
            assert_eq!(expect(add.call_in_blocking(session, (black_box(42), 24))), 66);
        });
    });
    group.bench_one("handle", |bench| {
        let add = &*add;
        bench.awaiting(|| async { assert_eq!(expect(add.call((black_box(42), 24)).await), 66) });
    });
    group.bench_one("by_name_blocking", |bench| {
        bench.blocking(|| {
            let sum: i32 = expect(sandbox.call_blocking("add", (black_box(42i32), 24i32)));
            assert_eq!(sum, 66);
        });
    });
    group.bench_one("by_name", |bench| {
        let sandbox = &*sandbox;
        bench.awaiting(|| async {
            let sum: i32 = expect(sandbox.call("add", (black_box(42i32), 24i32)).await);
            assert_eq!(sum, 66);
        });
    });
    group.bench("batch", Throughput::Elements(BATCH as u64), |bench| {
        let sandbox = &*sandbox;
        bench.awaiting(|| async {
            let calls = (0..BATCH).map(|_| (black_box(42i32), 24i32));
            let sums = expect(sandbox.call_batch("add", calls).await);
            assert!(sums.into_iter().all(|sum: Result<i32, _>| expect(sum) == 66));
        });
    });

    // There and back to another thread: what a function pays that is not known to be quick.
    group.bench_one("on_worker", |bench| {
        let sandbox = &*sandbox;
        bench.awaiting(|| async {
            let call = sandbox.call_with_usage::<i32>("add", (black_box(42i32), 24i32));
            let (sum, _) = expect(call.await);
            assert_eq!(sum, 66);
        });
    });

    // An instance of its own for each call.
    let fresh = LazyCell::new(|| {
        let sandbox = numbers(SecurityPolicy::basic().with_instances(InstanceMode::Fresh));
        check(&sandbox, "add", (42i32, 24i32), &66i32);
        expect(sandbox.function::<(i32, i32), i32>("add"))
    });
    group.bench_one("fresh", |bench| {
        bench.blocking(|| assert_eq!(expect(fresh.call_blocking((black_box(42), 24))), 66));
    });

    group.bench_one("floor", |bench| {
        bench.blocking(|| assert_eq!(black_box(42i32).wrapping_add(black_box(24)), 66));
    });
}

/// A megabyte that the guest only passes on.
fn transfer(criterion: &mut Criterion) {
    let data = LazyCell::new(|| inputs::bytes(MIB));
    let sandbox = LazyCell::new(|| Guest("memory_ops").sandbox(SecurityPolicy::basic()));
    let usage = LazyCell::new(|| check(&sandbox, "pass_memory", &*data, &*data));
    let bytes = Throughput::Bytes(MIB as u64);
    let mut group = Group::open(criterion, "transfer");

    group.bench("in_and_out", bytes.clone(), |bench| {
        bench.uses(&usage);
        let last = data.last().copied();
        bench.blocking(|| {
            let passed: Vec<u8> = expect(sandbox.call_blocking("pass_memory", black_box(&*data)));
            assert_eq!((passed.len(), passed.last().copied()), (MIB, last));
        });
    });

    // Two copies, the second into memory that the caller gets.
    let mut inside = vec![0; MIB];
    group.bench("floor", bytes, |bench| {
        bench.blocking(|| {
            inside.copy_from_slice(black_box(&*data));
            black_box(&inside).clone()
        });
    });
}

/// Measures what it costs a loop that it can be stopped, and how long after its deadline it is.
fn interruption(criterion: &mut Criterion) {
    let expected = LazyCell::new(|| texts::count(ROUNDS));
    let mut group = Group::open(criterion, "interruption");

    let policies = [
        ("no_limit", SecurityPolicy::permissive()),
        ("wall_clock", SecurityPolicy::permissive().with_wall_clock(Duration::from_secs(30))),
    ];
    for (name, policy) in policies {
        let sandbox = LazyCell::new(|| {
            let sandbox = numbers(policy.clone());
            check(&sandbox, "count", ROUNDS, &*expected);
            sandbox
        });
        group.bench_one(("tight_loop", name), |bench| {
            bench.blocking(|| {
                let sum: i64 = expect(sandbox.call_blocking("count", black_box(ROUNDS)));
                assert_eq!(sum, *expected);
            });
        });
    }

    // The same loop in plain Wasmer, with nothing that could stop it.
    let plain = LazyCell::new(|| {
        let plain = expect(PlainInstance::new(&texts::wasm(texts::NUMBERS)));
        let count: TypedFunction<i64, i64> = expect(plain.function("count"));
        RefCell::new((plain, count))
    });
    group.bench_one("floor", |bench| {
        let (plain, count) = &mut *plain.borrow_mut();
        bench.blocking(|| {
            assert_eq!(expect(count.call(plain.store(), black_box(ROUNDS))), *expected);
        });
    });

    let limited = LazyCell::new(|| numbers(SecurityPolicy::basic().with_wall_clock(DEADLINE)));
    group.bench_one(("stop_delay", "idle"), |bench| {
        bench.clocked_with_percentiles(|| stop_delay(&limited));
    });
    group.bench_one(("stop_delay", "loaded"), |bench| {
        // For as long as a sample takes, so that other benchmarks are left alone.
        let load = Load::on_every_core();
        bench.clocked_with_percentiles(|| stop_delay(&limited));
        drop(load);
    });
}

/// Measures how long after its deadline a loop without end comes to its end.
fn stop_delay(sandbox: &WasmSandbox) -> Duration {
    // Whoever was stopped is replaced before the next call, which is not what is measured.
    let () = expect(sandbox.call_blocking("nothing", ()));
    let start = Instant::now();
    let stopped: Result<(), SandboxError> = sandbox.call_blocking("spin", ());
    let elapsed = start.elapsed();
    assert!(matches!(stopped, Err(SandboxError::Timeout { .. })), "the loop ended otherwise");
    elapsed.saturating_sub(DEADLINE)
}

/// Threads that keep every core busy until this is dropped.
struct Load {
    threads: Vec<std::thread::JoinHandle<()>>,
}

static LOADED: AtomicBool = AtomicBool::new(false);

impl Load {
    fn on_every_core() -> Self {
        LOADED.store(true, Ordering::Relaxed);
        let busy = || {
            while LOADED.load(Ordering::Relaxed) {
                black_box(texts::count(black_box(1000)));
            }
        };
        Self { threads: (0..runtime::cores()).map(|_| std::thread::spawn(busy)).collect() }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        LOADED.store(false, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // Its loop cannot panic, and there is nothing to do about it here if it did.
            let _ = thread.join();
        }
    }
}
