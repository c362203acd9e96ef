//! The sandbox's side of the comparison with other engines, and plain Wasmer's.
//!
//! The other engines are in `benches/peers`; `cargo xtask bench-peers` runs both sides and puts them side by side. What
//! both must agree on is in the crate `peer_rows`.

mod wasmer;

use std::cell::{LazyCell, RefCell};
use std::hint::black_box;

use criterion::{Criterion, Throughput};
use peer_rows::{BATCH, Engine, GROUP, Row, guests};
use sandbox_bench::group::Group;
use sandbox_bench::guests::{Guest, check};
use sandbox_bench::suite::{self, expect};
use sandbox_bench::timing::Bench;
use sandbox_bench::{runtime, texts};
use sandbox_core::{
    Compiler, Function, InstanceMode, Module, SecurityPolicy, SigningKey, WasmSandbox,
};

const RECORD: Guest = Guest(guests::RECORD);
const PROGRAM: Guest = Guest(guests::PROGRAM);

/// Number of calls of a function before it is timed: until it is trusted, and instances lie ready.
const WARM_UP: usize = 100;

fn main() {
    suite::run(
        "comparison",
        &[fresh, warm, start, wasmer::fresh, wasmer::warm, wasmer::reactors],
        &[],
    );
}

/// A policy with limits, as users have it: the other engines run without any.
fn policy(mode: InstanceMode) -> SecurityPolicy {
    SecurityPolicy::basic().with_instances(mode)
}

/// The guest without imports.
fn touch(mode: InstanceMode) -> WasmSandbox {
    let builder = WasmSandbox::builder().source_bytes(texts::wasm(guests::TOUCH));
    expect(builder.security_policy(policy(mode)).build_blocking())
}

/// Makes a sandbox with `add` known to be quick.
fn adding(mode: InstanceMode) -> WasmSandbox {
    let sandbox = touch(mode);
    for _ in 0..WARM_UP {
        check(&sandbox, "add", (42i32, 24i32), &66i32);
    }
    sandbox
}

/// A function that writes to pages of instances of its own.
fn touching(function: &str) -> Function<(), i32> {
    let sandbox = touch(InstanceMode::Fresh);
    for _ in 0..WARM_UP {
        check(&sandbox, function, (), &0i32);
        // What one instance leaves behind must not be seen by the next, or there is nothing to measure.
        check(&sandbox, "dirty", (), &0i32);
    }
    expect(sandbox.function(function))
}

/// Calls that have an instance of their own.
fn fresh(criterion: &mut Criterion) {
    let mut group = Group::open(criterion, GROUP);
    for (row, function) in [(Row::FreshCall1Page, "touch_1"), (Row::FreshCall16Pages, "touch_16")] {
        let touching = LazyCell::new(|| touching(function));
        one(&mut group, row, |bench| {
            let touching = &*touching;
            bench.blocking(|| assert_eq!(expect(touching.call_blocking(())), 0));
        });
    }

    let reactor = LazyCell::new(|| {
        let sandbox = RECORD.sandbox(policy(InstanceMode::Fresh));
        for _ in 0..WARM_UP {
            check(&sandbox, "add", (42i32, 24i32), &66i32);
            let expected = record::serialise_record(guests::NUMBER);
            check(&sandbox, "serialise_record", guests::NUMBER, &expected);
        }
        sandbox
    });
    one(&mut group, Row::FreshReactorAdd, |bench| {
        let add: Function<(i32, i32), i32> = expect(reactor.function("add"));
        bench.blocking(|| assert_eq!(expect(add.call_blocking((black_box(42), 24))), 66));
    });
    one(&mut group, Row::FreshReactorRecord, |bench| {
        let serialise: Function<u32, u32> = expect(reactor.function("serialise_record"));
        let expected = record::serialise_record(guests::NUMBER);
        bench.blocking(|| {
            let checksum = expect(serialise.call_blocking(black_box(guests::NUMBER)));
            assert_eq!(checksum, expected);
        });
    });

    let pure = LazyCell::new(|| adding(InstanceMode::Fresh));
    one(&mut group, Row::FreshCallPure, |bench| {
        let add: Function<(i32, i32), i32> = expect(pure.function("add"));
        bench.blocking(|| assert_eq!(expect(add.call_blocking((black_box(42), 24))), 66));
    });

    let touching = LazyCell::new(|| touching("touch_1"));
    for (row, threads) in [(Row::FreshCallsOneCore, 1), (Row::FreshCallsAllCores, runtime::cores())]
    {
        group.bench(id(row, Engine::Sandbox), Throughput::Elements(threads as u64), |bench| {
            let touching = &*touching;
            bench.on_threads(threads, || assert_eq!(expect(touching.call_blocking(())), 0));
        });
    }
}

/// Calls of an instance that lives on.
fn warm(criterion: &mut Criterion) {
    let sandbox = LazyCell::new(|| adding(InstanceMode::Persistent));
    let add = LazyCell::new(|| expect(sandbox.function::<(i32, i32), i32>("add")));
    let mut group = Group::open(criterion, GROUP);

    one(&mut group, Row::WarmCallAsync, |bench| {
        let add = &*add;
        bench.awaiting(|| async { assert_eq!(expect(add.call((black_box(42), 24)).await), 66) });
    });
    one(&mut group, Row::WarmCallTyped, |bench| {
        let add = &*add;
        bench.blocking(|| assert_eq!(expect(add.call_blocking((black_box(42), 24))), 66));
    });
    // A sandbox of its own: others wait while there is a session.
    let held = LazyCell::new(|| {
        let sandbox = adding(InstanceMode::Persistent);
        let add = expect(sandbox.function::<(i32, i32), i32>("add"));
        (RefCell::new(expect(sandbox.session_blocking())), add)
    });
    one(&mut group, Row::WarmCallInSession, |bench| {
        let (session, add) = &*held;
        let session = &mut *session.borrow_mut();
        bench.blocking(|| {
            assert_eq!(expect(add.call_in_blocking(session, (black_box(42), 24))), 66);
        });
    });
    one(&mut group, Row::WarmCallByName, |bench| {
        let sandbox = &*sandbox;
        bench.blocking(|| {
            let sum: i32 = expect(sandbox.call_blocking("add", (black_box(42i32), 24i32)));
            assert_eq!(sum, 66);
        });
    });
    group.bench(id(Row::Batch, Engine::Sandbox), Throughput::Elements(BATCH as u64), |bench| {
        let sandbox = &*sandbox;
        bench.awaiting(|| async {
            let calls = (0i32..).take(BATCH).map(|number| (black_box(number), 24i32));
            let sums = expect(sandbox.call_batch("add", calls).await);
            for (number, sum) in (0i32..).zip(sums) {
                let sum: i32 = expect(sum);
                assert_eq!(sum, number + 24);
            }
        });
    });
}

/// From a file, or from WebAssembly, to the first answer.
fn start(criterion: &mut Criterion) {
    let policy = policy(InstanceMode::Fresh);
    let answer = medium_module::smoke_test();
    let mut group = Group::open(criterion, GROUP);

    let compiled = LazyCell::new(|| {
        let key = expect(SigningKey::generate());
        let folder = expect(tempfile::tempdir());
        let path = folder.path().join("program.sealed");
        let sealed = expect(Module::precompile(&expect(PROGRAM.wasm()), &policy, &key));
        expect(fs_err::write(&path, sealed));
        (path, key, folder)
    });
    one(&mut group, Row::LoadCompiled, |bench| {
        let (path, key, _) = &*compiled;
        bench.building(|| {
            let module = expect(Module::load_file(path, &policy, key));
            let sandbox = WasmSandbox::builder().module(&module).security_policy(policy.clone());
            first_call(expect(sandbox.build_blocking()), answer)
        });
    });

    // Singlepass, because the first answer is what is wanted: with `Tiering::Auto` Cranelift's code follows.
    let wasm = LazyCell::new(|| expect(PROGRAM.wasm()));
    group.slow();
    one(&mut group, Row::FirstCallUnseen, |bench| {
        let wasm = &*wasm;
        bench.building(|| {
            let sandbox = WasmSandbox::builder().source_bytes(black_box(wasm)).disable_cache();
            let sandbox = sandbox.compiler(Compiler::Singlepass).security_policy(policy.clone());
            first_call(expect(sandbox.build_blocking()), answer)
        });
    });
}

/// Hands the sandbox on, so that it is taken down when the timer has stopped.
fn first_call(sandbox: WasmSandbox, answer: u32) -> WasmSandbox {
    let answered: u32 = expect(sandbox.call_blocking("smoke_test", ()));
    assert_eq!(answered, answer);
    sandbox
}

fn one(group: &mut Group<'_>, row: Row, routine: impl FnMut(&mut Bench<'_, '_>)) {
    group.bench_one(id(row, Engine::Sandbox), routine);
}

fn id(row: Row, engine: Engine) -> (&'static str, &'static str) {
    (row.name(), engine.name())
}
