//! Who is told, as the file of suites says it.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
#[cfg(feature = "mail")]
use lettre::message::Mailbox;
use serde::Deserialize;

use super::duration;
use crate::continuous::channel::{Channel, ChannelKind};
#[cfg(feature = "mail")]
use crate::continuous::channel::{Email, MailLogin, MailSecurity};
#[cfg(feature = "webhooks")]
use crate::continuous::channel::{Webhook, WebhookShape};
#[cfg(any(feature = "mail", feature = "webhooks"))]
use crate::secret::Secret;

/// An `[[alert]]`; which entries it has to have depends on where it goes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    not(all(feature = "mail", feature = "webhooks")),
    expect(
        dead_code,
        reason = "entries of a receiver that is not compiled in are read all the same"
    )
)]
pub(super) struct AlertEntry {
    pub(super) to: String,
    pub(super) name: Option<String>,
    #[serde(default)]
    suites: Vec<String>,
    timeout: Option<String>,

    path: Option<Utf8PathBuf>,

    command: Option<Vec<String>>,

    url: Option<String>,
    url_env: Option<String>,
    shape: Option<String>,

    server: Option<String>,
    port: Option<u16>,
    security: Option<String>,
    user: Option<String>,
    password_env: Option<String>,
    from: Option<String>,
    #[serde(default)]
    recipients: Vec<String>,
}

const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);

impl AlertEntry {
    #[cfg_attr(
        not(any(feature = "mail", feature = "webhooks")),
        expect(unused_variables, reason = "no receiver that is compiled in has a secret")
    )]
    pub(super) fn checked(
        mut self,
        name: &str,
        folder: &Utf8Path,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Channel, String> {
        let timeout = duration("timeout", self.timeout.as_deref(), DELIVERY_TIMEOUT)?;
        let to = self.to.clone();
        let needs = |what: &str| format!("to = \"{to}\" needs {what}");
        let kind = match to.as_str() {
            "stdout" => ChannelKind::Stdout,
            "file" => {
                ChannelKind::File(folder.join(self.path.take().ok_or_else(|| needs("path"))?))
            }
            "command" => {
                let command = self.command.take().filter(|command| !command.is_empty());
                ChannelKind::Command {
                    command: command.ok_or_else(|| needs("command"))?,
                    folder: folder.to_owned(),
                    timeout,
                }
            }
            #[cfg(feature = "webhooks")]
            "webhook" => self.webhook(timeout, variable).map(ChannelKind::Webhook)?,
            #[cfg(feature = "mail")]
            "email" => self.email(timeout, variable).map(Box::new).map(ChannelKind::Email)?,
            #[cfg(not(feature = "webhooks"))]
            "webhook" => return Err(not_compiled_in("webhooks")),
            #[cfg(not(feature = "mail"))]
            "email" => return Err(not_compiled_in("mail")),
            other => {
                return Err(format!(
                    "nothing can be sent to `{other}`: write stdout, file, command, webhook or email"
                ));
            }
        };
        Ok(Channel { name: name.to_owned(), suites: self.suites, kind })
    }

    #[cfg(feature = "webhooks")]
    fn webhook(
        &mut self,
        timeout: Duration,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Webhook, String> {
        let url = match (self.url.take(), self.url_env.take()) {
            (Some(url), None) => url,
            (None, Some(name)) => {
                variable(&name).ok_or_else(|| format!("the variable {name} is not set"))?
            }
            _ => return Err("to = \"webhook\" needs either url or url_env".to_owned()),
        };
        if !(url.starts_with("https://") || url.starts_with("http://")) {
            return Err("a webhook's address starts with https:// or http://".to_owned());
        }
        let shape = match self.shape.as_deref().unwrap_or("json") {
            "json" => WebhookShape::Json,
            "slack" => WebhookShape::Slack,
            "discord" => WebhookShape::Discord,
            "teams" => WebhookShape::Teams,
            other => {
                return Err(format!(
                    "`{other}` is not a shape: write json, slack, discord or teams"
                ));
            }
        };
        Ok(Webhook { url: Secret::new(url), shape, timeout })
    }

    #[cfg(feature = "mail")]
    fn email(
        &mut self,
        timeout: Duration,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Email, String> {
        let needs = |what: &str| format!("to = \"email\" needs {what}");
        let server = self.server.take().filter(|server| !server.is_empty());
        let server = server.ok_or_else(|| needs("server"))?;
        let security = match self.security.as_deref().unwrap_or("starttls") {
            "starttls" => MailSecurity::StartTls,
            "tls" => MailSecurity::Tls,
            "none" => MailSecurity::Open,
            other => return Err(format!("`{other}` is no security: write starttls, tls or none")),
        };
        let login = match (self.user.take(), self.password_env.take()) {
            (None, None) => None,
            (Some(user), Some(name)) => {
                let password =
                    variable(&name).ok_or_else(|| format!("the variable {name} is not set"))?;
                Some(MailLogin { user, password: Secret::new(password) })
            }
            _ => return Err("user and password_env belong together".to_owned()),
        };
        if login.is_some() && security == MailSecurity::Open && !is_here(&server) {
            return Err("a password is not sent unprotected: write security = \"starttls\" or \
                        \"tls\""
                .to_owned());
        }
        let address = |text: &str| {
            text.parse::<Mailbox>().map_err(|error| format!("`{text}` is no mail address: {error}"))
        };
        let from = address(&self.from.take().ok_or_else(|| needs("from"))?)?;
        let recipients: Vec<Mailbox> =
            self.recipients.iter().map(|text| address(text)).collect::<Result<_, _>>()?;
        if recipients.is_empty() {
            return Err(needs("recipients"));
        }
        let port = self.port.unwrap_or(security.usual_port());
        Ok(Email { server, port, security, login, from, recipients, timeout })
    }
}

/// Says how to get what this program lacks.
#[cfg(not(all(feature = "mail", feature = "webhooks")))]
fn not_compiled_in(feature: &str) -> String {
    format!(
        "this bench-analyzer was compiled without its feature `{feature}`: compile it with that, which is the default"
    )
}

/// Whether a server is this machine, so that nothing leaves it.
#[cfg(feature = "mail")]
fn is_here(server: &str) -> bool {
    server == "localhost"
        || server.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
