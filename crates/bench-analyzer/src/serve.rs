//! A local dashboard over the store: benchmarks, histories, comparisons, runs and running suites.
//!
//! It listens on this machine only, unless it is told otherwise, and then demands a token. Every
//! request has to name a host that this server is known by, so that no page of another site can
//! reach it under a name of its own (DNS rebinding). What changes something demands a token that
//! only the dashboard's own page holds. Everything that the page needs is in this program.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use camino::Utf8PathBuf;
use tokio::net::TcpListener;
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::{RequestBodyDeadlineLayer, TimeoutLayer};

use crate::clock::Stop;
use crate::links::Links;
use crate::secret::Secret;
use crate::store::Location;
use bench_stats::detect::settings::Settings;
use bench_stats::model::BaselineName;

mod answer;
mod api;
mod arrivals;
mod assets;
mod background;
mod change_state;
mod connections;
mod events;
mod guard;
mod prepared;
mod stores;

use answer::Refusal;
use api::Api;
use connections::Connections;
pub use connections::Patience;
use guard::Guard;

/// How the dashboard is served.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The store.
    pub database: Location,
    /// Where the logs of jobs lie: [`Store::folder`](crate::store::Store::folder).
    pub folder: Utf8PathBuf,
    /// Where to listen.
    pub address: SocketAddr,
    /// Token that everybody has to know who is let in; needed beyond loopback.
    pub token: Option<Secret>,
    /// Further names that the server is reached by.
    pub hosts: Vec<String>,
    /// Whether visitors may decide about changes.
    pub access: Access,
    /// Who accepts changes if the page does not say.
    pub author: Option<String>,
    /// How comparisons are judged.
    pub settings: Settings,
    /// A folder of the repository, which knows the last release.
    pub project: Utf8PathBuf,
    /// The baseline since which changes count as new, instead of the last release or week.
    pub since: Option<BaselineName>,
    /// Where commits and pull requests are shown on the web.
    pub links: Links,
    /// How long visitors who are slow are waited for.
    pub patience: Patience,
}

/// Rights of visitors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Look.
    ReadOnly,
    /// Look, and decide about changes: accept them, take that back, note who looks at them.
    Accept,
}

/// Why the dashboard cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Others could reach it, and nothing would keep them out.
    #[error("{0} can be reached from other machines: a token is needed, with --token-file")]
    TokenNeeded(SocketAddr),
    /// The address cannot be listened on.
    #[error("failed to listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Answer of the system.
        #[source]
        source: std::io::Error,
    },
}

/// A dashboard that listens and answers once [`Dashboard::run`] is called.
#[derive(Debug)]
pub struct Dashboard {
    listener: TcpListener,
    address: SocketAddr,
    guard: Guard,
    api: Api,
    patience: Patience,
}

impl Dashboard {
    /// Listens.
    ///
    /// # Errors
    /// If the address is taken, or others could reach it without a token.
    pub async fn bind(options: ServeOptions) -> Result<Self, ServeError> {
        let address = options.address;
        if options.token.is_none() && !address.ip().is_loopback() {
            return Err(ServeError::TokenNeeded(address));
        }
        let failed = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let guard = Guard::new(address, options.token.clone(), &options.hosts);
        let patience = options.patience;
        let api = Api::new(options, guard.reading_key().map(str::to_owned));
        Ok(Self { listener, address, guard, api, patience })
    }

    /// Where it listens, with the port that the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until somebody asks to stop, and then whoever asked before. Faults of single visitors
    /// end nothing.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing half changed.
    pub async fn run(self, stop: &Stop) {
        let Self { listener, guard, api, patience, .. } = self;
        let (guard, api) = (Arc::new(guard), Arc::new(api));
        let router = router(&guard, &api, patience);
        let connections = Connections::new(patience);
        tokio::spawn(async move { api.warm().await });
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.asked() => break,
            };
            match accepted {
                Ok((stream, _)) => connections.admit(stream, router.clone()),
                // Out of descriptors, most likely; they come back.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        drop(listener);
        connections.farewell().await;
    }
}

const MAX_BODY: usize = 16 * 1024;
/// For an answer to be found.
const ANSWER_PATIENCE: Duration = Duration::from_mins(1);

/// Everything that is answered, behind what is demanded of whoever asks.
fn router(guard: &Arc<Guard>, api: &Arc<Api>, patience: Patience) -> Router {
    let decisions =
        api::decisions(api).route_layer(from_fn_with_state(Arc::clone(guard), guard::admit_change));
    assets::router(guard)
        .route("/favicon.ico", get(StatusCode::NO_CONTENT))
        .merge(api::questions(api))
        .merge(decisions)
        .fallback(nowhere)
        .method_not_allowed_fallback(async || {
            Refusal::said(StatusCode::METHOD_NOT_ALLOWED, "that is not done here")
        })
        .layer(RequestBodyLimitLayer::new(MAX_BODY))
        .layer(RequestBodyDeadlineLayer::new(patience.body))
        .layer(from_fn_with_state(Arc::clone(guard), guard::admit))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_PATIENCE))
        .layer(CompressionLayer::new())
        .layer(map_response(with_safe_headers))
}

/// Says that there is no such page: to a browser as one, else as everything is refused.
async fn nowhere(headers: HeaderMap) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|kinds| kinds.to_str().ok());
    if accepts.is_some_and(|kinds| kinds.contains("text/html")) {
        return (StatusCode::NOT_FOUND, Html(assets::NOWHERE)).into_response();
    }
    Refusal::absent("there is no such page").into_response()
}

/// Headers of every answer: no source from elsewhere is loaded, nobody frames the page, and no answer is kept.
const FOR_ALL: [(HeaderName, &str); 6] = [
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
         img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (guard::EMBEDDED, "same-origin"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

async fn with_safe_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in FOR_ALL {
        // Badges may be shown elsewhere, if their address has the key.
        if name != guard::EMBEDDED || !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    response
}
