//! A plugin that decides what a customer pays, with functions of its host to look things up.
//!
//! ```text
//! cargo run -p sandbox-core --example host_functions
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Mutex;
use std::time::Duration;

use sandbox_core::{Caller, HostFunctions, SandboxError, SecurityPolicy, WasmSandbox};

/// The plugin. It asks for a price, takes the discount off, and notes what it did.
const PLUGIN: &str = r#"(module
    (import "shop" "price" (func $price (param i32) (result f64)))
    (import "shop" "discount" (func $discount (param i32 i32) (result f64)))
    (import "env" "log" (func $log (param i32 i32)))
    (memory (export "memory") 1)
    (data (i32.const 16) "regular customer")
    (data (i32.const 64) "asked for a price")
    (func (export "total") (param $article i32) (param $count i32) (result f64)
        (call $log (i32.const 64) (i32.const 17))
        (f64.mul
            (f64.mul (call $price (local.get $article)) (f64.convert_i32_u (local.get $count)))
            (f64.sub (f64.const 1) (call $discount (i32.const 16) (i32.const 16))))))"#;

/// Shop that a sandbox works for, as the host knows it.
struct Shop {
    name: &'static str,
    prices: BTreeMap<u32, f64>,
    log: Mutex<Vec<String>>,
}

#[derive(Debug, thiserror::Error)]
#[error("{shop} does not sell article {article}")]
struct NotSold {
    shop: &'static str,
    article: u32,
}

type BoxedError = Box<dyn Error + Send + Sync>;

/// The functions, once for all shops.
fn functions() -> HostFunctions {
    HostFunctions::new()
        .function(
            "shop",
            "price",
            |caller: &mut Caller<'_>, article: u32| -> Result<f64, BoxedError> {
                let shop = caller.context::<Shop>()?;
                let price = shop.prices.get(&article);
                Ok(*price.ok_or(NotSold { shop: shop.name, article })?)
            },
        )
        .async_function(
            "shop",
            "discount",
            async |caller: &mut Caller<'_>, group: u32, len: u32| -> Result<f64, BoxedError> {
                // Text of the guest's is checked to lie in its memory and to be text.
                let group = caller.text(group, len)?;
                // As if a database were asked. The guest waits, and the caller's runtime does not.
                tokio::time::sleep(Duration::from_millis(5)).await;
                Ok(if group == "regular customer" { 0.5 } else { 0.0 })
            },
        )
        .function(
            "env",
            "log",
            |caller: &mut Caller<'_>, text: u32, len: u32| -> Result<(), BoxedError> {
                let shop = caller.context::<Shop>()?;
                let line = format!("{}: {}", shop.name, caller.text(text, len)?);
                shop.log.lock().map_err(|_| "the log is broken")?.push(line);
                Ok(())
            },
        )
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), BoxedError> {
    let functions = functions();
    let sandbox = async |name, prices: &[(u32, f64)]| {
        let prices = prices.iter().copied().collect();
        WasmSandbox::builder()
            .source_bytes(wat::parse_str(PLUGIN).expect("the plugin is valid text"))
            .security_policy(SecurityPolicy::strict())
            .host_functions(&functions)
            .context(Shop { name, prices, log: Mutex::default() })
            .build()
            .await
    };
    let hardware = sandbox("hardware shop", &[(1, 0.5), (2, 12.0)]).await?;
    let books = sandbox("book shop", &[(1, 20.0)]).await?;

    let total: f64 = hardware.call("total", (1u32, 100u32)).await?;
    println!("100 nails cost {total}");
    assert_eq!(total, 25.0);
    let total: f64 = books.call("total", (1u32, 2u32)).await?;
    println!("two books cost {total}");
    assert_eq!(total, 20.0);

    // An error of a host function ends the guest's call, and whoever made that sees why.
    let error = books.call::<f64>("total", (2u32, 1u32)).await.expect_err("there is no article 2");
    println!("{error}: {}", error.source().expect("with its source"));
    let SandboxError::HostFunctionFailed { host_function, error, .. } = &error else {
        return Err(error.into());
    };
    assert_eq!(host_function, "shop.price");
    assert_eq!(error.to_string(), "book shop does not sell article 2");

    // A host that lacks a function is told which, when the sandbox is built.
    let lacking = WasmSandbox::builder()
        .source_bytes(wat::parse_str(PLUGIN)?)
        .host_function("shop", "price", |_: u32| 1.0f64)
        .host_function("shop", "log", |_: u32, _: u32| ())
        .build()
        .await
        .expect_err("it lacks two functions");
    println!("{lacking}");
    assert!(lacking.to_string().contains(r#"host_function("shop", "discount", ..)"#));

    // And so is one whose function has another type. Two of one name would be refused; this one replaces the other.
    let other = HostFunctions::new().function("shop", "price", |_: u64| 1u32);
    let wrong = WasmSandbox::builder()
        .source_bytes(wat::parse_str(PLUGIN)?)
        .host_functions(&functions.replace(&other))
        .build()
        .await
        .expect_err("it has another type");
    println!("{wrong}");
    assert!(matches!(wrong, SandboxError::IncompatibleImport { .. }));
    Ok(())
}
