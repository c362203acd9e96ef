//! A host that knows functions and types only from modules: it calls whatever they export, offers whatever they import,
//! and is tested without any guest.
//!
//! `cargo run -p sandbox-core --example dynamic_calls`

use std::convert::Infallible;

use sandbox_core::{
    Callable, Caller, ExternalType, HostFunctions, MockSandbox, Module, NumberType, Result,
    SecurityPolicy, Value, ValueType, WasmSandbox,
};

const PLUGIN: &str = r#"(module
    (import "shop" "price" (func $price (param i32) (result f64)))
    (func (export "total") (param i32 i32) (result f64)
        (f64.mul (call $price (local.get 0)) (f64.convert_i32_u (local.get 1)))))"#;

/// The host's own code, which is to be tested: it knows nothing but [`Callable`].
async fn receipt(plugin: &dyn Callable, article: i32, count: i32) -> Result<String> {
    let total = plugin.call_values("total", &[article.into(), count.into()]).await?;
    Ok(format!("{count} of article {article}: {total:?}"))
}

/// Offers each function that the module imports, by the types that it gives.
fn offered(module: &Module) -> HostFunctions {
    let number = |ty: &ValueType| match ty {
        ValueType::Number(number) => Some(*number),
        _ => None,
    };
    let mut functions = HostFunctions::new();
    for import in module.imports() {
        let ExternalType::Function { parameters, results, .. } = &import.ty else { continue };
        let parameters: Vec<NumberType> = parameters.iter().filter_map(number).collect();
        let results: Vec<NumberType> = results.iter().filter_map(number).collect();
        let answer = |_: &mut Caller<'_>, _: &[Value]| Ok::<_, Infallible>(vec![0.25.into()]);
        functions =
            functions.dynamic_function(&import.module, &import.name, &parameters, &results, answer);
    }
    functions
}

#[tokio::main]
pub(crate) async fn main() -> Result<()> {
    let wasm = wat::parse_str(PLUGIN).expect("the text is valid");
    let module = Module::compile(&wasm, &SecurityPolicy::strict())?;
    assert!(module.has("total") && !module.has("refund"));
    let functions = offered(&module);
    let sandbox = WasmSandbox::builder().module(&module).host_functions(&functions).build().await?;
    assert_eq!(receipt(&sandbox, 7, 4).await?, "4 of article 7: F64(1.0)");

    // In a test of the host:
    let mock = MockSandbox::new().function("total", |_| Ok(Value::F64(9.0)));
    assert_eq!(receipt(&mock, 7, 4).await?, "4 of article 7: F64(9.0)");
    assert_eq!(mock.calls(), [("total".to_owned(), vec![7.into(), 4.into()])]);
    Ok(())
}
