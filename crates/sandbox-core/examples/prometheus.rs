//! An endpoint for Prometheus: what a pool's sandboxes did, by the crate `metrics`.
//!
//! `cargo run -p sandbox-core --features metrics --example prometheus`

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use sandbox_core::{SandboxPool, SecurityPolicy, WasmSandbox};
use tokio::net::TcpListener;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A guest that computes, and one function that fails.
const GUEST: &str = r#"(module
    (func (export "double") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
    (func (export "fail") unreachable))"#;

/// Keeps metrics until they are asked for. A program would take one of the crate `metrics-exporter-prometheus`, which also has
/// histograms.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<BTreeMap<String, Arc<Value>>>>);

/// A number, as the bits of a float if it is a gauge's.
struct Value {
    kind: &'static str,
    number: Arc<AtomicU64>,
}

impl Kept {
    fn number(&self, key: &Key, kind: &'static str) -> Arc<AtomicU64> {
        let labels: Vec<String> = key
            .labels()
            .map(|label| format!("{}=\"{}\"", label.key(), escaped(label.value())))
            .collect();
        let name = format!("{}{{{}}}", key.name(), labels.join(","));
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let value =
            kept.entry(name).or_insert_with(|| Arc::new(Value { kind, number: Arc::default() }));
        Arc::clone(&value.number)
    }

    /// Writes them in the text format of Prometheus.
    fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        let mut last = String::new();
        for (name, value) in kept.iter() {
            let family = name.split('{').next().unwrap_or(name);
            if family != last {
                let _ = writeln!(text, "# TYPE {family} {}", value.kind);
                family.clone_into(&mut last);
            }
            let number = value.number.load(Ordering::Relaxed);
            let _ = match value.kind {
                "gauge" => writeln!(text, "{name} {}", f64::from_bits(number)),
                _ => writeln!(text, "{name} {number}"),
            };
        }
        text
    }
}

impl Recorder for Kept {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.number(key, "counter"))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.number(key, "gauge"))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// Text within the quotation marks of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// State of the service, shared by all who ask.
#[derive(Clone)]
struct Service {
    pool: SandboxPool,
    metrics: Kept,
}

/// Answers Prometheus: publishes what there is now, and writes it down.
async fn scrape(State(service): State<Service>) -> String {
    // A program installs its recorder once, for all threads, and need not name it here.
    metrics::with_local_recorder(&service.metrics, || service.pool.publish_metrics("numbers"));
    service.metrics.text()
}

async fn serve(listener: TcpListener, service: Service) {
    let routes = Router::new().route("/metrics", get(scrape)).with_state(service);
    while let Ok((stream, _)) = listener.accept().await {
        let service = TowerToHyperService::new(routes.clone());
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Failure> {
    let builder = WasmSandbox::builder()
        .source_bytes(&wat::parse_str(GUEST)?)
        .security_policy(SecurityPolicy::strict());
    let pool = SandboxPool::builder().sandbox(builder).size(2).build().await?;
    let service = Service { pool: pool.clone(), metrics: Kept::default() };

    for number in 0..10 {
        assert_eq!(pool.call::<i32>("double", number).await?, 2 * number);
    }
    let error = pool.call::<()>("fail", ()).await.expect_err("it traps");
    metrics::with_local_recorder(&service.metrics, || error.count("numbers"));

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}/metrics", listener.local_addr()?);
    let server = tokio::spawn(serve(listener, service));
    let read =
        tokio::task::spawn_blocking(move || ureq::get(address).call()?.body_mut().read_to_string());
    let text = read.await??;
    for line in [
        "# TYPE sandbox_calls_total counter",
        "sandbox_calls_total{sandbox=\"numbers\"} 11",
        "sandbox_failed_calls_total{sandbox=\"numbers\"} 1",
        "sandbox_failures_total{sandbox=\"numbers\",kind=\"trap\"} 1",
        "# TYPE sandbox_pool_sandboxes gauge",
        "sandbox_pool_sandboxes{sandbox=\"numbers\",state=\"in_use\"} 0",
        "sandbox_pool_size{sandbox=\"numbers\"} 2",
        "sandbox_pool_waiting{sandbox=\"numbers\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
    }
    print!("{text}");
    server.abort();
    pool.close().await;
    Ok(())
}
