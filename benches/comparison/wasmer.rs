//! The rows in Wasmer without the sandbox.
//!
//! It has no pool, so a fresh instance is a new store, a new instance and, for reactors, a new environment of WASIX. Its
//! async calls need functions that it has compiled for them, and to load native code it has to be trusted: both are
//! left out.

use std::cell::{LazyCell, RefCell};
use std::hint::black_box;

use criterion::{Criterion, Throughput};
use peer_rows::{BATCH, Engine, GROUP, Row, guests};
use sandbox_bench::group::Group;
use sandbox_bench::plain_wasmer::{PlainInstance, PlainModule, PlainReactor, TypedFunction};
use sandbox_bench::suite::expect;
use sandbox_bench::{runtime, texts};

use crate::{PROGRAM, RECORD, id};

type Add = TypedFunction<(i32, i32), i32>;

/// Calls that have an instance of their own.
pub(crate) fn fresh(criterion: &mut Criterion) {
    let module = LazyCell::new(|| {
        let module = expect(PlainModule::compile(&texts::wasm(guests::TOUCH)));
        assert_eq!([touch(&module, "touch_16"), touch(&module, "dirty")], [0, 0]);
        module
    });
    let mut group = Group::open(criterion, GROUP);
    for (row, function) in [(Row::FreshCall1Page, "touch_1"), (Row::FreshCall16Pages, "touch_16")] {
        group.bench_one(id(row, Engine::Wasmer), |bench| {
            let module = &*module;
            bench.blocking(|| assert_eq!(touch(module, function), 0));
        });
    }
    group.bench_one(id(Row::FreshCallPure, Engine::Wasmer), |bench| {
        let module = &*module;
        bench.blocking(|| {
            let (mut instance, add) = instance_and_add(module);
            assert_eq!(expect(add.call(instance.store(), black_box(42), 24)), 66);
        });
    });
    for (row, threads) in [(Row::FreshCallsOneCore, 1), (Row::FreshCallsAllCores, runtime::cores())]
    {
        let calls = Throughput::Elements(threads as u64);
        group.bench(id(row, Engine::Wasmer), calls, |bench| {
            let module = &*module;
            bench.on_threads(threads, || assert_eq!(touch(module, "touch_1"), 0));
        });
    }
}

/// Calls of WASI reactors, which have an instance of their own too, and the first of all.
pub(crate) fn reactors(criterion: &mut Criterion) {
    let module = LazyCell::new(|| expect(PlainReactor::compile(&expect(RECORD.wasm()))));
    let mut group = Group::open(criterion, GROUP);
    group.bench_one(id(Row::FreshReactorAdd, Engine::Wasmer), |bench| {
        let module = &*module;
        bench.blocking(|| {
            let mut instance = expect(module.instantiate());
            let add: Add = expect(instance.function("add"));
            assert_eq!(expect(add.call(instance.store(), black_box(42), 24)), 66);
        });
    });
    let expected = record::serialise_record(guests::NUMBER);
    group.bench_one(id(Row::FreshReactorRecord, Engine::Wasmer), |bench| {
        let module = &*module;
        bench.blocking(|| {
            let mut instance = expect(module.instantiate());
            let serialise: TypedFunction<u32, u32> = expect(instance.function("serialise_record"));
            let checksum = expect(serialise.call(instance.store(), black_box(guests::NUMBER)));
            assert_eq!(checksum, expected);
        });
    });
    let answer = medium_module::smoke_test();
    let wasm = LazyCell::new(|| expect(PROGRAM.wasm()));
    group.slow();
    group.bench_one(id(Row::FirstCallUnseen, Engine::Wasmer), |bench| {
        let wasm = &*wasm;
        bench.building(|| {
            let module = expect(PlainReactor::compile(black_box(wasm)));
            let mut instance = expect(module.instantiate());
            let run: TypedFunction<(), u32> = expect(instance.function("smoke_test"));
            assert_eq!(expect(run.call(instance.store())), answer);
            (module, instance)
        });
    });
}

/// Calls of an instance that lives on.
pub(crate) fn warm(criterion: &mut Criterion) {
    let warm = LazyCell::new(|| {
        let module = expect(PlainModule::compile(&texts::wasm(guests::TOUCH)));
        RefCell::new(instance_and_add(&module))
    });
    let mut group = Group::open(criterion, GROUP);
    for row in [Row::WarmCallTyped, Row::WarmCallInSession] {
        group.bench_one(id(row, Engine::Wasmer), |bench| {
            let (instance, add) = &mut *warm.borrow_mut();
            bench.blocking(|| {
                assert_eq!(expect(add.call(instance.store(), black_box(42), 24)), 66);
            });
        });
    }
    group.bench_one(id(Row::WarmCallByName, Engine::Wasmer), |bench| {
        let (instance, _) = &mut *warm.borrow_mut();
        bench.blocking(|| {
            let add: Add = expect(instance.function("add"));
            assert_eq!(expect(add.call(instance.store(), black_box(42), 24)), 66);
        });
    });
    let calls = Throughput::Elements(BATCH as u64);
    group.bench(id(Row::Batch, Engine::Wasmer), calls, |bench| {
        let (instance, add) = &mut *warm.borrow_mut();
        bench.blocking(|| {
            for number in (0i32..).take(BATCH) {
                let sum = expect(add.call(instance.store(), black_box(number), 24));
                assert_eq!(sum, number + 24);
            }
        });
    });
}

/// Calls a function of a new instance.
fn touch(module: &PlainModule, function: &str) -> i32 {
    let mut instance = expect(module.instantiate());
    let function: TypedFunction<(), i32> = expect(instance.function(function));
    expect(function.call(instance.store()))
}

fn instance_and_add(module: &PlainModule) -> (PlainInstance, Add) {
    let instance = expect(module.instantiate());
    let add = expect(instance.function("add"));
    (instance, add)
}
