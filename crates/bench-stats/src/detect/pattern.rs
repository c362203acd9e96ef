//! Names with wildcards.

use serde::{Serialize, Serializer};

/// A name in which `*` stands for any characters, or a part of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Whole,
    Part,
}

impl Pattern {
    /// Takes the text as a pattern.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), kind: Kind::Whole }
    }

    /// Takes the text as a part of a name, unless it has a star. A number in it ends where the number in the name
    /// does: `a/1000` is no part of `a/10000`.
    pub fn part_or_whole(text: impl Into<String>) -> Self {
        let text = text.into();
        let kind = if text.contains('*') { Kind::Whole } else { Kind::Part };
        Self { text, kind }
    }

    /// Whether the name matches.
    pub fn matches(&self, name: &str) -> bool {
        match self.kind {
            Kind::Whole => matches_whole(&self.text, name),
            Kind::Part => has_part(&self.text, name),
        }
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.kind {
            Kind::Whole => serializer.serialize_str(&self.text),
            Kind::Part => serializer.collect_str(&format_args!("*{}*", self.text)),
        }
    }
}

fn matches_whole(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn has_part(part: &str, name: &str) -> bool {
    let is_digit = |character: Option<char>| character.is_some_and(|one| one.is_ascii_digit());
    let (begins, ends) = (is_digit(part.chars().next()), is_digit(part.chars().next_back()));
    name.match_indices(part).any(|(at, found)| {
        let before = is_digit(name[..at].chars().next_back());
        let after = is_digit(name[at + found.len()..].chars().next());
        !(begins && before || ends && after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        let matches = |pattern: &str, name: &str| Pattern::new(pattern).matches(name);
        assert!(matches("a/*", "a/b/c"));
        assert!(matches("*copy*", "memory/copy/large"));
        assert!(matches("a*c", "ac") && matches("*", ""));
        assert!(matches("plain", "plain"));
        assert!(!matches("plain", "plain/more"));
        assert!(!matches("a*c", "abcd"));
        assert!(!matches("ab*ba", "aba"));
    }

    #[test]
    fn a_number_in_a_part_is_the_whole_number() {
        let matches = |part: &str, name: &str| Pattern::part_or_whole(part).matches(name);
        assert!(matches("a/1000", "a/1000") && matches("a/1000", "x/a/1000/y"));
        assert!(!matches("a/1000", "a/10000") && !matches("0/b", "a/10/b"));
        assert!(matches("pars", "parse/large") && matches("a/*", "a/10"));
        assert!(matches("10", "a/100/10") && !matches("10", "a/100"));
    }
}
