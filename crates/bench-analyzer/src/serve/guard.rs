//! Who is let in.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::answer::{Refusal, parameter};
use crate::secret::{Secret, random_token};

/// Knows the server's names and secrets.
#[derive(Debug)]
pub(super) struct Guard {
    hosts: Vec<String>,
    token: Option<Secret>,
    /// Key that badges and the feed are read by from elsewhere: it follows from the token, and the token does not
    /// follow from it.
    reading_key: Option<String>,
    cookie: String,
    csrf: String,
}

/// Paths that may be read with the reading key, which stands in addresses on pages of others.
const READ_ELSEWHERE: [&str; 2] = ["/badge.svg", "/feed.atom"];

impl Guard {
    pub(super) fn new(address: SocketAddr, token: Option<Secret>, names: &[String]) -> Self {
        let port = address.port();
        let mut hosts = vec![address.to_string()];
        if address.ip().is_loopback() || address.ip().is_unspecified() {
            hosts.extend(["localhost", "127.0.0.1", "[::1]"].map(|name| format!("{name}:{port}")));
        }
        for name in names {
            hosts.extend([
                name.to_ascii_lowercase(),
                format!("{}:{port}", name.to_ascii_lowercase()),
            ]);
        }
        let reading_key = token.as_ref().map(reading_key);
        let cookie = format!("bench_analyzer_{port}");
        Self { hosts, token, reading_key, cookie, csrf: random_token() }
    }

    /// Returns the key that badges and the feed are read by from elsewhere, where a token is needed.
    pub(super) fn reading_key(&self) -> Option<&str> {
        self.reading_key.as_deref()
    }

    /// Whether a request reads a badge or the feed with the key for that.
    fn reads_elsewhere(&self, request: &Request) -> bool {
        let reads = [Method::GET, Method::HEAD].contains(request.method());
        let given = parameter(request.uri(), "key");
        reads
            && READ_ELSEWHERE.contains(&request.uri().path())
            && self.reading_key.as_ref().zip(given).is_some_and(|(key, given)| same(&given, key))
    }

    /// Token that only the dashboard's own page knows.
    pub(super) fn csrf(&self) -> &str {
        &self.csrf
    }

    /// Answers a request that may not be looked at: with a reason, or a way in.
    fn turn_away(&self, request: &Request) -> Option<Response> {
        let headers = request.headers();
        let host = only(headers, "host").unwrap_or_default().to_ascii_lowercase();
        if !self.hosts.contains(&host) {
            let why = "this server is not known by that name; `serve --host NAME` adds one";
            return Some(Refusal::said(StatusCode::MISDIRECTED_REQUEST, why).into_response());
        }
        let token = self.token.as_ref()?;
        if request.method() == Method::GET
            && request.uri().path() == "/"
            && let Some(given) = parameter(request.uri(), "token")
            && same(&given, token.expose())
        {
            // Out of the address bar, and into a cookie that no script reads.
            let cookie = format!("{}={given}; HttpOnly; SameSite=Strict; Path=/", self.cookie);
            let headers = [(header::LOCATION, "/".to_owned()), (header::SET_COOKIE, cookie)];
            return Some((StatusCode::SEE_OTHER, headers).into_response());
        }
        if self.reads_elsewhere(request) {
            return None;
        }
        let bearer = only(headers, "authorization").and_then(|text| text.strip_prefix("Bearer "));
        let cookie = only(headers, "cookie")
            .into_iter()
            .flat_map(|text| text.split(';'))
            .find_map(|one| one.trim().strip_prefix(self.cookie.as_str())?.strip_prefix('='));
        if bearer.into_iter().chain(cookie).any(|given| same(given, token.expose())) {
            return None;
        }
        let why = "open the address with ?token=... that `serve` was given";
        Some(Refusal::said(StatusCode::UNAUTHORIZED, why).into_response())
    }

    /// Whether a request that changes something comes from the dashboard's own page.
    fn admits_change(&self, headers: &HeaderMap) -> bool {
        let host = only(headers, "host").unwrap_or_default();
        let is_absent_or = |name: &str, is_fine: &dyn Fn(&str) -> bool| {
            !headers.contains_key(name) || only(headers, name).is_some_and(is_fine)
        };
        let own = is_absent_or("origin", &|origin| {
            origin.split_once("://").is_some_and(|(_, name)| name.eq_ignore_ascii_case(host))
        });
        let site = is_absent_or("sec-fetch-site", &|site| site == "same-origin");
        let json = only(headers, "content-type").is_some_and(|kind| kind == "application/json");
        let given = only(headers, "x-csrf-token").unwrap_or_default();
        own && site && json && !self.csrf.is_empty() && same(given, &self.csrf)
    }
}

/// Lets those through who may look at something.
pub(super) async fn admit(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(answer) = guard.turn_away(&request) {
        return answer;
    }
    let may_be_embedded = guard.reads_elsewhere(&request);
    let mut response = next.run(request).await;
    if may_be_embedded {
        response.headers_mut().insert(EMBEDDED, HeaderValue::from_static("cross-origin"));
    }
    response
}

/// Header that lets pages of others show an answer.
pub(super) const EMBEDDED: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Lets those through who may change something.
pub(super) async fn admit_change(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    if guard.admits_change(request.headers()) {
        return next.run(request).await;
    }
    let why = "only the dashboard's own page may change something";
    Refusal::said(StatusCode::FORBIDDEN, why).into_response()
}

fn reading_key(token: &Secret) -> String {
    let digest = Sha256::digest(format!("bench-analyzer reading key: {}", token.expose()));
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The value of a header that stands there exactly once.
fn only<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Compares without telling by the time how much was right.
fn same(given: &str, known: &str) -> bool {
    Sha256::digest(given) == Sha256::digest(known)
}
