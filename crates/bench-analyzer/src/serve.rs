//! A local dashboard over the store: benchmarks, histories, comparisons, runs and running suites.
//!
//! It listens on this machine only, unless it is told otherwise, and then demands a token. Every
//! request has to name a host that this server is known by, so that no page of another site can
//! reach it under a name of its own (DNS rebinding). What changes something demands a token that
//! only the dashboard's own page holds. Everything that the page needs is in this program.

use std::net::SocketAddr;
use std::rc::Rc;

use camino::Utf8PathBuf;
use tokio::net::TcpListener;

use crate::clock::Stop;
use crate::report::figure;
use crate::secret::Secret;
use crate::store::Location;
use bench_stats::detect::settings::Settings;

mod api;
mod background;
mod compared;
mod guard;
mod http;
mod refusal;
mod snapshot;
mod stores;
mod visitors;

use api::Api;
use guard::Guard;
use http::{Part, Request, Response};
use visitors::Visitors;

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
    /// Whether changes may be accepted.
    pub access: Access,
    /// Who accepts changes if the page does not say.
    pub author: Option<String>,
    /// How comparisons are judged.
    pub settings: Settings,
}

/// Rights of visitors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Look.
    ReadOnly,
    /// Look, and accept changes.
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
        Ok(Self { listener, address, guard, api: Api::new(options) })
    }

    /// Where it listens, with the port that the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until somebody asks to stop, and then whoever asked before. Faults of single visitors
    /// end nothing.
    ///
    /// # Cancel safety
    /// Dropping the future ends all connections; nothing is half changed.
    pub async fn run(self, stop: &Stop) {
        // All on the calling thread: what takes long is handed to others.
        tokio::task::LocalSet::new().run_until(self.accept(stop)).await;
    }

    async fn accept(self, stop: &Stop) {
        let visitors = Visitors::default();
        let shared = Rc::new((self.guard, self.api));
        let first = Rc::clone(&shared);
        tokio::task::spawn_local(async move { first.1.warm().await });
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = stop.asked() => break,
            };
            let Ok((mut stream, _)) = accepted else {
                // Out of descriptors, most likely; they come back.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            };
            let shared = Rc::clone(&shared);
            visitors.admit(async move |visit| {
                let received = http::receive(&mut stream).await;
                // Until the answer is sent.
                let _turn = visit.asked().await;
                let (response, part) = match received {
                    Ok(Some(mut request)) => {
                        let part = request.take_part();
                        (answer(&shared.0, &shared.1, &request).await, part)
                    }
                    Ok(None) => return,
                    Err(refusal) => (refusal, Part::Whole),
                };
                http::send(&mut stream, &response, part).await;
            });
        }
        drop(self.listener);
        visitors.farewell().await;
    }
}

const INDEX: &str = include_str!("serve/assets/index.html");
const SCRIPT: &str = include_str!("serve/assets/app.js");
/// The page's style, with dark colours for the report's plots.
fn style() -> String {
    let dark = figure::dark_rules("figure svg ");
    let style = include_str!("serve/assets/app.css");
    format!("{style}@media screen and (prefers-color-scheme: dark) {{ {dark} }}")
}

async fn answer(guard: &Guard, api: &Api, request: &Request) -> Response {
    if let Err(refusal) = guard.admit(request) {
        return refusal;
    }
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/") => Response::html(INDEX.replace("@CSRF@", guard.csrf())),
        ("GET", "/app.js") => Response::text("text/javascript; charset=utf-8", SCRIPT),
        ("GET", "/app.css") => Response::text("text/css; charset=utf-8", style()),
        ("GET", "/favicon.ico") => Response::empty(204),
        ("GET", path) if path.starts_with("/api/") => api.get(request).await,
        ("POST", "/api/accept") => match guard.admit_change(request) {
            Ok(()) => api.accept(request).await,
            Err(refusal) => refusal,
        },
        ("GET" | "POST", _) => Response::refusal(404, "there is no such page"),
        _ => Response::refusal(405, "only GET, HEAD and POST are understood")
            .with_header("Allow", "GET, HEAD, POST".to_owned()),
    }
}
