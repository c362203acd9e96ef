//! A large program: renders a site from JSON, Markdown, templates and regular expressions.
//!
//! The input is a JSON document with articles in Markdown and, if the one here does not suit, a
//! template. The output is the site: one HTML page with all articles, a table of contents, an index
//! of words and the links that lead out.

use sandbox_guest::export;

mod article;
mod page;

pub use article::{Article, Link};
pub use page::{Site, render};

/// Renders the site that a JSON document describes.
///
/// # Errors
///
/// What is wrong with the document, its template or a pattern in it.
#[export]
pub fn run(input: &[u8]) -> Result<Vec<u8>, String> {
    let site: Site = serde_json::from_slice(input).map_err(|error| error.to_string())?;
    Ok(render(&site)?.into_bytes())
}

/// A document that uses everything, for those who need an input.
#[must_use]
pub fn example() -> String {
    serde_json::to_string(&page::example()).expect("the example has nothing that JSON cannot say")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_becomes_a_page() {
        let page = String::from_utf8(run(example().as_bytes()).unwrap()).unwrap();
        for part in [
            "<h1>Field notes</h1>",
            "<a href=\"#a-walk-in-the-woods\">A walk in the woods</a>",
            "<em>quietly</em>",
            "<td>oak</td>",
            "https://example.org/trees (example.org)",
            "<mark>oak</mark>",
            "&lt;script&gt;",
        ] {
            assert!(page.contains(part), "{part} is missing in\n{page}");
        }
        assert!(!page.contains("<script>"), "{page}");
    }

    #[test]
    fn errors_name_their_cause() {
        for (input, part) in [
            ("{", "EOF"),
            (r#"{"title":"x","articles":[],"highlight":"("}"#, "highlight"),
            (r#"{"title":"x","articles":[],"template":"{% if %}"}"#, "template"),
        ] {
            let message = run(input.as_bytes()).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }
}
