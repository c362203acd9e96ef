//! Rows in which every call has an instance of its own.
//!
//! Imports are resolved beforehand (`InstancePre`), and so is the place of the export (`ModuleExport`).

use std::hint::black_box;

use peer_harness::{Rows, expect, guest, touch};
use peer_rows::{Row, guests};
use wasmtime::{Engine, InstancePre, Linker, Module, ModuleExport, Store, WasmParams, WasmResults};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::{self, WasiP1Ctx};

use crate::settings::Setting;

/// A module that is ready to be instantiated, for calls of one of its functions.
pub(crate) struct Ready<T: 'static> {
    pub(crate) engine: Engine,
    pub(crate) instance: InstancePre<T>,
    pub(crate) initialize: Option<ModuleExport>,
    pub(crate) export: ModuleExport,
}

/// Measures all of them.
pub(crate) fn measure(rows: &mut Rows<'_>, setting: Setting) {
    let touching = |function: &str| {
        let ready = plain(setting, function);
        // What one instance leaves behind must not be seen by the next, or there is nothing to measure.
        let dirty = plain(setting, "dirty");
        assert_eq!(plain(setting, "touch_16").call::<(), i32>((), ()), 0);
        assert_eq!(dirty.call::<(), i32>((), ()), 0);
        ready
    };
    rows.timed(
        Row::FreshCall1Page,
        || touching("touch_1"),
        |ready| {
            let earlier: i32 = ready.call((), ());
            assert_eq!(earlier, 0);
        },
    );
    rows.timed(
        Row::FreshCall16Pages,
        || touching("touch_16"),
        |ready| {
            let earlier: i32 = ready.call((), ());
            assert_eq!(earlier, 0);
        },
    );
    rows.timed(
        Row::FreshReactorAdd,
        || reactor(setting, "add"),
        |ready| {
            let sum: i32 = ready.call(wasi(), (black_box(42), 24));
            assert_eq!(sum, 66);
        },
    );
    let expected = record::serialise_record(guests::NUMBER);
    rows.timed(
        Row::FreshReactorRecord,
        || reactor(setting, "serialise_record"),
        |ready| {
            let checksum: u32 = ready.call(wasi(), black_box(guests::NUMBER));
            assert_eq!(checksum, expected);
        },
    );
    rows.timed(
        Row::FreshCallPure,
        || plain(setting, "add"),
        |ready| {
            let sum: i32 = ready.call((), (black_box(42), 24));
            assert_eq!(sum, 66);
        },
    );
    rows.on_cores(
        || touching("touch_1"),
        |ready| {
            let earlier: i32 = ready.call((), ());
            assert_eq!(earlier, 0);
        },
    );
}

/// The guest without imports.
fn plain(setting: Setting, function: &str) -> Ready<()> {
    let engine = setting.start();
    let module = expect(Module::new(&engine, touch()));
    Ready::of(&engine, &Linker::new(&engine), &module, function)
}

fn reactor(setting: Setting, function: &str) -> Ready<WasiP1Ctx> {
    let engine = setting.start();
    let module = expect(Module::new(&engine, guest(guests::RECORD)));
    Ready::of(&engine, &wasi_linker(&engine), &module, function)
}

/// All of WASI preview 1.
pub(crate) fn wasi_linker(engine: &Engine) -> Linker<WasiP1Ctx> {
    let mut linker = Linker::new(engine);
    expect(p1::add_to_linker_sync(&mut linker, |context| context));
    linker
}

/// An environment with nothing in it.
pub(crate) fn wasi() -> WasiP1Ctx {
    WasiCtxBuilder::new().build_p1()
}

impl<T: 'static> Ready<T> {
    pub(crate) fn of(engine: &Engine, linker: &Linker<T>, module: &Module, function: &str) -> Self {
        let export = module.get_export_index(function);
        Self {
            engine: engine.clone(),
            instance: expect(linker.instantiate_pre(module)),
            initialize: module.get_export_index("_initialize"),
            export: export.unwrap_or_else(|| panic!("the guest has no function {function}")),
        }
    }

    /// Makes an instance, calls its function, and lets go of it.
    #[inline]
    pub(crate) fn call<P: WasmParams, R: WasmResults>(&self, data: T, arguments: P) -> R {
        let mut store = Store::new(&self.engine, data);
        let instance = expect(self.instance.instantiate(&mut store));
        let mut function = |export| {
            let export = instance.get_module_export(&mut store, export);
            export.and_then(wasmtime::Extern::into_func)
        };
        let initialize = self.initialize.as_ref().and_then(&mut function);
        let function = function(&self.export).expect("the export is a function");
        if let Some(initialize) = initialize {
            let initialize = expect(initialize.typed::<(), ()>(&store));
            expect(initialize.call(&mut store, ()));
        }
        let function = expect(function.typed::<P, R>(&store));
        expect(function.call(&mut store, arguments))
    }
}
