//! What a mail server has to be told.

use std::time::Duration;

use lettre::message::Mailbox;

use super::AlertEntry;
use crate::continuous::channel::{Email, MailLogin, MailSecurity};
use crate::secret::Secret;

impl AlertEntry {
    pub(super) fn email(
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

/// Whether a server is this machine, so that nothing leaves it.
fn is_here(server: &str) -> bool {
    server == "localhost"
        || server.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
