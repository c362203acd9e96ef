//! Text that is never shown.

use std::fmt;

/// An address that lets its bearer write, or a password. Only what is harmless is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text to itself.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for what needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Takes the secret out of a text that came from elsewhere, such as an error message.
    pub fn redact(&self, text: &str) -> String {
        let mut text = text.replace(&self.0, &self.to_string());
        // Parts of an address are as good as the whole.
        if let Some((_, rest)) = self.0.split_once("://")
            && let Some((_, path)) = rest.split_once('/')
        {
            let whole = path.trim_end_matches('/');
            if whole.len() >= 4 {
                text = text.replace(whole, "...");
            }
        }
        if let Some(user) = self.user_info() {
            text = text.replace(user, "...");
        }
        text
    }

    fn user_info(&self) -> Option<&str> {
        let (_, rest) = self.0.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        authority.rsplit_once('@').map(|(user, _)| user).filter(|user| !user.is_empty())
    }
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
}
