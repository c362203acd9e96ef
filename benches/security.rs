//! Costs of a policy, of looking up every file under one, and of compiling what it lets pass.

use std::cell::LazyCell;
use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput};
use sandbox_bench::figures::Figure;
use sandbox_bench::group::Group;
use sandbox_bench::guests::{Guest, check};
use sandbox_bench::shapes::SHAPES;
use sandbox_bench::suite::{self, expect};
use sandbox_core::{Access, Compiler, InstanceMode, Module, SecurityPolicy, WasmSandbox};

const COMPUTATION: Guest = Guest("computation");
const CAPABILITY_HEAVY: Guest = Guest("capability_heavy");

/// Number of times that the guest multiplies matrices: some milliseconds.
const ROUNDS: u32 = 1000;

/// Number of files that are written, measured, read and removed.
const FILES: u32 = 100;

/// The seed's names for the presets.
const POLICIES: [(&str, SecurityPolicy); 4] = [
    ("none", SecurityPolicy::permissive()),
    ("basic", SecurityPolicy::basic()),
    ("strict", SecurityPolicy::strict()),
    ("paranoid", SecurityPolicy::paranoid()),
];

fn main() {
    let overhead = |name: &str| format!("security/security_overhead/{name}");
    let mut figures: Vec<Figure> =
        POLICIES.iter().map(|(name, _)| Figure::ratio(overhead(name), "security/floor")).collect();
    figures.push(Figure::ratio("security/capability_checks", "security/capability_checks_floor"));
    figures.push(Figure::ratio(
        "security/capability_checks_in_memory",
        "security/capability_checks_floor",
    ));
    // Twice as much of a shape should take little more than twice as long.
    for shape in SHAPES {
        let of = |count: u32| format!("compile_bounds/{}/{count}", shape.name);
        figures.push(Figure::ratio(of(shape.most), of(shape.most / 2)));
    }
    suite::run("security", &[policies, capability_checks, compile_bounds], &figures);
}

/// Does the same computation under four policies, in the parts that a policy can make dearer.
fn policies(criterion: &mut Criterion) {
    let expected = [0, ROUNDS].map(computation::compute_intensive);
    let mut group = Group::open(criterion, "security");

    for (name, policy) in &POLICIES {
        let sandbox = LazyCell::new(|| {
            let sandbox = COMPUTATION.sandbox(policy.clone());
            check(&sandbox, "compute_intensive", 0, &expected[0]);
            let usage = check(&sandbox, "compute_intensive", ROUNDS, &expected[1]);
            (sandbox, usage)
        });
        let build = |module: &Module| {
            let builder = WasmSandbox::builder().module(module).security_policy(policy.clone());
            expect(builder.build_blocking())
        };
        let compute = |sandbox: &WasmSandbox, rounds: u32, expected: u64| {
            let sum: u64 = expect(sandbox.call_blocking("compute_intensive", black_box(rounds)));
            assert_eq!(sum, expected);
        };

        // To run: the seed's name, for the phase that it is about. The sandbox is warm.
        group.bench_one(("security_overhead", name), |bench| {
            let (sandbox, usage) = &*sandbox;
            bench.uses(usage);
            bench.blocking(|| compute(sandbox, ROUNDS, expected[1]));
        });
        // To build, from a compiled module.
        group.bench_one(("build", name), |bench| bench.building(|| build(sandbox.0.module())));
        // To enter: a call that computes next to nothing. With fresh instances, each entry makes one.
        group.bench_one(("enter", name), |bench| {
            bench.blocking(|| compute(&sandbox.0, 0, expected[0]));
        });
        // What the seed timed: all of it, from a compiled module to the result.
        group.bench_one(("whole_path", name), |bench| {
            bench.blocking(|| compute(&build(sandbox.0.module()), ROUNDS, expected[1]));
        });
    }

    group.bench_one("floor", |bench| {
        bench.blocking(|| {
            assert_eq!(computation::compute_intensive(black_box(ROUNDS)), expected[1]);
        });
    });
}

/// Files in a folder of the host, each looked up beneath it; in the guest's own memory; and without a sandbox.
fn capability_checks(criterion: &mut Criterion) {
    let folder = LazyCell::new(|| expect(tempfile::tempdir()));
    let bytes = capability_heavy::expected_bytes(FILES);
    let sandbox =
        LazyCell::new(|| {
            let policy = SecurityPolicy::strict()
                .with_instances(InstanceMode::Persistent)
                .with_folder(folder.path(), capability_heavy::FOLDER, Access::ReadWrite);
            CAPABILITY_HEAVY.sandbox(policy)
        });
    let files = Throughput::Elements(u64::from(FILES));
    let mut group = Group::open(criterion, "security");

    for (name, function) in [
        ("capability_checks", "many_file_operations"),
        ("capability_checks_in_memory", "many_private_file_operations"),
    ] {
        let usage = LazyCell::new(|| check(&sandbox, function, FILES, &bytes));
        group.bench(name, files.clone(), |bench| {
            bench.uses(&usage);
            bench.blocking(|| {
                let read: u64 = expect(sandbox.call_blocking(function, black_box(FILES)));
                assert_eq!(read, bytes);
            });
        });
    }

    group.bench("capability_checks_floor", files, |bench| {
        let folder: &Path = folder.path();
        bench.blocking(|| {
            let read = capability_heavy::operations_in(folder, black_box(FILES));
            assert_eq!(read, Ok(bytes));
        });
    });
}

/// Compiling modules of one shape, of which there is ever more, up to what the narrowest policy lets pass.
fn compile_bounds(criterion: &mut Criterion) {
    let policy = SecurityPolicy::paranoid();
    let mut group = Group::open(criterion, "compile_bounds");
    group.slow();
    for shape in SHAPES {
        for count in [shape.most / 4, shape.most / 2, shape.most] {
            let wasm = LazyCell::new(|| shape.module(count));
            group.bench((shape.name, count), Throughput::Elements(count.into()), |bench| {
                bench.moves(wasm.len(), 0);
                bench.building(|| {
                    let module = expect(Module::compile(black_box(&wasm), &policy));
                    assert_eq!(module.compiler(), Compiler::Cranelift);
                    module
                });
            });
        }
    }
}
