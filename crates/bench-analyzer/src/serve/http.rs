//! As much of HTTP/1.1 as a local page needs: one request a connection, all of it limited.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::refusal::Refusal;

/// A request that was read to its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: HashMap<String, String>,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// The value of a header that stands there exactly once.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(one, _)| one.eq_ignore_ascii_case(name));
        let (_, value) = values.next()?;
        values.next().is_none().then_some(value)
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// Takes it for one that asks for the whole answer, and says how much is to be sent of it.
    pub(super) fn take_part(&mut self) -> Part {
        if self.method == "HEAD" {
            "GET".clone_into(&mut self.method);
            Part::Head
        } else {
            Part::Whole
        }
    }

    /// A parameter that counts something.
    pub(super) fn number(&self, name: &str) -> Result<Option<usize>, Refusal> {
        let read = |text: &str| text.parse().map_err(|_| format!("`{name}` has to be a number"));
        self.parameter(name).map(read).transpose().map_err(|why| Refusal::Said(400, why))
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Response {
    status: u16,
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Response {
    pub(super) fn text(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, content_type, headers: Vec::new(), body: body.into() }
    }

    pub(super) fn html(body: String) -> Self {
        Self::text("text/html; charset=utf-8", body)
    }

    pub(super) fn json(value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self::text("application/json", body),
            Err(error) => Self::refusal(500, &error.to_string()),
        }
    }

    /// Says no, and why.
    pub(super) fn refusal(status: u16, why: &str) -> Self {
        let body = serde_json::json!({ "error": why }).to_string();
        Self { status, ..Self::text("application/json", body) }
    }

    /// Says what is being done, and that asking again will help.
    pub(super) fn not_yet(what: &str) -> Self {
        let body = serde_json::json!({ "not_yet": what }).to_string();
        Self { status: 202, ..Self::text("application/json", body) }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, ..Self::text("text/plain", "") }
    }

    pub(super) fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// All of it, or what comes before the body.
    fn bytes(&self, part: Part) -> Vec<u8> {
        let reason = match self.status {
            200 => "OK",
            202 => "Accepted",
            204 => "No Content",
            303 => "See Other",
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            413 => "Content Too Large",
            421 => "Misdirected Request",
            503 => "Service Unavailable",
            _ => "Internal Server Error",
        };
        let mut head = format!("HTTP/1.1 {} {reason}\r\n", self.status);
        for (name, value) in FOR_ALL {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(
            head,
            "Content-Type: {}\r\nContent-Length: {}\r\n\r\n",
            self.content_type,
            self.body.len()
        );
        match part {
            Part::Whole => [head.as_bytes(), &self.body].concat(),
            Part::Head => head.into_bytes(),
        }
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Said(status, why) => Self::refusal(status, &why),
            Refusal::NotYet(what) => Self::not_yet(&what),
        }
    }
}

/// How much of an answer somebody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Head,
}

/// Headers of every answer: no source from elsewhere is loaded, nobody frames the page, and no answer is kept.
const FOR_ALL: [(&str, &str); 7] = [
    ("Connection", "close"),
    ("Cache-Control", "no-store"),
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
         img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
];

const MAX_HEAD: usize = 16 * 1024;
const MAX_BODY: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// For a request to arrive, and for an answer to leave.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads one request. Nothing comes back if the visitor went away.
pub(super) async fn receive(stream: &mut TcpStream) -> Result<Option<Request>, Response> {
    tokio::time::timeout(PATIENCE, read(stream))
        .await
        .unwrap_or_else(|_| Err(Response::refusal(408, "the request took too long")))
}

/// Answers, and closes the connection.
pub(super) async fn send(stream: &mut TcpStream, response: &Response, part: Part) {
    let bytes = response.bytes(part);
    let written = async {
        stream.write_all(&bytes).await?;
        stream.shutdown().await
    };
    let _ = tokio::time::timeout(PATIENCE, written).await;
}

async fn read(stream: &mut TcpStream) -> Result<Option<Request>, Response> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let Ok(count) = stream.read(&mut buffer).await else { return Ok(None) };
        if count == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&buffer[..count]);
        if let Some((mut request, start, length)) = parse(&bytes)? {
            while bytes.len() < start + length {
                let Ok(count) = stream.read(&mut buffer).await else { return Ok(None) };
                if count == 0 {
                    return Ok(None);
                }
                bytes.extend_from_slice(&buffer[..count]);
            }
            request.body = bytes[start..start + length].to_vec();
            return Ok(Some(request));
        }
        if bytes.len() > MAX_HEAD {
            return Err(too_large());
        }
    }
}

fn too_large() -> Response {
    Response::refusal(413, "the request's head is too large")
}

/// The request, where its body begins and how long that is; nothing while the head is not whole.
fn parse(bytes: &[u8]) -> Result<Option<(Request, usize, usize)>, Response> {
    let bad = |why: &str| Response::refusal(400, why);
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let start = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(start)) => start,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(bad(&error.to_string())),
    };
    if start > MAX_HEAD {
        return Err(too_large());
    }
    let target = parsed.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    for header in parsed.headers.iter() {
        let value = std::str::from_utf8(header.value).map_err(|_| bad("a header is not text"))?;
        request.headers.push((header.name.to_owned(), value.trim().to_owned()));
    }
    let has = |name: &str| request.headers.iter().any(|(one, _)| one.eq_ignore_ascii_case(name));
    if has("transfer-encoding") {
        return Err(bad("bodies have to say their length"));
    }
    let length = match (has("content-length"), request.header("content-length")) {
        (false, _) => 0,
        (true, Some(text)) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().unwrap_or(usize::MAX)
        }
        (true, _) => return Err(bad("the body's length is no number")),
    };
    if length > MAX_BODY {
        return Err(Response::refusal(413, "the body is too large"));
    }
    Ok(Some((request, start, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Option<(Request, usize, usize)>, u16> {
        parse(text.as_bytes()).map_err(|refusal| refusal.status)
    }

    #[test]
    fn a_request_is_taken_apart() {
        let text = "GET /api/series?benchmark=a%2Fb+c&x HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let (request, start, length) = parsed(text).unwrap().unwrap();
        assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/api/series"));
        assert_eq!(request.parameter("benchmark"), Some("a/b c"));
        assert_eq!(request.header("HOST"), Some("localhost"));
        assert_eq!((start, length), (text.len(), 0));
        assert!(parsed(&text[..text.len() - 1]).unwrap().is_none());
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        let with = |headers: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        assert_eq!(parsed(&with("Transfer-Encoding: chunked\r\n")).unwrap_err(), 400);
        assert_eq!(parsed(&with("Content-Length: 1\r\nContent-Length: 2\r\n")).unwrap_err(), 400);
        assert_eq!(parsed(&with("Content-Length: +1\r\n")).unwrap_err(), 400);
        assert_eq!(parsed(&with("Content-Length: 99999999999999999999\r\n")).unwrap_err(), 413);
        assert_eq!(parsed("GET / HTTP/1.1\r\nbad header\r\n\r\n").unwrap_err(), 400);
        let twice = parsed(&with("Host: b\r\n")).unwrap().unwrap().0;
        assert_eq!(twice.header("host"), None);
    }
}
