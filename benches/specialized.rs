//! Cold starts, and guests that allocate without end.

use std::cell::{LazyCell, RefCell};
use std::ffi::OsStr;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use sandbox_bench::figures::Figure;
use sandbox_bench::group::Group;
use sandbox_bench::guests::{Guest, check};
use sandbox_bench::runtime;
use sandbox_bench::suite::{self, expect};
use sandbox_core::{
    Compiler, InstanceMode, Module, ModuleOrigin, SecurityPolicy, SigningKey, WasmSandbox,
};

const MIB: u64 = 1024 * 1024;

const TYPICAL_APP: Guest = Guest("typical_app");
const GC_HEAVY: Guest = Guest("gc_heavy");

/// Number of trees of objects that the guest makes.
const OBJECTS: u32 = 10_000;

/// Size that has to be loaded for the module cache in memory to have room for nothing else.
const WHOLE_MEMORY_CACHE: usize = 64 * 1024 * 1024;

/// Variable that has this program make the first call of its process and nothing else. It names a file of native code.
const FIRST_CALL: &str = "SANDBOX_BENCH_FIRST_CALL";

fn main() {
    if let Some(path) = std::env::var_os(FIRST_CALL) {
        print!("{}", first_call_here(path.as_ref()).as_nanos());
        return;
    }
    let figures = [
        Figure::ratio("cold_start/compile_from_scratch", "cold_start/compile_with_cache"),
        Figure::ratio("garbage_collection/gc_pressure", "garbage_collection/floor"),
    ];
    suite::run("specialized", &[cold_start, garbage_collection], &figures);
}

/// From a module to a sandbox that answers: phase by phase, and the whole way.
fn cold_start(criterion: &mut Criterion) {
    let policy = SecurityPolicy::basic();
    let wasm = LazyCell::new(|| expect(TYPICAL_APP.wasm()));
    let answer = typical_app::smoke_test();
    let bytes = Throughput::Bytes(TYPICAL_APP.size_bytes());
    let builder = || WasmSandbox::builder().security_policy(policy.clone());
    let mut group = Group::open(criterion, "cold_start");

    for (name, compiler) in [
        ("compile_from_scratch", Compiler::Cranelift),
        ("compile_with_singlepass", Compiler::Singlepass),
    ] {
        group.bench(name, bytes.clone(), |bench| {
            bench.building(|| expect(Module::compile_with(black_box(&wasm), &policy, compiler)));
        });
    }

    let sealed = LazyCell::new(|| {
        let key = expect(SigningKey::generate());
        (expect(Module::precompile(&wasm, &policy, &key)), key)
    });
    group.bench("load_precompiled", bytes.clone(), |bench| {
        let (sealed, key) = &*sealed;
        bench.building(|| expect(Module::load(black_box(sealed), &policy, key)));
    });

    let warm = LazyCell::new(|| {
        let sandbox = expect(builder().source_bytes(&*wasm).build_blocking());
        check(&sandbox, "smoke_test", (), &answer);
        sandbox
    });
    group.bench_one("instantiate", |bench| {
        bench.building(|| expect(builder().module(warm.module()).build_blocking()));
    });

    // The way of a second sandbox in a process: the module is in memory, and only an instance is made.
    group.bench_one("compile_with_memory_cache", |bench| {
        bench.building(|| {
            let sandbox = expect(builder().source_bytes(&*wasm).build_blocking());
            assert_eq!(sandbox.module().origin(), ModuleOrigin::MemoryCache);
            sandbox
        });
    });

    // The whole way from a file to the first answer, with nothing kept anywhere.
    let path = TYPICAL_APP.path();
    group.bench_one("first_call", |bench| {
        bench.blocking(|| {
            let sandbox = builder().source(&path).disable_cache().build_blocking();
            let answered: u32 = expect(expect(sandbox).call_blocking("smoke_test", ()));
            assert_eq!(answered, answer);
        });
    });
    group.bench_one("first_call_with_memory_cache", |bench| {
        bench.blocking(|| {
            let sandbox = builder().source(&path).build_blocking();
            let answered: u32 = expect(expect(sandbox).call_blocking("smoke_test", ()));
            assert_eq!(answered, answer);
        });
    });

    let file = LazyCell::new(|| {
        let file = expect(tempfile::NamedTempFile::new());
        expect(fs_err::write(file.path(), expect(Module::precompile(&wasm, &policy, &key()))));
        file
    });
    group.bench_one("first_call_of_process", |bench| {
        let file = &*file;
        bench.clocked(|| first_call_of_another(file.path().as_os_str()));
    });

    // Reading the file, which nobody can do without.
    group.bench("floor", bytes, |bench| bench.blocking(|| expect(fs_err::read(&path))));

    with_disk_cache(&mut group, &wasm);
}

/// A key that two processes have.
fn key() -> SigningKey {
    SigningKey::from_bytes([7; SigningKey::LENGTH_BYTES])
}

/// Has another process load native code from a file and call it, before it has done anything else with the sandbox. Returns how
/// long that took there.
fn first_call_of_another(path: &OsStr) -> Duration {
    let program = expect(std::env::current_exe());
    let output = expect(Command::new(program).env(FIRST_CALL, path).output());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Duration::from_nanos(expect(said.parse()))
}

/// Does that in this process, which has a runtime with its threads already, as services have.
fn first_call_here(path: &Path) -> Duration {
    let policy = SecurityPolicy::basic();
    runtime::shared();
    let start = Instant::now();
    let module = expect(Module::load_file(path, &policy, &key()));
    let sandbox = expect(WasmSandbox::builder().module(&module).build_blocking());
    let answered: u32 = expect(sandbox.call_blocking("smoke_test", ()));
    let elapsed = start.elapsed();
    assert_eq!(answered, typical_app::smoke_test());
    elapsed
}

/// The way of a second process: the module comes from the cache folder, and an instance is made of it.
///
/// This process also has it in memory, so that another module has to push it out first, which is not timed.
fn with_disk_cache(group: &mut Group<'_>, wasm: &LazyCell<Vec<u8>, impl FnOnce() -> Vec<u8>>) {
    let folder = LazyCell::new(|| expect(tempfile::tempdir()));
    let builder = || WasmSandbox::builder().cache_dir(folder.path());
    let displacing = RefCell::new(LazyCell::new(|| {
        expect(builder().source_bytes(&**wasm).build_blocking());
        padded_module(WHOLE_MEMORY_CACHE - wasm.len() / 2)
    }));
    group.slow();
    group.bench_one("compile_with_cache", |bench| {
        let displacing = displacing.borrow();
        bench.prepared(
            || {
                let policy = SecurityPolicy::permissive();
                let module = WasmSandbox::builder().source_bytes(&**displacing);
                expect(module.security_policy(policy).build_blocking());
            },
            |()| {
                let sandbox = expect(builder().source_bytes(&**wasm).build_blocking());
                assert_eq!(sandbox.module().origin(), ModuleOrigin::DiskCache);
                sandbox
            },
        );
    });
}

/// A module of that many bytes, nearly all of them in a custom section, which nobody reads.
fn padded_module(bytes: usize) -> Vec<u8> {
    const NAME: &[u8] = b"\x07padding";
    let mut module = b"\0asm\x01\0\0\0\0".to_vec();
    let section = bytes - module.len() - 5;
    // The section's length, in five groups of seven bits.
    for group in 0..5 {
        let [low, ..] = (section >> (7 * group)).to_le_bytes();
        module.push(low & 0x7f | if group < 4 { 0x80 } else { 0 });
    }
    module.extend(NAME);
    module.resize(bytes, 0);
    module
}

/// Objects that are made and freed: on an instance whose memory has its size already, and on new ones.
fn garbage_collection(criterion: &mut Criterion) {
    let policy = SecurityPolicy::basic().with_memory_limit(64 * MIB);
    let expected = LazyCell::new(|| gc_heavy::expected(OBJECTS));
    let objects = Throughput::Elements(u64::from(OBJECTS));
    let mut group = Group::open(criterion, "garbage_collection");

    for (name, mode) in
        [("gc_pressure", InstanceMode::Persistent), ("gc_pressure_fresh", InstanceMode::Fresh)]
    {
        let checked = LazyCell::new(|| {
            let sandbox = GC_HEAVY.sandbox(policy.clone().with_instances(mode));
            let usage = check(&sandbox, "allocation_pressure", OBJECTS, &*expected);
            (sandbox, usage)
        });
        group.bench(name, objects.clone(), |bench| {
            let (sandbox, usage) = &*checked;
            bench.uses(usage);
            bench.blocking(|| {
                let call = sandbox.call_blocking("allocation_pressure", black_box(OBJECTS));
                assert_eq!(expect::<u64, _>(call), *expected);
            });
        });
    }

    // The same program with the host's allocator.
    group.bench("floor", objects, |bench| {
        bench.blocking(|| {
            assert_eq!(gc_heavy::allocation_pressure(black_box(OBJECTS)), *expected);
        });
    });
}
