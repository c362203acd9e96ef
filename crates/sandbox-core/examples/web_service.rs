//! A web service whose tenants bring their own plugins. Each request has a context and a deadline of its own, a plugin that
//! hangs is nobody else's trouble, and one is swapped while customers call it, without a call that is dropped.
//!
//! `cargo run -p sandbox-core --example web_service`

use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use sandbox_core::{
    Caller, ErrorClass, HostFunctions, MissingContext, SandboxError, SandboxPool, SecurityPolicy,
    WasmSandbox, WasmSandboxBuilder,
};
use tokio::net::TcpListener;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Whoever made a request, as plugins may know it.
struct Customer {
    discount: f64,
}

/// A tenant's plugin: uploaded bytes, under limits for strangers, with what the service offers all of them.
fn plugin(wasm: &[u8]) -> WasmSandboxBuilder {
    let functions =
        HostFunctions::new().function("customer", "discount", |caller: &mut Caller<'_>| {
            Ok::<f64, MissingContext>(caller.context::<Customer>()?.discount)
        });
    WasmSandbox::builder()
        .source_bytes(wasm)
        .security_policy(SecurityPolicy::strict())
        .host_functions(&functions)
}

/// An error as an answer.
struct Refused(SandboxError);

impl From<SandboxError> for Refused {
    fn from(error: SandboxError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = match (&self.0, self.0.class()) {
            (SandboxError::NoSuchModule { .. }, _) => StatusCode::NOT_FOUND,
            (SandboxError::Timeout { .. }, _) => StatusCode::GATEWAY_TIMEOUT,
            (_, ErrorClass::Module) => StatusCode::BAD_REQUEST,
            (_, ErrorClass::Guest | ErrorClass::Limit) => StatusCode::UNPROCESSABLE_ENTITY,
            (_, ErrorClass::Overload) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, self.0.to_string()).into_response()
    }
}

/// Asks a tenant's plugin for a price.
async fn price(
    State(pool): State<SandboxPool>,
    Path((tenant, count)): Path<(String, u32)>,
    headers: HeaderMap,
) -> Result<String, Refused> {
    let number = |name| headers.get(name).and_then(|value| value.to_str().ok()?.parse().ok());
    let patience = Duration::from_millis(number("x-patience-ms").unwrap_or(60_000));
    let discount = if headers.contains_key("x-regular") { 1.0 } else { 0.0 };
    let calls = pool.module(&tenant)?.with_context(Customer { discount });
    let calls = calls.with_deadline(Instant::now() + patience);
    Ok(calls.call::<f64>("price", count).await?.to_string())
}

/// Takes a new tenant's plugin, or puts one in the place of the tenant's last one.
async fn upload(
    State(pool): State<SandboxPool>,
    Path(tenant): Path<String>,
    wasm: Bytes,
) -> Result<(), Refused> {
    match pool.module(&tenant) {
        Ok(_) => pool.replace(&tenant, plugin(&wasm)).await?,
        Err(_) => pool.insert(&tenant, plugin(&wasm)).await?,
    }
    Ok(())
}

async fn serve(listener: TcpListener, pool: SandboxPool) {
    let routes = Router::new()
        .route("/{tenant}/price/{count}", get(price))
        .route("/{tenant}", put(upload))
        .with_state(pool);
    while let Ok((stream, _)) = listener.accept().await {
        let service = TowerToHyperService::new(routes.clone());
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// A plugin that takes so much for each piece, less what the customer is let off.
fn shop(price: u32) -> String {
    format!(
        r#"(module (import "customer" "discount" (func $discount (result f64)))
            (func (export "price") (param $count i32) (result f64)
                (f64.mul (f64.convert_i32_u (local.get $count)) (f64.sub (f64.const {price}) (call $discount)))))"#
    )
}

const HANGS: &str = r#"(module (func (export "price") (param i32) (result f64) (loop $again (br $again)) unreachable))"#;

/// Plays customers and tenants, with an ordinary HTTP client.
fn clients(service: &str) -> Result<(), Failure> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let ask = |path: &str, header: (&str, &str)| -> Result<(u16, String), ureq::Error> {
        let request = agent.get(format!("{service}{path}")).header(header.0, header.1);
        let mut answer = request.call()?;
        Ok((answer.status().as_u16(), answer.body_mut().read_to_string()?))
    };
    let bring = |tenant: &str, wasm: &[u8]| -> Result<u16, ureq::Error> {
        Ok(agent.put(format!("{service}/{tenant}")).send(wasm)?.status().as_u16())
    };
    let anybody = ("x-from", "anybody");

    assert_eq!(ask("/shop/price/10", anybody)?, (200, "50".to_owned()));
    assert_eq!(ask("/shop/price/10", ("x-regular", "yes"))?, (200, "40".to_owned()));

    // Another tenant's plugin never answers, and only those who ask for it wait: as long as they like to.
    assert_eq!(bring("hangs", &wat::parse_str(HANGS)?)?, 200);
    assert_eq!(ask("/hangs/price/1", ("x-patience-ms", "50"))?.0, 504);
    assert_eq!(ask("/nobody/price/1", anybody)?.0, 404);

    // The shop raises its price while eight customers ask for it. All of them are answered.
    let dearer = wat::parse_str(shop(7))?;
    thread::scope(|scope| {
        let many =
            || (0..50).map(|_| ask("/shop/price/10", anybody)).collect::<Result<Vec<_>, _>>();
        let customers: Vec<_> = (0..8).map(|_| scope.spawn(many)).collect();
        assert_eq!(bring("shop", &dearer)?, 200);
        for customer in customers {
            for (status, price) in customer.join().expect("no customer panics")? {
                assert!(status == 200 && ["50", "70"].contains(&&*price), "{status}: {price}");
            }
        }
        Ok::<(), Failure>(())
    })?;
    assert_eq!(ask("/shop/price/10", anybody)?, (200, "70".to_owned()));

    // What is no plugin takes nobody's place.
    assert_eq!(bring("shop", b"no module")?, 400);
    assert_eq!(ask("/shop/price/10", anybody)?, (200, "70".to_owned()));
    Ok(())
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Failure> {
    let first = plugin(&wat::parse_str(shop(5))?);
    let pool = SandboxPool::builder().named("shop", first).size(4).build().await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let service = format!("http://{}", listener.local_addr()?);
    let server = tokio::spawn(serve(listener, pool.clone()));
    tokio::task::spawn_blocking(move || clients(&service)).await??;
    server.abort();
    println!("{} calls of tenants, {:?}", pool.status().usage.calls, pool.module_names());
    pool.close().await;
    Ok(())
}
