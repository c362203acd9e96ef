//! Typical plugin: a small application with state, a router and JSON.
//!
//! It keeps notes. Each request names a method and a path; bodies are JSON.

use sandbox_guest::export;

mod notes;
mod router;

pub use notes::Note;
pub use router::{Request, Response};

/// Answers a request. Notes live as long as the instance.
#[export]
#[must_use]
pub fn handle(request: &Request) -> Response {
    router::handle(request)
}

/// Shows a host whether the application has started: a note goes in, comes back out, and is removed. Returns the
/// number of bytes of the note's JSON.
#[export]
#[must_use]
pub fn smoke_test() -> u32 {
    let note = r#"{"title":"hello","text":"world","tags":["first"]}"#;
    let created = handle(&Request::new("POST", "/notes", note));
    let path = format!("/notes/{}", created.body.trim());
    let read = handle(&Request::new("GET", &path, ""));
    let removed = handle(&Request::new("DELETE", &path, ""));
    let went_well = (created.status, read.status, removed.status) == (201, 200, 204);
    if went_well { u32::try_from(read.body.len()).unwrap_or(u32::MAX) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_application_starts() {
        assert_eq!(smoke_test(), 56);
    }
}
