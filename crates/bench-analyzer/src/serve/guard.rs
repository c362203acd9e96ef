//! Who is let in.

use std::net::SocketAddr;

use sha2::{Digest, Sha256};

use super::http::{Request, Response};
use crate::secret::{Secret, random_token};

/// Knows the server's names and secrets.
#[derive(Debug)]
pub(super) struct Guard {
    hosts: Vec<String>,
    token: Option<Secret>,
    cookie: String,
    csrf: String,
}

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
        Self { hosts, token, cookie: format!("bench_analyzer_{port}"), csrf: random_token() }
    }

    /// Token that only the dashboard's own page knows.
    pub(super) fn csrf(&self) -> &str {
        &self.csrf
    }

    /// Whether a request may be looked at.
    pub(super) fn admit(&self, request: &Request) -> Result<(), Response> {
        let host = request.header("host").unwrap_or_default().to_ascii_lowercase();
        if !self.hosts.contains(&host) {
            return Err(Response::refusal(
                421,
                "this server is not known by that name; `serve --host NAME` adds one",
            ));
        }
        let Some(token) = &self.token else { return Ok(()) };
        if let Some(given) = request.parameter("token")
            && request.method == "GET"
            && request.path == "/"
            && same(given, token.expose())
        {
            // Out of the address bar, and into a cookie that no script reads.
            let cookie = format!("{}={given}; HttpOnly; SameSite=Strict; Path=/", self.cookie);
            let seen = Response::empty(303).with_header("Location", "/".to_owned());
            return Err(seen.with_header("Set-Cookie", cookie));
        }
        let bearer = request.header("authorization").and_then(|text| text.strip_prefix("Bearer "));
        let cookie = request
            .header("cookie")
            .into_iter()
            .flat_map(|text| text.split(';'))
            .find_map(|one| one.trim().strip_prefix(self.cookie.as_str())?.strip_prefix('='));
        if bearer.into_iter().chain(cookie).any(|given| same(given, token.expose())) {
            return Ok(());
        }
        Err(Response::refusal(401, "open the address with ?token=... that `serve` was given"))
    }

    /// Whether a request that changes something comes from the dashboard's own page.
    pub(super) fn admit_change(&self, request: &Request) -> Result<(), Response> {
        let host = request.header("host").unwrap_or_default();
        let origin = request.header("origin");
        let own = origin.is_none_or(|origin| {
            origin.split_once("://").is_some_and(|(_, name)| name.eq_ignore_ascii_case(host))
        });
        let site = request.header("sec-fetch-site").is_none_or(|site| site == "same-origin");
        let json = request.header("content-type").is_some_and(|kind| kind == "application/json");
        let given = request.header("x-csrf-token").unwrap_or_default();
        let knows = !self.csrf.is_empty() && same(given, &self.csrf);
        if own && site && json && knows {
            Ok(())
        } else {
            Err(Response::refusal(403, "only the dashboard's own page may change something"))
        }
    }
}

/// Compares without telling by the time how much was right.
fn same(given: &str, known: &str) -> bool {
    Sha256::digest(given) == Sha256::digest(known)
}
