//! Instances that were reset, beside new ones.

use std::time::Duration;

use arbitrary::Unstructured;
use sandbox_core::{
    Clock, Compiler, InstanceMode, Module, Randomness, SandboxError, SecurityPolicy, Session,
    WasmSandbox,
};

use crate::generated::{self, Export, deterministic, exports};
use crate::numbers::{Number, Numbers};
use crate::wasi_guest::{self, Deed};
use crate::well::assert_typed;

/// Takes bytes, and panics if the promise is broken.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let _ = if input.arbitrary().unwrap_or(false) {
        of_generated(&mut input)
    } else {
        of_wasi(&mut input)
    };
}

/// Bytes to begin with.
pub fn seeds() -> Vec<Vec<u8>> {
    generated::seeds()
}

fn policy() -> SecurityPolicy {
    SecurityPolicy::strict()
        .with_instances(InstanceMode::Fresh)
        .with_wall_clock(Duration::from_secs(20))
        .with_clock(Clock::CoarseMonotonic)
        .with_randomness(Randomness::Seeded(7))
        .with_fuel(2_000_000)
}

fn sandbox(module: &Module) -> Option<WasmSandbox> {
    match WasmSandbox::builder().module(module).build_blocking() {
        Ok(sandbox) => Some(sandbox),
        Err(error) => {
            assert_typed(&error);
            None
        }
    }
}

/// Outcome of a call, and memory after it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    result: Result<Numbers, String>,
    fuel: Option<u64>,
    memory: Option<Vec<u8>>,
}

fn see(session: &mut Session, export: &Export, arguments: &Numbers) -> Seen {
    let result = session.call_blocking::<Numbers>(&export.name, arguments).map_err(|error| {
        assert_typed(&error);
        error.kind().to_string()
    });
    let fuel = session.usage().fuel.map(|fuel| fuel.0);
    let memory = (!session.has_ended()).then(|| session.memory().to_vec());
    Seen { result, fuel, memory }
}

fn of_generated(input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let compiler = if input.arbitrary()? { Compiler::Cranelift } else { Compiler::Singlepass };
    let sessions: Vec<Vec<(u8, [u8; 16])>> = (0..input.int_in_range(2..=5u8)?)
        .map(|_| (0..input.int_in_range(1..=4u8)?).map(|_| input.arbitrary()).collect())
        .collect::<Result<_, _>>()?;
    let Some(wasm) = generated::module(deterministic(), input) else { return Ok(()) };
    let exports = exports(&wasm);
    let module = match Module::compile_with(&wasm, &policy(), compiler) {
        Ok(module) => module,
        Err(error) => {
            assert_typed(&error);
            return Ok(());
        }
    };
    let (Some(used), false) = (sandbox(&module), exports.is_empty()) else { return Ok(()) };
    for calls in sessions {
        let new = sandbox(&module).expect("it could be made before");
        let (mut one, mut other) = match (used.session_blocking(), new.session_blocking()) {
            (Ok(one), Ok(other)) => (one, other),
            (one, other) => {
                assert_eq!(one.err().map(kind), other.err().map(kind));
                return Ok(());
            }
        };
        for (function, bytes) in calls {
            let export = &exports[usize::from(function) % exports.len()];
            let mut bytes = Unstructured::new(&bytes);
            let numbers =
                export.parameters.iter().filter_map(|ty| generated::number(*ty, &mut bytes));
            let arguments = Numbers(numbers.collect());
            let seen = [&mut one, &mut other].map(|session| see(session, export, &arguments));
            assert_eq!(seen[0], seen[1], "{} of an instance that was reset", export.name);
            if one.has_ended() {
                break;
            }
        }
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "it is mapped over")]
fn kind(error: SandboxError) -> String {
    error.kind().to_string()
}

/// Sequences of operations of WASI: descriptors and files have to be put back too.
fn of_wasi(input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let policy = policy();
    let used = wasi_guest::sandbox(policy.clone());
    for _ in 0..input.int_in_range(2..=4u8)? {
        let deeds: Vec<Deed> = (0..input.int_in_range(1..=12u8)?)
            .map(|_| Deed::arbitrary(input))
            .collect::<Result<_, _>>()?;
        let new = wasi_guest::sandbox(policy.clone());
        let outcomes = [&used, &new].map(|sandbox| {
            let mut session = sandbox.session_blocking().expect("the guest starts");
            let outcomes: Vec<_> =
                deeds.iter().map(|deed| wasi_guest::perform(&mut session, deed)).collect();
            let files: Vec<_> = session.files().map(|files| files.list()).unwrap_or_default();
            (outcomes, files)
        });
        assert_eq!(outcomes[0], outcomes[1], "{deeds:?}");
    }
    Ok(())
}
