//! Addresses that take JSON over HTTP.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::{Value, json};

use super::DeliveryError;
use crate::continuous::notice::Notice;
use crate::secret::Secret;

/// An address that takes JSON. The address itself is the secret.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// The address.
    pub url: Secret,
    /// What it understands.
    pub shape: WebhookShape,
    /// How long a delivery may take.
    pub timeout: Duration,
}

/// The JSON that a receiver understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookShape {
    /// The notice itself.
    Json,
    /// Slack's incoming webhooks, and what imitates them.
    Slack,
    /// Discord's webhooks.
    Discord,
    /// Microsoft Teams' workflows, as an adaptive card.
    Teams,
}

/// The longest wait that a receiver may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// Of an answer nobody reads more.
const MAX_ANSWER: u64 = 4096;
/// Discord refuses contents longer than 2000 characters; the others allow more.
const MAX_DISCORD: usize = 1900;
const MAX_SLACK: usize = 2900;

impl Webhook {
    /// Sends a notice. Only an answer with a status from 200 to 299 means that it arrived, and
    /// redirections are not followed, since the receiver's address would become another.
    ///
    /// # Errors
    /// If anything else comes back, or nothing in time.
    pub fn deliver(&self, notice: &Notice) -> Result<(), DeliveryError> {
        let hidden = |reason: String| DeliveryError::new(self.url.redact(&reason));
        let body = serde_json::to_vec(&self.body(notice)).map_err(|e| hidden(e.to_string()))?;
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(self.timeout))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(concat!("bench-analyzer/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        let answer = agent
            .post(self.url.expose())
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", &notice.id)
            .send(&body[..]);
        let mut answer = answer.map_err(|error| hidden(error.to_string()))?;
        let status = answer.status();
        // The answer has to be whole: one that breaks off may come from something in between.
        let text = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_vec();
        if status.is_success() {
            return match text {
                Ok(_) | Err(ureq::Error::BodyExceedsLimit(_)) => Ok(()),
                Err(error) => Err(hidden(format!("the answer broke off: {error}"))),
            };
        }
        let said = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
        let said: String = said.chars().filter(|c| !c.is_control()).take(200).collect();
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let retry_after = header("retry-after")
            .and_then(|text| wait_asked_for(text, header("date"), Timestamp::now()))
            .map(|wait| wait.min(MAX_RETRY_AFTER));
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        Err(DeliveryError { retry_after, ..hidden(format!("it answered {status}{said}")) })
    }

    fn body(&self, notice: &Notice) -> Value {
        let lines = notice.lines();
        match self.shape {
            WebhookShape::Json => serde_json::to_value(notice).unwrap_or_default(),
            WebhookShape::Slack => {
                let lines = shortened(&lines, MAX_SLACK);
                let text: Vec<String> =
                    lines.iter().map(|line| format!("• {}", slack(line))).collect();
                json!({
                    "text": slack(&notice.title()),
                    "blocks": [
                        {"type": "section", "text": {"type": "mrkdwn",
                            "text": format!("*{}*", slack(&notice.title()))}},
                        {"type": "section", "text": {"type": "mrkdwn", "text": text.join("\n")}},
                        {"type": "context", "elements": [
                            {"type": "mrkdwn", "text": slack(&notice.footer())}]},
                    ],
                })
            }
            WebhookShape::Discord => {
                let lines = shortened(&lines, MAX_DISCORD - notice.title().len().min(500));
                let lines: Vec<String> =
                    lines.iter().map(|line| format!("- {}", markdown(line))).collect();
                json!({
                    "content": format!("**{}**\n{}\n{}", markdown(&notice.title()),
                        lines.join("\n"), markdown(&notice.footer())),
                    // Nobody is to be called by a name that a benchmark happens to have.
                    "allowed_mentions": {"parse": []},
                })
            }
            WebhookShape::Teams => {
                let text =
                    |text: &str| json!({"type": "TextBlock", "text": markdown(text), "wrap": true});
                let mut body = vec![json!({"type": "TextBlock", "text": markdown(&notice.title()),
                    "weight": "Bolder", "size": "Medium", "wrap": true})];
                body.extend(shortened(&lines, 20_000).iter().map(|line| text(line)));
                body.push(text(&notice.footer()));
                json!({
                    "type": "message",
                    "attachments": [{
                        "contentType": "application/vnd.microsoft.card.adaptive",
                        "contentUrl": null,
                        "content": {
                            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                            "type": "AdaptiveCard", "version": "1.4", "body": body,
                        },
                    }],
                })
            }
        }
    }
}

/// How long a receiver asks to be left alone: so many seconds, or until a date, which is meant by
/// its own clock if it says what that shows.
fn wait_asked_for(text: &str, date: Option<&str>, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = |text: &str| DateTimeParser::new().parse_timestamp(text.trim()).ok();
    let now = date.and_then(at).unwrap_or(now);
    Some(Duration::try_from(at(text)?.duration_since(now)).unwrap_or_default())
}

/// As many lines as fit, and how many do not.
fn shortened(lines: &[String], limit: usize) -> Vec<String> {
    let mut kept = Vec::new();
    let mut length = 0;
    for (index, line) in lines.iter().enumerate() {
        let line: String = line.chars().take(400).collect();
        // Escaping may double a line, and a mark and a line break belong to it.
        length += 2 * line.len() + 4;
        if length > limit {
            kept.push(format!("and {} more", lines.len() - index));
            break;
        }
        kept.push(line);
    }
    kept
}

/// Slack takes these three characters for markup.
fn slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' => escaped.push(' '),
            '*' | '_' | '`' | '~' | '|' | '[' | ']' | '<' | '>' | '\\' => {
                escaped.extend(['\\', character]);
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers_ask_for_a_wait_in_seconds_or_until_a_date() {
        let now = "2026-01-05T00:00:00Z".parse().unwrap();
        let wait = |text, date| wait_asked_for(text, date, now).map(|wait| wait.as_secs());
        assert_eq!(wait("120", None), Some(120));
        assert_eq!(wait("Mon, 05 Jan 2026 00:02:00 GMT", None), Some(120));
        assert_eq!(
            wait("Mon, 05 Jan 2026 00:02:00 GMT", Some("Mon, 05 Jan 2026 00:01:00 GMT")),
            Some(60)
        );
        assert_eq!(wait("Sun, 04 Jan 2026 00:02:00 GMT", None), Some(0));
        assert_eq!(wait("soon", None), None);
    }
}
