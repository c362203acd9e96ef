//! From requests to notes.

use serde::{Deserialize, Serialize};

use crate::notes::{Note, Notes};

/// A request as an HTTP server would pass it on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// `GET`, `POST` or `DELETE`.
    pub method: String,
    /// `/notes`, `/notes?tag=x` or `/notes/1`.
    pub path: String,
    /// JSON, or nothing.
    pub body: String,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// As in HTTP.
    pub status: u16,
    /// JSON, or what is wrong.
    pub body: String,
}

impl Request {
    /// Makes a request.
    #[must_use]
    pub fn new(method: &str, path: &str, body: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), body: body.to_owned() }
    }
}

/// Where a path leads.
enum Route<'a> {
    All { tag: Option<&'a str> },
    One(u32),
}

pub(crate) fn handle(request: &Request) -> Response {
    let Some(route) = Route::of(&request.path) else { return not_found() };
    Notes::with(|notes| match (request.method.as_str(), route) {
        ("GET", Route::All { tag }) => json(200, &notes.tagged(tag)),
        ("POST", Route::All { .. }) => create(notes, &request.body),
        ("GET", Route::One(id)) => notes.get(id).map_or_else(not_found, |note| json(200, note)),
        ("DELETE", Route::One(id)) => match notes.remove(id) {
            Some(_) => Response { status: 204, body: String::new() },
            None => not_found(),
        },
        _ => Response { status: 405, body: format!("{} is not possible here", request.method) },
    })
}

fn create(notes: &mut Notes, body: &str) -> Response {
    match serde_json::from_str::<Note>(body) {
        Ok(note) if note.title.trim().is_empty() => {
            Response { status: 422, body: "a note needs a title".to_owned() }
        }
        Ok(note) => json(201, &notes.insert(note)),
        Err(error) => Response { status: 400, body: error.to_string() },
    }
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        if path == "/notes" {
            let tag = query.split('&').find_map(|pair| pair.strip_prefix("tag="));
            return Some(Self::All { tag });
        }
        let id = path.strip_prefix("/notes/")?.parse().ok()?;
        Some(Self::One(id))
    }
}

fn json<T: Serialize>(status: u16, value: &T) -> Response {
    match serde_json::to_string(value) {
        Ok(body) => Response { status, body },
        Err(error) => Response { status: 500, body: error.to_string() },
    }
}

fn not_found() -> Response {
    Response { status: 404, body: "there is no such thing".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(method: &str, path: &str, body: &str) -> (u16, String) {
        let Response { status, body } = handle(&Request::new(method, path, body));
        (status, body)
    }

    #[test]
    fn notes_can_be_made_found_and_removed() {
        assert_eq!(answer("POST", "/notes", r#"{"title":"a","tags":["x"]}"#), (201, "1".into()));
        assert_eq!(answer("POST", "/notes", r#"{"title":"b"}"#), (201, "2".into()));
        let a = r#"{"id":1,"title":"a","text":"","tags":["x"]}"#;
        assert_eq!(answer("GET", "/notes/1", ""), (200, a.to_owned()));
        assert_eq!(answer("GET", "/notes?tag=x", ""), (200, format!("[{a}]")));
        assert_eq!(answer("DELETE", "/notes/1", ""), (204, String::new()));
        assert_eq!(answer("GET", "/notes?tag=x", ""), (200, "[]".into()));
    }

    #[test]
    fn bad_requests_have_answers() {
        assert_eq!(answer("POST", "/notes", "{").0, 400);
        assert_eq!(answer("POST", "/notes", r#"{"title":" "}"#).0, 422);
        assert_eq!(answer("GET", "/notes/77", "").0, 404);
        assert_eq!(answer("GET", "/elsewhere", "").0, 404);
        assert_eq!(answer("PATCH", "/notes", "").0, 405);
    }
}
