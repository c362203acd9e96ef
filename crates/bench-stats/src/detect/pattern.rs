//! Names with wildcards.

use serde::Serialize;

/// A name in which `*` stands for any characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// Takes the text as a pattern.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether the whole name matches.
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
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
}
