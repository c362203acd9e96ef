//! Functions whose types are known only at run time, of guests and of the host, and what stands in for a sandbox.

use std::convert::Infallible;
use std::sync::Arc;

use sandbox_core::{
    Callable, Caller, ExternalType, HostFunctions, MockSandbox, Module, NumberType, Payload,
    SandboxError, SandboxPool, SecurityPolicy, Value, ValueType, WasmSandbox, WrongResults,
};

use crate::modules::{self, NUMBERS};

const IMPORTS: &str = r#"(module
    (import "env" "mix" (func $mix (param i32 i64 f32 f64) (result f64 i32)))
    (import "env" "note" (func $note))
    (memory (export "memory") 1 4)
    (global (export "limit") i64 (i64.const 5))
    (table (export "table") 2 8 funcref)
    (func (export "run") (result f64 i32)
        (call $note)
        (call $mix (i32.const -1) (i64.const 2) (f32.const 0.5) (f64.const 0.25)))
    (@custom "manifest" "version 3"))"#;

/// Functions for all that a module imports, made of nothing but what the module says.
fn whatever_is_imported(
    module: &Module,
    serve: impl Fn(&str, &[Value]) -> Vec<Value> + Send + Sync + 'static,
) -> HostFunctions {
    let serve = Arc::new(serve);
    let numbers = |types: &[ValueType]| -> Vec<NumberType> {
        types
            .iter()
            .map(|ty| match ty {
                ValueType::Number(number) => *number,
                other => panic!("{other}"),
            })
            .collect()
    };
    let mut functions = HostFunctions::new();
    for import in module.imports() {
        let ExternalType::Function { parameters, results, .. } = &import.ty else { continue };
        let (serve, name) = (Arc::clone(&serve), import.name.clone());
        functions = functions.dynamic_function(
            &import.module,
            &import.name,
            &numbers(parameters),
            &numbers(results),
            move |_: &mut Caller<'_>, arguments: &[Value]| {
                Ok::<_, Infallible>(serve(&name, arguments))
            },
        );
    }
    functions
}

fn sandbox(serve: impl Fn(&str, &[Value]) -> Vec<Value> + Send + Sync + 'static) -> WasmSandbox {
    let wasm = modules::wasm(IMPORTS);
    let module = Module::compile(&wasm, &SecurityPolicy::strict()).unwrap();
    let functions = whatever_is_imported(&module, serve);
    let builder = WasmSandbox::builder().module(&module).host_functions(&functions);
    builder.build_blocking().unwrap()
}

#[tokio::test]
async fn functions_of_the_host_can_be_made_of_what_a_module_imports() {
    let sandbox = sandbox(|name, arguments| match name {
        "mix" => {
            let expected = [(-1).into(), 2i64.into(), 0.5f32.into(), 0.25.into()];
            assert_eq!(arguments, expected);
            vec![Value::F64(1.5), Value::U64(u64::from(u32::MAX))]
        }
        _ => vec![],
    });
    let (mixed, usage): ((f64, u32), _) = sandbox.call_with_usage("run", ()).await.unwrap();
    assert_eq!((mixed, usage.host_calls), ((1.5, u32::MAX), 2));
    let mixed = sandbox.call_values("run", &[]).await.unwrap();
    assert_eq!(mixed, Value::List(vec![1.5.into(), (-1).into()]));
}

#[test]
fn results_of_other_types_and_panics_end_the_guests_call_with_a_typed_error() {
    let failures: [(Vec<Value>, WrongResults); 2] = [
        (vec![1.5.into()], WrongResults::Count { expected: 2, given: 1 }),
        (
            vec![1.5.into(), "text".into()],
            WrongResults::Type {
                at: 1,
                expected: NumberType::I32,
                given: "Text(\"text\")".to_owned(),
            },
        ),
    ];
    for (returned, wrong) in failures {
        let sandbox = sandbox(move |name, _| if name == "mix" { returned.clone() } else { vec![] });
        for _ in 0..3 {
            let error = sandbox.call_blocking::<(f64, i32)>("run", ()).unwrap_err();
            let SandboxError::HostFunctionFailed { host_function, error, .. } = error else {
                panic!("{error}")
            };
            assert_eq!(host_function, "env.mix");
            assert_eq!(error.downcast_ref::<WrongResults>(), Some(&wrong));
        }
    }
    let sandbox = sandbox(|_, _| panic!("the host's own"));
    for _ in 0..3 {
        let error = sandbox.call_blocking::<(f64, i32)>("run", ()).unwrap_err();
        assert!(matches!(error, SandboxError::HostFunctionPanicked { .. }), "{error}");
    }
}

#[test]
fn a_dynamic_function_of_another_type_is_refused_as_any_is() {
    let functions = HostFunctions::new().dynamic_function(
        "env",
        "mix",
        &[NumberType::I32],
        &[],
        |_: &mut Caller<'_>, _: &[Value]| Ok::<_, Infallible>(vec![]),
    );
    let error = modules::builder(IMPORTS).host_functions(&functions).build_blocking().unwrap_err();
    assert!(matches!(error, SandboxError::IncompatibleImport { .. }), "{error}");
}

#[test]
fn a_module_tells_what_it_exports_imports_and_carries() {
    let module = Module::compile(&modules::wasm(IMPORTS), &SecurityPolicy::strict()).unwrap();
    let exports = module.exports();
    let names: Vec<&str> = exports.iter().map(|export| export.name).collect();
    assert_eq!(names, ["memory", "limit", "table", "run"]);
    assert_eq!(
        exports.iter().map(|export| format!("{:?}", export.ty)).collect::<Vec<_>>(),
        [
            "Memory { minimum_bytes: 65536, maximum_bytes: Some(262144) }",
            "Global { ty: Number(I64) }",
            "Table { minimum: 2, maximum: Some(8) }",
            "Function { parameters: [], results: [Number(F64), Number(I32)] }",
        ]
    );
    let imports = module.imports();
    assert_eq!((imports[0].module.as_str(), imports[0].name.as_str()), ("env", "mix"));
    assert_eq!(imports.len(), 2);
    assert!(module.has("run") && !module.has("memory") && !module.has("nowhere"));
    assert_eq!(module.custom_section("manifest").as_deref(), Some(&b"version 3"[..]));
    assert_eq!(module.custom_section("other"), None);
}

#[test]
fn a_module_tells_what_its_functions_pass_and_hides_what_is_not_its_own() {
    let policy = SecurityPolicy::basic().with_fuel(1000);
    let start = r#"(module (func $start) (start $start) (func (export "run")))"#;
    let module = Module::compile(&modules::wasm(start), &policy).unwrap();
    let exports: Vec<&str> = module.exports().iter().map(|export| export.name).collect();
    assert_eq!(exports, ["run"]);
    let probe = std::fs::read(modules::guest("abi_probe")).unwrap();
    let module = Module::compile(&probe, &SecurityPolicy::basic()).unwrap();
    let exports = module.exports();
    let payloads = |name: &str| {
        exports.iter().find(|export| export.name == name).and_then(|export| export.payloads)
    };
    assert_eq!(payloads("shout"), Some((Payload::Text, Payload::Text)));
    assert_eq!(payloads("summarise"), Some((Payload::Value, Payload::Value)));
    assert_eq!(payloads("count"), None);
}

#[tokio::test]
async fn sandboxes_pools_and_mocks_are_called_alike() {
    let pool = SandboxPool::builder().sandbox(modules::builder(NUMBERS)).size(1);
    let mock = MockSandbox::new().function("add", |arguments| {
        Ok(arguments.iter().filter_map(Value::as_i64).sum::<i64>().into())
    });
    let all: [Arc<dyn Callable>; 3] = [
        Arc::new(modules::sandbox(NUMBERS, SecurityPolicy::strict()).await),
        Arc::new(pool.build().await.unwrap()),
        Arc::new(mock),
    ];
    for callable in all {
        let arguments = [Value::from(1), Value::from(2)];
        let sum = callable.call_values("add", &arguments).await.unwrap();
        assert_eq!(sum.as_i64(), Some(3));
        let blocking = Arc::clone(&callable);
        let sum = tokio::task::spawn_blocking(move || {
            blocking.call_values_blocking("add", &[Value::from(1), Value::from(2)])
        });
        assert_eq!(sum.await.unwrap().unwrap().as_i64(), Some(3));
        let error = callable.call_values("nowhere", &[]).await.unwrap_err();
        assert!(matches!(error, SandboxError::NoSuchFunction { .. }), "{error}");
    }
}
