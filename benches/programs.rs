//! Real programs: how much slower they are in the sandbox than without it.
//!
//! Each is a WASI command that knows nothing of the sandbox, reads its standard input and writes its standard
//! output. The same crate, called in this process, is what it is compared with.

use std::cell::LazyCell;
use std::error::Error;
use std::hint::black_box;

use criterion::Criterion;
use sandbox_bench::figures::Figure;
use sandbox_bench::group::Group;
use sandbox_bench::guests::Guest;
use sandbox_bench::inputs;
use sandbox_bench::suite::{self, expect};
use sandbox_core::{RunRequest, SecurityPolicy, WasmSandbox};

const MIB: usize = 1024 * 1024;

/// Function that every program's crate offers: from standard input to standard output.
type Native = fn(&[u8]) -> Result<Vec<u8>, Box<dyn Error>>;

/// A program, and something for it to do.
struct Program {
    /// The guest's name, and that of the crate.
    name: &'static str,
    native: Native,
    input: fn() -> Vec<u8>,
    /// By how much a byte of the output may differ: the sines of two systems' libraries differ in their last bits.
    tolerance: u8,
}

const PROGRAMS: [Program; 7] = [
    Program { name: "deflate", native: deflate::run, input: || orders_as_json(700), tolerance: 0 },
    Program {
        name: "markdown",
        native: markdown::run,
        input: || inputs::handbook(MIB / 2).into_bytes(),
        tolerance: 0,
    },
    Program {
        name: "log_search",
        native: log_search::run,
        input: || inputs::access_log(2000).into_bytes(),
        tolerance: 0,
    },
    Program {
        name: "json_query",
        native: json_query::run,
        input: || orders_as_json(1000),
        tolerance: 0,
    },
    Program { name: "sha256", native: sha256::run, input: || inputs::bytes(2 * MIB), tolerance: 0 },
    Program {
        name: "thumbnail",
        native: thumbnail::run,
        input: || thumbnail::example(512),
        tolerance: 1,
    },
    Program {
        name: "templates",
        native: templates::run,
        input: || orders_as_json(200),
        tolerance: 0,
    },
];

fn main() {
    let figures = PROGRAMS.map(|Program { name, .. }| {
        Figure::ratio(format!("programs/{name}/sandbox"), format!("programs/{name}/native"))
    });
    suite::run("programs", &[programs], &figures);
}

fn policy() -> SecurityPolicy {
    SecurityPolicy::basic().with_output_limit(16 * MIB as u64)
}

/// A run from `_start` to the exit code, in an instance of its own; the module is compiled already.
fn programs(criterion: &mut Criterion) {
    let mut group = Group::open(criterion, "programs");
    for Program { name, native, input, tolerance } in PROGRAMS {
        let input = LazyCell::new(input);
        let native = |input: &[u8]| match native(input) {
            Ok(output) => output,
            Err(error) => panic!("{name} failed natively: {error}"),
        };
        let expected = LazyCell::new(|| native(&input));
        let sandbox = LazyCell::new(|| {
            let sandbox = Guest(name).sandbox(policy());
            let output = expect(sandbox.run_blocking(request(&input)));
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.exit_code, 0, "{name} failed: {said}");
            let close = |(one, other): (&u8, &u8)| one.abs_diff(*other) <= tolerance;
            let same = output.stdout.len() == expected.len()
                && output.stdout.iter().zip(&*expected).all(close);
            assert!(same, "{name} wrote something else than natively");
            sandbox
        });
        group.bench_one((name, "sandbox"), |bench| {
            bench.moves(input.len(), expected.len());
            bench.prepared(|| request(&input), |request| run(&sandbox, request, expected.len()));
        });
        group.bench_one((name, "native"), |bench| {
            bench.building(|| {
                let output = native(black_box(&input));
                assert_eq!(output.len(), expected.len());
                output
            });
        });
    }

    // A program that has next to nothing to do: what starting one costs, which is in all of the above.
    let idle = LazyCell::new(|| Guest("wasi_command").sandbox(policy()));
    group.bench_one("floor", |bench| {
        bench.prepared(RunRequest::new, |request| run(&idle, request, 0));
    });
}

fn request(input: &[u8]) -> RunRequest {
    RunRequest::new().stdin(input)
}

fn run(sandbox: &WasmSandbox, request: RunRequest, bytes_out: usize) -> Vec<u8> {
    let output = expect(sandbox.run_blocking(request));
    assert_eq!((output.exit_code, output.stdout.len()), (0, bytes_out));
    output.stdout
}

fn orders_as_json(count: u64) -> Vec<u8> {
    expect(serde_json::to_vec(&inputs::orders(count)))
}
