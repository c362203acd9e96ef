//! Rows that begin without native code in memory.

use std::hint::black_box;

use peer_harness::{Rows, expect, guest};
use peer_rows::{Row, guests};
use wasmtime::{Engine, Linker, Module};
use wasmtime_wasi::p1::WasiP1Ctx;

use crate::artifact;
use crate::fresh::{Ready, wasi, wasi_linker};
use crate::settings::Setting;

/// Measures all of them.
pub(crate) fn measure(rows: &mut Rows<'_>, setting: Setting) {
    let prepare = || {
        let (engine, linker) = engine(setting);
        let folder = expect(tempfile::tempdir());
        let path = folder.path().join("program.cwasm");
        let module = expect(Module::new(&engine, guest(guests::PROGRAM)));
        expect(std::fs::write(&path, expect(module.serialize())));
        (engine, linker, path, folder)
    };
    let answer = medium_module::smoke_test();
    rows.building(Row::LoadCompiled, prepare, |(engine, linker, path, _)| {
        let module = expect(artifact::map(engine, path));
        let ready = Ready::of(engine, linker, &module, "smoke_test");
        assert_eq!(ready.call::<(), u32>(wasi(), ()), answer);
        (module, ready)
    });
    first_call(rows, setting);
}

/// Measures the one that compiles. Nothing is cached, and all cores may compile.
pub(crate) fn first_call(rows: &mut Rows<'_>, setting: Setting) {
    let answer = medium_module::smoke_test();
    let prepare = || (engine(setting), guest(guests::PROGRAM));
    rows.slow();
    rows.building(Row::FirstCallUnseen, prepare, |((engine, linker), wasm)| {
        let module = expect(Module::new(engine, black_box(wasm)));
        let ready = Ready::of(engine, linker, &module, "smoke_test");
        assert_eq!(ready.call::<(), u32>(wasi(), ()), answer);
        (module, ready)
    });
}

/// Makes what a process has before it sees its first module.
fn engine(setting: Setting) -> (Engine, Linker<WasiP1Ctx>) {
    let engine = setting.start();
    let linker = wasi_linker(&engine);
    (engine, linker)
}
