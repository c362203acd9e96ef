//! The rows in wasmi, which interprets.
//!
//! It has no native code to load and no async calls, so those rows are left out. Run by `cargo xtask bench-peers`; takes
//! Criterion's command line.

use std::hint::black_box;

use peer_harness::{Rows, expect, guest, run, touch};
use peer_rows::{BATCH, Engine as Peer, Row, guests};
use wasmi::{Engine, Instance, Linker, Module, Store, TypedFunc, WasmParams, WasmResults};
use wasmi_wasi::{WasiCtx, WasiCtxBuilder};

type Add = TypedFunc<(i32, i32), i32>;

fn main() {
    run(|criterion| {
        let mut rows = Rows::of(Peer::Wasmi, criterion);
        fresh(&mut rows);
        warm(&mut rows);
        first_call(&mut rows);
    });
}

/// A module that is ready to be instantiated, for calls of one of its functions.
struct Ready<T: 'static> {
    linker: Linker<T>,
    module: Module,
    function: &'static str,
}

fn fresh(rows: &mut Rows<'_>) {
    let touching = |function| {
        assert_eq!(plain("touch_16").call::<(), i32>((), ()), 0);
        assert_eq!(plain("dirty").call::<(), i32>((), ()), 0);
        plain(function)
    };
    for (row, function) in [(Row::FreshCall1Page, "touch_1"), (Row::FreshCall16Pages, "touch_16")] {
        rows.timed(
            row,
            || touching(function),
            |ready| assert_eq!(ready.call::<(), i32>((), ()), 0),
        );
    }
    rows.timed(
        Row::FreshReactorAdd,
        || reactor("add"),
        |ready| {
            let sum: i32 = ready.call(wasi(), (black_box(42), 24));
            assert_eq!(sum, 66);
        },
    );
    let expected = record::serialise_record(guests::NUMBER);
    rows.timed(
        Row::FreshReactorRecord,
        || reactor("serialise_record"),
        |ready| {
            let checksum: u32 = ready.call(wasi(), black_box(guests::NUMBER));
            assert_eq!(checksum, expected);
        },
    );
    rows.timed(
        Row::FreshCallPure,
        || plain("add"),
        |ready| {
            let sum: i32 = ready.call((), (black_box(42), 24));
            assert_eq!(sum, 66);
        },
    );
    rows.on_cores(|| touching("touch_1"), |ready| assert_eq!(ready.call::<(), i32>((), ()), 0));
}

fn warm(rows: &mut Rows<'_>) {
    let warm = || {
        let Ready { linker, module, function } = plain("add");
        let mut store = Store::new(linker.engine(), ());
        let instance = expect(linker.instantiate_and_start(&mut store, &module));
        let add: Add = expect(instance.get_typed_func(&store, function));
        (store, instance, add)
    };
    type Warm = (Store<()>, Instance, Add);
    for row in [Row::WarmCallTyped, Row::WarmCallInSession] {
        rows.timed(row, warm, |(store, _, add): &mut Warm| {
            assert_eq!(expect(add.call(store, (black_box(42), 24))), 66);
        });
    }
    rows.timed(Row::WarmCallByName, warm, |(store, instance, _): &mut Warm| {
        let add: Add = expect(instance.get_typed_func(&*store, "add"));
        assert_eq!(expect(add.call(store, (black_box(42), 24))), 66);
    });
    rows.batch(warm, |(store, _, add): &mut Warm| {
        for number in (0i32..).take(BATCH) {
            let sum = expect(add.call(&mut *store, (black_box(number), 24)));
            assert_eq!(sum, number + 24);
        }
    });
}

/// From WebAssembly to the first answer: only the functions that are called are translated, as it comes.
fn first_call(rows: &mut Rows<'_>) {
    let answer = medium_module::smoke_test();
    let prepare = || (wasi_linker(), guest(guests::PROGRAM));
    rows.slow();
    rows.building(Row::FirstCallUnseen, prepare, |(linker, wasm)| {
        let module = expect(Module::new(linker.engine(), black_box(wasm)));
        let ready = Ready { linker: linker.clone(), module, function: "smoke_test" };
        assert_eq!(ready.call::<(), u32>(wasi(), ()), answer);
        ready
    });
}

/// The guest without imports.
fn plain(function: &'static str) -> Ready<()> {
    let engine = Engine::default();
    let module = expect(Module::new(&engine, touch()));
    Ready { linker: Linker::new(&engine), module, function }
}

fn reactor(function: &'static str) -> Ready<WasiCtx> {
    let linker = wasi_linker();
    let module = expect(Module::new(linker.engine(), guest(guests::RECORD)));
    Ready { linker, module, function }
}

/// All of WASI preview 1.
fn wasi_linker() -> Linker<WasiCtx> {
    let mut linker = Linker::new(&Engine::default());
    expect(wasmi_wasi::add_to_linker(&mut linker, |context: &mut WasiCtx| context));
    linker
}

/// An environment with nothing in it.
fn wasi() -> WasiCtx {
    WasiCtxBuilder::new().build()
}

impl<T: 'static> Ready<T> {
    /// Makes an instance, calls its function, and lets go of it.
    fn call<P: WasmParams, R: WasmResults>(&self, data: T, arguments: P) -> R {
        let mut store = Store::new(self.linker.engine(), data);
        let instance = expect(self.linker.instantiate_and_start(&mut store, &self.module));
        if let Ok(initialize) = instance.get_typed_func::<(), ()>(&store, "_initialize") {
            expect(initialize.call(&mut store, ()));
        }
        let function = expect(instance.get_typed_func::<P, R>(&store, self.function));
        expect(function.call(&mut store, arguments))
    }
}
