//! Text that is never shown, and variables that are never passed on.

use std::collections::BTreeSet;
use std::fmt;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE};

use crate::child;

/// An address that lets its bearer write, or a password. Only what is harmless is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// What is shorter says nothing, and would be found everywhere.
const SHORTEST: usize = 4;

impl Secret {
    /// Keeps a text to itself.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for what needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The password in the address of a server, if there is one.
    pub fn password_in(address: &str) -> Option<Self> {
        let (_, rest) = address.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let of_user = authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':'));
        let option = rest.split(['?', '&']).find_map(|pair| pair.strip_prefix("password="));
        let password = of_user.map(|(_, password)| password).or(option)?;
        Some(Self::new(decoded(password)))
    }

    /// Takes the secret out of a text that came from elsewhere, such as an error message: the
    /// whole of it, every part of an address, and all forms in which they travel.
    pub fn redact(&self, text: &str) -> String {
        let mut text = if self.0.is_empty() {
            text.to_owned()
        } else {
            text.replace(&self.0, &self.to_string())
        };
        for form in self.forms() {
            text = without(&text, &form);
        }
        text
    }

    /// Everything that is as good as the secret, longest first.
    fn forms(&self) -> Vec<String> {
        let mut forms = BTreeSet::new();
        for part in self.parts() {
            let plain = decoded(&part);
            for text in [&part, &plain] {
                let encoded = form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                forms.insert(encoded.replace('+', "%20"));
                forms.insert(encoded);
                forms.insert(text.replace('&', "&amp;"));
                let json = serde_json::to_string(text).unwrap_or_default();
                forms.insert(json.trim_matches('"').to_owned());
                for bytes in [BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE] {
                    forms.insert(bytes.encode(text.as_bytes()));
                }
                forms.insert(text.clone());
            }
        }
        let mut forms: Vec<String> =
            forms.into_iter().filter(|form| form.len() >= SHORTEST).collect();
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        forms
    }

    /// The secret, and if it is an address, all that comes with its host: who logs in, the path and
    /// its segments, the query and its values.
    fn parts(&self) -> Vec<String> {
        let Some((_, rest)) = self.0.split_once("://") else { return vec![self.0.clone()] };
        let mut parts = Vec::new();
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        if let Some((user_info, _)) = authority.rsplit_once('@') {
            parts.push(user_info.to_owned());
            let password = user_info.split_once(':').map(|(_, password)| password);
            parts.extend(password.map(str::to_owned));
            // As it stands in a header.
            parts.push(decoded(user_info));
        }
        let whole = rest.trim_start_matches('/').trim_end_matches('/');
        parts.push(whole.to_owned());
        let (path, tail) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
        parts.push(path.trim_matches('/').to_owned());
        let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let last = segments.len().saturating_sub(1);
        let telling = segments.iter().enumerate().filter(|(at, one)| *at == last || !is_word(one));
        parts.extend(telling.map(|(_, one)| (*one).to_owned()));
        for pair in tail.split(['?', '#', '&', ';']) {
            parts.push(pair.split_once('=').map_or(pair, |(_, value)| value).to_owned());
        }
        parts.retain(|part| part.len() >= SHORTEST);
        parts
    }
}

/// 192 random bits, as text that fits into an address.
pub fn random_token() -> String {
    let mut bytes = [0; 24];
    // Without randomness there is no secret, and nobody is let in: a digest of nothing known.
    if getrandom::fill(&mut bytes).is_err() {
        return String::new();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a segment of a path is a word, such as `services`, that a text may well hold.
fn is_word(segment: &str) -> bool {
    segment.len() <= 12 && segment.chars().all(|c| c.is_ascii_lowercase() || c == '-' || c == '_')
}

/// What `%41` and `+` stand for.
fn decoded(text: &str) -> String {
    let pair = format!("x={}", text.replace('&', "%26"));
    form_urlencoded::parse(pair.as_bytes()).next().map_or_else(String::new, |(_, v)| v.into_owned())
}

/// A text without another, in whatever case the latter's letters are.
fn without(text: &str, hidden: &str) -> String {
    if !text.is_ascii() || !hidden.is_ascii() {
        return text.replace(hidden, "...");
    }
    let (lower, wanted) = (text.to_ascii_lowercase(), hidden.to_ascii_lowercase());
    let mut kept = String::with_capacity(text.len());
    let mut from = 0;
    while let Some(at) = lower[from..].find(&wanted) {
        kept.push_str(&text[from..from + at]);
        kept.push_str("...");
        from += at + wanted.len();
    }
    kept.push_str(&text[from..]);
    kept
}

/// The scheme and host of an address, and nothing of anything else.
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_once("://") {
            Some((scheme, rest)) => {
                let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
                let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
                write!(f, "{scheme}://{host}/...")
            }
            None => f.write_str("..."),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// All that must not get out: secrets, which are taken out of every text that may travel, and the
/// variables that hold them, which no command inherits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confidential {
    hidden: Vec<Secret>,
    variables: BTreeSet<String>,
}

impl Confidential {
    /// Keeps a secret.
    pub fn add(&mut self, secret: Secret) {
        self.hidden.push(secret);
    }

    /// Keeps a variable, whose value is a secret, from commands.
    pub fn withhold(&mut self, variable: &str) {
        self.variables.insert(variable.to_owned());
    }

    /// Takes all secrets out of a text.
    pub fn redact(&self, text: &str) -> String {
        self.hidden.iter().fold(text.to_owned(), |text, secret| secret.redact(&text))
    }

    /// Whether a command may inherit a variable.
    pub fn may_inherit(&self, variable: &str) -> bool {
        !self.variables.contains(variable) && !child::is_of_the_store(variable)
    }

    /// Makes a command that inherits nothing that it may not; and if there is a list of what it may,
    /// nothing else. A name on it may end in `*`.
    pub(crate) fn command(&self, program: &str, allowed: Option<&[String]>) -> Command {
        child::command(program, |name| match (name, allowed) {
            (None, allowed) => allowed.is_none(),
            (Some(name), None) => self.may_inherit(name),
            (Some(name), Some(allowed)) => {
                self.may_inherit(name) && allowed.iter().any(|one| child::matches(one, name))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_host_of_an_address_is_shown() {
        let secret = Secret::new("https://bot:hunter2@hooks.example.com/services/T0/B0/xyz?key=k1");
        assert_eq!(secret.to_string(), "https://hooks.example.com/...");
        assert_eq!(format!("{secret:?}"), "https://hooks.example.com/...");
        let said = "POST https://bot:hunter2@hooks.example.com/services/T0/B0/xyz?key=k1 failed; \
                    path services/T0/B0/xyz?key=k1, user bot:hunter2";
        let redacted = secret.redact(said);
        for part in ["hunter2", "xyz", "k1"] {
            assert!(!redacted.contains(part), "{redacted}");
        }
        assert_eq!(Secret::new("word").to_string(), "...");
    }

    #[test]
    fn every_part_of_a_secret_is_taken_out_in_every_form() {
        let secret =
            Secret::new("https://bot:hun%74er2@h.example/services/T0KEN%2Fabc?key=v4lue&b=x%20yz");
        for said in [
            "no such hook: T0KEN%2Fabc",
            "no such hook: T0KEN%2fabc",
            "no such hook: T0KEN/abc",
            "bad value v4lue",
            "bad value V4LUE",
            "x yz is no key",
            "x+yz is no key",
            "user hunter2",
            "authorization: Basic Ym90Omh1bnRlcjI=",
            "Basic Ym90Omh1bnRlcjI",
        ] {
            let redacted = secret.redact(said).to_lowercase();
            for part in ["t0ken", "v4lue", "x yz", "x+yz", "hunter2", "ym90"] {
                assert!(!redacted.contains(part), "{said}: {redacted}");
            }
        }
        assert_eq!(secret.redact("nothing of it"), "nothing of it");
    }

    #[test]
    fn commands_inherit_no_secret() {
        let mut confidential = Confidential::default();
        confidential.withhold("SLACK_WEBHOOK");
        for name in ["SLACK_WEBHOOK", "BENCH_ANALYZER_DB", "PGPASSWORD", "PGHOST"] {
            assert!(!confidential.may_inherit(name), "{name}");
        }
        assert!(confidential.may_inherit("PATH") && confidential.may_inherit("RUSTFLAGS"));
    }
}
