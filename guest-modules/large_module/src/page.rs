//! The page with all articles.

use std::collections::BTreeMap;

use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::article::{Article, Link};

/// A site as its author describes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Site {
    /// Above everything.
    pub title: String,
    /// In the order of the page.
    pub articles: Vec<Article>,
    /// A pattern that is marked wherever it occurs.
    #[serde(default)]
    pub highlight: Option<String>,
    /// A template, if the one here does not suit.
    #[serde(default)]
    pub template: Option<String>,
}

/// Article as a template sees it.
#[derive(Serialize)]
struct Rendered {
    title: String,
    anchor: String,
    tags: Vec<String>,
    html: String,
    links: Vec<Link>,
}

const TEMPLATE: &str = include_str!("page.html");

/// Number of words in the index.
const INDEX_WORDS: usize = 12;

/// Renders the site.
///
/// # Errors
///
/// What is wrong with its template or its pattern.
pub fn render(site: &Site) -> Result<String, String> {
    let highlight = site.highlight.as_deref().map(Regex::new).transpose();
    let highlight = highlight.map_err(|error| format!("failed to read highlight: {error}"))?;
    let address = Regex::new("^https?://(?<host>[^/:?#]+)").map_err(|error| error.to_string())?;
    let article = |article: &Article| Rendered {
        title: article.title.clone(),
        anchor: article.anchor(),
        tags: article.tags.clone(),
        html: article.html(highlight.as_ref()),
        links: article.links(&address),
    };
    let articles: Vec<Rendered> = site.articles.iter().map(article).collect();

    let mut environment = Environment::new();
    let source = site.template.as_deref().unwrap_or(TEMPLATE);
    // Named like a page, so that the engine escapes what it prints.
    environment
        .add_template("page.html", source)
        .map_err(|error| format!("failed to read the template: {error}"))?;
    let page = environment.get_template("page.html").and_then(|template| {
        let articles = Value::from(Serde(&articles));
        let index = Value::from(Serde(index(site)));
        template.render(context! { title => site.title.as_str(), articles, index })
    });
    page.map_err(|error| format!("failed to fill in the template: {error}"))
}

/// The most frequent words of all articles, the most frequent first.
fn index(site: &Site) -> Vec<(String, usize)> {
    let mut words = BTreeMap::new();
    for (word, count) in site.articles.iter().flat_map(Article::words) {
        *words.entry(word).or_insert(0) += count;
    }
    let mut words: Vec<(String, usize)> = words.into_iter().collect();
    words.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    words.truncate(INDEX_WORDS);
    words
}

/// A site that uses everything.
pub(crate) fn example() -> Site {
    let article = |title: &str, tags: &[&str], markdown: &str| Article {
        title: title.to_owned(),
        tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
        markdown: markdown.to_owned(),
    };
    let walk = "We went *quietly*, past the oak at the [old gate](https://example.org/trees).\n\n\
                | tree | height |\n|---|---|\n| oak | 23 m |\n| ash | ~~19~~ 20 m |\n";
    let trouble = "Somebody wrote <script>alert('oak')</script> on it.\n\n\
                   > Do not feed the parser.\n\n1. Read\n2. Escape\n\n```rust\nfn main() {}\n```\n";
    Site {
        title: "Field notes".to_owned(),
        articles: vec![
            article("A walk in the woods", &["trees", "slow"], walk),
            article("Trouble & strife", &[], trouble),
        ],
        highlight: Some(r"\boaks?\b".to_owned()),
        template: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_of_its_own_is_used() {
        let mut site = example();
        site.template = Some("{{ title|upper }}: {{ articles|length }}".to_owned());
        assert_eq!(render(&site).unwrap(), "FIELD NOTES: 2");
    }

    #[test]
    fn the_index_starts_with_the_most_frequent_word() {
        assert_eq!(index(&example())[0], ("oak".to_owned(), 3));
    }
}
