//! Markdown, as on a forge, to HTML.

use std::error::Error;

use pulldown_cmark::{Options, Parser, html};

/// Renders a document, with tables, footnotes, task lists and struck-out text.
///
/// # Errors
/// If the document is not UTF-8.
pub fn run(input: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let document = str::from_utf8(input)?;
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_STRIKETHROUGH;
    let mut page = String::with_capacity(document.len() * 3 / 2);
    html::push_html(&mut page, Parser::new_ext(document, options));
    Ok(page.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_becomes_a_table() {
        let page = run(b"# A\n\n| b | c |\n|---|---|\n| *d* | `e` |\n").unwrap();
        let page = String::from_utf8(page).unwrap();
        for part in ["<h1>A</h1>", "<th>b</th>", "<td><em>d</em></td>", "<code>e</code>"] {
            assert!(page.contains(part), "{part} is missing in {page}");
        }
    }
}
