//! Articles: Markdown, and what can be read from it.

use std::collections::BTreeMap;

use pulldown_cmark::{Event, Options, Parser, Tag, html};
use regex::Regex;
use serde::{Deserialize, Serialize};

/// An article as its author wrote it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Article {
    /// The headline.
    pub title: String,
    /// In any order.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Its text in Markdown.
    pub markdown: String,
}

/// A link that leads out of the site.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Link {
    /// Where to.
    pub address: String,
    /// Whose it is.
    pub host: String,
}

impl Article {
    /// The name of the article in addresses: lower case, with hyphens.
    #[must_use]
    pub fn anchor(&self) -> String {
        let mut anchor = String::new();
        for character in self.title.chars() {
            if character.is_alphanumeric() {
                anchor.extend(character.to_lowercase());
            } else if !anchor.ends_with('-') {
                anchor.push('-');
            }
        }
        anchor.trim_matches('-').to_owned()
    }

    /// The text as HTML. What the author wrote as HTML is shown as text, not trusted.
    #[must_use]
    pub fn html(&self, highlight: Option<&Regex>) -> String {
        let events = self.events().map(|event| match event {
            Event::Html(raw) | Event::InlineHtml(raw) => Event::Text(raw),
            Event::Text(text) => match highlight {
                Some(pattern) if pattern.is_match(&text) => marked(&text, pattern),
                _ => Event::Text(text),
            },
            other => other,
        });
        let mut page = String::new();
        html::push_html(&mut page, events);
        page
    }

    /// Counts each word of the text, in lower case.
    #[must_use]
    pub fn words(&self) -> BTreeMap<String, usize> {
        let mut words = BTreeMap::new();
        for event in self.events() {
            let Event::Text(text) = event else { continue };
            for word in text.split(|character: char| !character.is_alphanumeric()) {
                if word.chars().count() > 2 {
                    *words.entry(word.to_lowercase()).or_insert(0) += 1;
                }
            }
        }
        words
    }

    /// The links that leave the site, each once.
    #[must_use]
    pub fn links(&self, address: &Regex) -> Vec<Link> {
        let targets = self.events().filter_map(|event| match event {
            Event::Start(Tag::Link { dest_url, .. }) => Some(dest_url),
            _ => None,
        });
        let mut links: Vec<Link> = targets
            .filter_map(|target| {
                let host = address.captures(&target)?.name("host")?.as_str().to_owned();
                Some(Link { address: target.into_string(), host })
            })
            .collect();
        links.sort();
        links.dedup();
        links
    }

    fn events(&self) -> Parser<'_> {
        Parser::new_ext(&self.markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH)
    }
}

/// Text in which whatever matches is marked, and everything is escaped.
fn marked<'a>(text: &str, pattern: &Regex) -> Event<'a> {
    let mut page = String::new();
    let mut rest = 0;
    for found in pattern.find_iter(text).filter(|found| !found.is_empty()) {
        push_escaped(&mut page, &text[rest..found.start()]);
        page.push_str("<mark>");
        push_escaped(&mut page, found.as_str());
        page.push_str("</mark>");
        rest = found.end();
    }
    push_escaped(&mut page, &text[rest..]);
    Event::InlineHtml(page.into())
}

fn push_escaped(page: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '&' => page.push_str("&amp;"),
            '"' => page.push_str("&quot;"),
            other => page.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn article(markdown: &str) -> Article {
        let (title, markdown) = ("Été, again!".to_owned(), markdown.to_owned());
        Article { title, tags: Vec::new(), markdown }
    }

    #[test]
    fn anchors_are_words_and_hyphens() {
        assert_eq!(article("").anchor(), "été-again");
    }

    #[test]
    fn html_of_the_author_is_text() {
        let html = article("a <b onclick=x>b</b>").html(None);
        assert_eq!(html, "<p>a &lt;b onclick=x&gt;b&lt;/b&gt;</p>\n");
    }

    #[test]
    fn matches_are_marked_and_escaped() {
        let pattern = Regex::new("o.k").unwrap();
        let html = article("an oak & an o&k").html(Some(&pattern));
        assert_eq!(html, "<p>an <mark>oak</mark> &amp; an <mark>o&amp;k</mark></p>\n");
    }

    #[test]
    fn words_are_counted_without_their_markup() {
        let words = article("# Oak\n\n*oak* and `oak`, an ash").words();
        assert_eq!(words["oak"], 2);
        assert_eq!(words.keys().collect::<Vec<_>>(), ["and", "ash", "oak"]);
    }
}
