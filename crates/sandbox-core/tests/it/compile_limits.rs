//! Modules that would have compilers and the host work for long, under every policy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use sandbox_core::{
    CompileLimits, CompileMeasure, Compiler, InstanceMode, Module, SandboxError, SecurityPolicy,
    SigningKey, Tiering, WasmSandbox,
};

use crate::{modules, outsized};

/// The policies, by their names.
pub(crate) const PRESETS: [(&str, SecurityPolicy); 4] = [
    ("permissive", SecurityPolicy::permissive()),
    ("basic", SecurityPolicy::basic()),
    ("strict", SecurityPolicy::strict()),
    ("paranoid", SecurityPolicy::paranoid()),
];

/// A policy with a limit of its own for that, that many.
fn limited(measure: CompileMeasure, limit: u32) -> SecurityPolicy {
    let mut limits = CompileLimits::permissive();
    *match measure {
        CompileMeasure::FunctionBytes => &mut limits.function_bytes,
        CompileMeasure::FunctionLocals => &mut limits.function_locals,
        CompileMeasure::FunctionBlocks => &mut limits.function_blocks,
        CompileMeasure::BranchTargets => &mut limits.branch_targets,
        CompileMeasure::Nesting => &mut limits.nesting,
        CompileMeasure::Phis => &mut limits.phis,
        CompileMeasure::Locals => &mut limits.locals,
        CompileMeasure::MovedValues => &mut limits.moved_values,
        CompileMeasure::Types => &mut limits.types,
        CompileMeasure::Imports => &mut limits.imports,
        CompileMeasure::Functions => &mut limits.functions,
        CompileMeasure::Tables => &mut limits.tables,
        CompileMeasure::Globals => &mut limits.globals,
        CompileMeasure::Exports => &mut limits.exports,
        CompileMeasure::Elements => &mut limits.elements,
        CompileMeasure::DataSegments => &mut limits.data_segments,
        CompileMeasure::CustomSections => &mut limits.custom_sections,
        other => panic!("{other} is not limited"),
    } = limit;
    SecurityPolicy::permissive().with_compile_limits(limits)
}

#[test]
fn what_is_over_a_limit_is_refused_by_name_under_every_policy() {
    for (name, policy) in PRESETS {
        // The size of the module is another limit.
        let policy = policy.with_module_limit(u64::MAX);
        for &measure in CompileMeasure::ALL {
            let limit = policy.compile_limits.of(measure);
            if limit == u32::MAX || measure == CompileMeasure::Phis {
                continue;
            }
            let wasm = outsized::module(measure, limit + 1);
            let error = Module::compile_with(&wasm, &policy, Compiler::Singlepass).unwrap_err();
            let SandboxError::CompileLimit { measure: named, found, limit: said, function, .. } =
                error
            else {
                panic!("{name}, {measure}: {error}")
            };
            assert_eq!((named, said), (measure, limit), "{name}");
            assert!(found > u64::from(limit), "{name}, {measure}: {found}");
            assert!(function.is_none_or(|index| index == 0), "{name}, {measure}: {function:?}");
        }
    }
}

#[test]
fn as_much_as_the_limit_is_compiled_and_one_more_is_not() {
    for &measure in CompileMeasure::ALL {
        // Large enough that what a module needs besides is not over it. More tables are not valid.
        let limit = if measure == CompileMeasure::Tables { 100 } else { 4_000 };
        let wasm = outsized::module(measure, limit);
        let found = match Module::compile_with(&wasm, &limited(measure, 0), Compiler::Singlepass) {
            Err(SandboxError::CompileLimit { found, .. }) => u32::try_from(found).unwrap(),
            _ => limit,
        };
        assert!(found >= limit && found <= 2 * limit, "{measure}: {found}");
        let compile =
            |limit| Module::compile_with(&wasm, &limited(measure, limit), Compiler::Singlepass);
        compile(found).unwrap_or_else(|error| panic!("{measure}: {error}"));
        if measure != CompileMeasure::Phis {
            let error = compile(found - 1).unwrap_err();
            assert!(matches!(error, SandboxError::CompileLimit { .. }), "{measure}: {error}");
        }
    }
}

#[test]
fn too_many_phis_are_left_to_the_compiler_that_merges_none() {
    for (name, policy) in PRESETS {
        let limit = policy.compile_limits.phis;
        let wasm = outsized::module(CompileMeasure::Phis, limit + 1);
        let module = Module::compile(&wasm, &policy).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(module.compiler(), Compiler::Singlepass, "{name}");
        let sandbox = WasmSandbox::builder().module(&module).security_policy(policy);
        sandbox.build_blocking().unwrap().call_blocking::<()>("run", ()).unwrap();
    }
    let few = outsized::module(CompileMeasure::Phis, 1_000);
    let module = Module::compile(&few, &SecurityPolicy::paranoid()).unwrap();
    assert_eq!(module.compiler(), Compiler::Cranelift);
}

#[test]
fn too_many_phis_in_a_module_that_needs_an_optimising_compiler_are_refused() {
    // Vectors, which Singlepass does not know.
    let sets = "(local.set 0 (i32.const 1)) (local.set 1 (i32.const 1))".repeat(3);
    let block = format!("(block {sets} (br_if 0 (local.get 0)))").repeat(10);
    let text =
        format!("(module (func (local i32 i32) {block} (drop (i32x4.splat (i32.const 1)))))");
    let wasm = modules::wasm(&text);
    assert!(Module::compile(&wasm, &limited(CompileMeasure::Phis, 20)).is_ok());
    let error = Module::compile(&wasm, &limited(CompileMeasure::Phis, 19)).unwrap_err();
    assert!(
        matches!(
            error,
            SandboxError::CompileLimit {
                measure: CompileMeasure::Phis,
                found: 20,
                limit: 19,
                function: None,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_module_with_too_many_phis_has_no_second_tier() {
    let wasm = outsized::nested(20, 30);
    let builder = WasmSandbox::builder().source_bytes(&wasm).tiering(Tiering::Auto);
    let policy = limited(CompileMeasure::Phis, 100).with_instances(InstanceMode::Fresh);
    let sandbox = builder.security_policy(policy).build().await.unwrap();
    assert_eq!(sandbox.module().compiler(), Compiler::Singlepass);
    assert_eq!(sandbox.optimised().await.compiler(), Compiler::Singlepass);
}

#[test]
fn it_does_not_matter_where_an_outsized_module_comes_from() {
    let wasm = outsized::module(CompileMeasure::Exports, 300);
    let lax = limited(CompileMeasure::Exports, 300);
    let strict = limited(CompileMeasure::Exports, 299);
    let folder = tempfile::tempdir().unwrap();
    let build = |policy: &SecurityPolicy| {
        let builder = WasmSandbox::builder().source_bytes(&wasm).security_policy(policy.clone());
        builder.cache_dir(folder.path().join("modules")).build_blocking().map(drop)
    };
    // Never seen, in memory and on disk by now, and compiled before.
    let refused = |outcome: Result<(), SandboxError>| {
        let error = outcome.unwrap_err();
        assert!(matches!(error, SandboxError::CompileLimit { .. }), "{error}");
    };
    refused(build(&strict));
    build(&lax).unwrap();
    refused(build(&strict));
    let module = Module::compile(&wasm, &lax).unwrap();
    let sandbox = WasmSandbox::builder().module(&module).security_policy(strict.clone());
    refused(sandbox.build_blocking().map(drop));
    let key = SigningKey::generate().unwrap();
    let artifact = Module::precompile(&wasm, &lax, &key).unwrap();
    refused(Module::load(&artifact, &strict, &key).map(drop));
    assert!(Module::load(&artifact, &lax, &key).is_ok());
}

#[test]
fn compiling_stops_at_its_limit_of_time() {
    let mut limits = CompileLimits::paranoid();
    limits.time = Some(Duration::ZERO);
    let policy = SecurityPolicy::paranoid().with_compile_limits(limits);
    for &compiler in modules::COMPILERS {
        let wasm = modules::wasm(modules::NUMBERS);
        let error = Module::compile_with(&wasm, &policy, compiler).unwrap_err();
        assert!(
            matches!(error, SandboxError::CompilationTimeout { limit: Duration::ZERO, .. }),
            "{compiler}: {error}"
        );
    }
}

#[test]
fn a_build_that_is_dropped_leaves_no_compiler_busy() {
    // It listens to all threads of the process.
    crate::alone::run("compile_limits::a_dropped_build_in_a_process_of_its_own");
}

#[tokio::test]
#[ignore = "runs only as a process of another test"]
async fn a_dropped_build_in_a_process_of_its_own() {
    let (compiling, seen) = Compiling::new();
    tracing::subscriber::set_global_default(compiling).unwrap();
    // An optimising compiler takes milliseconds for each of so many functions.
    let wasm = outsized::heavy(5_000);
    let policy = SecurityPolicy::permissive();
    let builder = WasmSandbox::builder().source_bytes(&wasm).security_policy(policy);
    let build = tokio::spawn(builder.disable_cache().build());
    let until = async |flag: &AtomicBool| {
        while !flag.load(Ordering::Acquire) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    until(&seen.entered).await;
    build.abort();
    until(&seen.left).await;
    // It would be told of after the span.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!seen.compiled.load(Ordering::Acquire), "it went on to the end");
}

/// Events of compiling that threads have told of.
#[derive(Default)]
struct Seen {
    entered: AtomicBool,
    left: AtomicBool,
    compiled: AtomicBool,
}

/// Listens to what is told.
struct Compiling(Arc<Seen>);

const COMPILE: u64 = 1;

impl Compiling {
    fn new() -> (Self, Arc<Seen>) {
        let seen = Arc::<Seen>::default();
        (Self(Arc::clone(&seen)), seen)
    }
}

impl Subscriber for Compiling {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("sandbox_core")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        Id::from_u64(if span.metadata().name() == "compile" { COMPILE } else { COMPILE + 1 })
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Said(bool);
        impl Visit for Said {
            fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
                self.0 |= format!("{value:?}") == "compiled a module";
            }
        }
        let mut said = Said(false);
        event.record(&mut said);
        self.0.compiled.fetch_or(said.0, Ordering::AcqRel);
    }

    fn enter(&self, span: &Id) {
        self.0.entered.fetch_or(span.into_u64() == COMPILE, Ordering::AcqRel);
    }

    fn exit(&self, span: &Id) {
        self.0.left.fetch_or(span.into_u64() == COMPILE, Ordering::AcqRel);
    }
}

#[test]
fn real_guests_are_far_from_the_limits_of_the_narrowest_policy() {
    let policy = SecurityPolicy::paranoid();
    for guest in [
        "deflate",
        "json_query",
        "log_search",
        "markdown",
        "sha256",
        "templates",
        "thumbnail",
        "large_module",
        "serialization",
        "typical_app",
    ] {
        let wasm = std::fs::read(modules::guest(guest)).unwrap();
        let compile = |compiler| Module::compile_with(&wasm, &policy, compiler).unwrap();
        let module = compile(Compiler::Singlepass);
        for &measure in CompileMeasure::ALL {
            let (count, limit) =
                (module.count(measure), u64::from(policy.compile_limits.of(measure)));
            println!("{guest}: {count} of {limit} {measure}");
            assert!(2 * count <= limit, "{guest}: {count} of {limit} {measure}");
        }
    }
}

#[test]
fn many_exports_and_declarations_are_read_in_no_time() {
    // Each line was once looked for among all exports: minutes, for a megabyte and a half.
    const EXPORTS: usize = 100_000;
    let declared = |index: usize| {
        format!("{{\"abi\":1,\"export\":\"e{index}\",\"input\":\"unit\",\"output\":\"unit\"}}\n")
    };
    let lines: String = (0..15_000).map(|at| declared(EXPORTS - 1 - at)).collect();
    let exports: String =
        (0..EXPORTS).map(|index| format!(r#"(export "e{index}" (func 0))"#)).collect();
    let text = format!(
        r#"(module (func (param i32) (result i32) (local.get 0)) {exports} (@custom "sandbox-guest" "{}"))"#,
        lines.replace('"', "\\22").replace('\n', "\\0a"),
    );
    let module =
        Module::compile_with(&modules::wasm(&text), &SecurityPolicy::basic(), Compiler::Singlepass);
    assert_eq!(module.unwrap().function_names().len(), EXPORTS);
}
