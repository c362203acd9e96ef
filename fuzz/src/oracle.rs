//! Compares a module's calls in Cranelift's code, in Singlepass' and in an interpreter.

use std::time::Duration;

use arbitrary::Unstructured;
use sandbox_core::{
    Compiler, Compilers, InstanceMode, SandboxError, SecurityPolicy, Session, TrapCode, WasmSandbox,
};
use wasmi::{Engine, Instance, Linker, Store, Val};
use wasmparser::ValType;

use crate::generated::{self, Export, deterministic, exports};
use crate::numbers::{Number, Numbers};
use crate::well::assert_typed;

/// So much that a module which ends by itself never uses it up, and time is not what ends one.
const FUEL: u64 = 50_000_000;

/// Takes bytes, and panics if the promise is broken.
pub fn run(data: &[u8]) {
    let _ = scene(&mut Unstructured::new(data));
}

/// Bytes to begin with.
pub fn seeds() -> Vec<Vec<u8>> {
    generated::seeds()
}

/// Outcome of a call in one of the engines.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Returned(Numbers),
    Trapped(&'static str),
    /// A limit of the engine itself, which is another one in each.
    Exhausted,
}

/// Outcome of a call in compiled code.
struct Called {
    outcome: Outcome,
    fuel: Option<u64>,
}

fn policy() -> SecurityPolicy {
    SecurityPolicy::strict()
        .with_compilers(Compilers::Any)
        .with_instances(InstanceMode::Persistent)
        .with_wall_clock(Duration::from_secs(60))
        .with_memory_limit(64 << 20)
        .with_stack(1 << 20)
}

fn session(
    wasm: &[u8],
    compiler: Compiler,
    policy: SecurityPolicy,
) -> Result<Session, SandboxError> {
    let builder = WasmSandbox::builder().source_bytes(wasm).security_policy(policy);
    let sandbox = builder.compiler(compiler).disable_cache().build_blocking();
    sandbox.and_then(|sandbox| sandbox.session_blocking()).inspect_err(assert_typed)
}

fn scene(input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let is_metered = input.arbitrary()?;
    let calls: Vec<(u8, [u8; 24])> =
        (0..input.int_in_range(1..=6u8)?).map(|_| input.arbitrary()).collect::<Result<_, _>>()?;
    let Some(wasm) = generated::module(deterministic(), input) else { return Ok(()) };
    let exports = exports(&wasm);
    let policy = if is_metered { policy().with_fuel(FUEL) } else { policy() };
    let compiled = [Compiler::Cranelift, Compiler::Singlepass]
        .map(|compiler| session(&wasm, compiler, policy.clone()));
    let interpreted = Interpreter::new(&wasm);
    let (mut one, mut other, mut interpreted) = match (compiled, interpreted) {
        ([Ok(one), Ok(other)], Some(interpreted)) => (one, other, interpreted),
        // A segment that does not fit is refused by all.
        ([Err(_), Err(_)], None) => return Ok(()),
        ([one, other], interpreted) => panic!(
            "a module begins in one engine and not in another: Cranelift {:?}, Singlepass {:?}, wasmi {}",
            one.err(),
            other.err(),
            interpreted.is_some()
        ),
    };
    if exports.is_empty() {
        return Ok(());
    }
    for (function, bytes) in calls {
        let export = &exports[usize::from(function) % exports.len()];
        if !export.parameters.iter().chain(&export.results).all(is_number) {
            continue;
        }
        let mut bytes = Unstructured::new(&bytes);
        let numbers = export.parameters.iter().filter_map(|ty| generated::number(*ty, &mut bytes));
        let arguments = Numbers(numbers.collect());
        let [first, second] =
            [&mut one, &mut other].map(|session| call(session, export, &arguments));
        let third = interpreted.call(export, &arguments);
        let is_exhausted = [&first.outcome, &second.outcome, &third]
            .into_iter()
            .any(|one| *one == Outcome::Exhausted);
        if is_exhausted {
            return Ok(());
        }
        assert_eq!(
            first.outcome, second.outcome,
            "{}{arguments:?} in Cranelift and Singlepass",
            export.name
        );
        assert_eq!(first.outcome, third, "{}{arguments:?} in Cranelift and wasmi", export.name);
        assert_eq!(first.fuel, second.fuel, "fuel of {}{arguments:?}", export.name);
        if first.outcome != third || one.has_ended() || other.has_ended() {
            return Ok(());
        }
        assert!(one.memory() == other.memory(), "memory after {}{arguments:?}", export.name);
        if let Some(memory) = interpreted.memory() {
            assert!(one.memory() == memory, "memory after {}{arguments:?} in wasmi", export.name);
        }
    }
    Ok(())
}

fn is_number(ty: &ValType) -> bool {
    matches!(ty, ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64)
}

fn call(session: &mut Session, export: &Export, arguments: &Numbers) -> Called {
    let outcome = match session.call_blocking::<Numbers>(&export.name, arguments) {
        Ok(results) => Outcome::Returned(results),
        Err(SandboxError::Trap { code, .. }) => trapped(code),
        Err(error) => {
            assert_typed(&error);
            Outcome::Exhausted
        }
    };
    Called { outcome, fuel: session.usage().fuel.map(|fuel| fuel.0) }
}

fn trapped(code: TrapCode) -> Outcome {
    Outcome::Trapped(match code {
        TrapCode::MemoryOutOfBounds => "memory",
        TrapCode::TableOutOfBounds => "table",
        TrapCode::IndirectCallToNull => "null",
        TrapCode::BadSignature => "signature",
        TrapCode::IntegerOverflow => "overflow",
        TrapCode::IntegerDivisionByZero => "division",
        TrapCode::BadConversionToInteger => "conversion",
        TrapCode::Unreachable => "unreachable",
        TrapCode::StackOverflow => return Outcome::Exhausted,
        _ => "another",
    })
}

/// The module in wasmi.
struct Interpreter {
    store: Store<()>,
    instance: Instance,
}

impl Interpreter {
    fn new(wasm: &[u8]) -> Option<Self> {
        let engine = Engine::default();
        let module =
            wasmi::Module::new(&engine, wasm).expect("wasmi has the features of the generator");
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate_and_start(&mut store, &module).ok()?;
        Some(Self { store, instance })
    }

    fn call(&mut self, export: &Export, arguments: &Numbers) -> Outcome {
        let function = self.instance.get_func(&self.store, &export.name).expect("it is exported");
        let arguments: Vec<Val> = arguments.0.iter().map(|number| value(*number)).collect();
        let mut results = vec![Val::I32(0); export.results.len()];
        match function.call(&mut self.store, &arguments, &mut results) {
            Ok(()) => Outcome::Returned(Numbers(results.iter().map(number).collect())),
            Err(error) => {
                use wasmi::TrapCode as T;
                match error.as_trap_code() {
                    Some(T::UnreachableCodeReached) => Outcome::Trapped("unreachable"),
                    Some(T::MemoryOutOfBounds) => Outcome::Trapped("memory"),
                    Some(T::TableOutOfBounds) => Outcome::Trapped("table"),
                    Some(T::IndirectCallToNull) => Outcome::Trapped("null"),
                    Some(T::IntegerDivisionByZero) => Outcome::Trapped("division"),
                    Some(T::IntegerOverflow) => Outcome::Trapped("overflow"),
                    Some(T::BadConversionToInteger) => Outcome::Trapped("conversion"),
                    Some(T::BadSignature) => Outcome::Trapped("signature"),
                    _ => Outcome::Exhausted,
                }
            }
        }
    }

    /// Memory, if it is exported.
    fn memory(&self) -> Option<&[u8]> {
        let mut exports = self.instance.exports(&self.store);
        let memory = exports.find_map(|export| export.into_memory())?;
        Some(memory.data(&self.store))
    }
}

fn value(number: Number) -> Val {
    match number {
        Number::I32(number) => Val::I32(number),
        Number::I64(number) => Val::I64(number),
        Number::F32(bits) => Val::F32(wasmi::F32::from_bits(bits)),
        Number::F64(bits) => Val::F64(wasmi::F64::from_bits(bits)),
    }
}

fn number(value: &Val) -> Number {
    match value {
        Val::I32(number) => Number::I32(*number),
        Val::I64(number) => Number::I64(*number),
        Val::F32(number) => Number::F32(number.to_bits()),
        Val::F64(number) => Number::F64(number.to_bits()),
        other => unreachable!("only functions of numbers are called, and it returned {other:?}"),
    }
}
