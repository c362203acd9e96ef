//! Mail over SMTP.

use std::sync::mpsc;
use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Message, SmtpTransport, Transport};

use super::{DeliveryError, plain};
use crate::continuous::notice::Notice;
use crate::secret::Secret;

/// A mail server, and whom to write through it.
#[derive(Debug, Clone)]
pub struct Email {
    /// The server's name, which its certificate has to bear.
    pub server: String,
    /// Where it listens.
    pub port: u16,
    /// How the connection is kept secret.
    pub security: MailSecurity,
    /// Who logs in, if anybody has to.
    pub login: Option<MailLogin>,
    /// Who writes.
    pub from: Mailbox,
    /// Who is written to.
    pub recipients: Vec<Mailbox>,
    /// How long a delivery may take.
    pub timeout: Duration,
}

/// How the connection to a mail server is kept secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailSecurity {
    /// It begins in the open and has to become secret before anything is said.
    StartTls,
    /// It is secret from the start.
    Tls,
    /// It is not.
    Open,
}

impl MailSecurity {
    /// Where servers listen for it.
    pub fn usual_port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Tls => 465,
            Self::Open => 25,
        }
    }
}

/// A name and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailLogin {
    /// The name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

impl Email {
    /// Sends a notice as plain text, under a number that is the same for every attempt.
    ///
    /// # Errors
    /// If the server did not take it, or not in time. Trying again is pointless if it will never
    /// take this mail (a status from 500 on), other than for want of the right password.
    pub fn deliver(&self, notice: &Notice) -> Result<(), DeliveryError> {
        let failed = |reason: String| DeliveryError::new(self.redact(&reason));
        let message = self.message(notice).map_err(|error| failed(error.to_string()))?;
        let transport = self.transport().map_err(|error| failed(error.to_string()))?;
        // A server that answers a letter a minute keeps within the time of every single answer.
        let (done, answer) = mpsc::channel();
        std::thread::Builder::new()
            .spawn(move || {
                // Nobody listens any more if it took too long.
                let _ = done.send(transport.send(&message));
            })
            .map_err(|error| failed(format!("there is no thread to send it: {error}")))?;
        match answer.recv_timeout(self.timeout) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                let refused = error.is_permanent() && !wants_login(&error);
                Err(DeliveryError { refused, ..failed(with_causes(&error)) })
            }
            Err(_) => Err(failed(format!(
                "{} did not take it within {} s",
                self.server,
                self.timeout.as_secs()
            ))),
        }
    }

    fn message(&self, notice: &Notice) -> Result<Message, lettre::error::Error> {
        let to = |message: MessageBuilder, mailbox: &Mailbox| message.to(mailbox.clone());
        let domain = self.from.email.domain();
        let head = Message::builder()
            .from(self.from.clone())
            .subject(plain(&notice.title()))
            .message_id(Some(format!("<{}@{domain}>", notice.id)))
            .header(ContentType::TEXT_PLAIN);
        self.recipients.iter().fold(head, to).body(plain(&notice.text()))
    }

    fn transport(&self) -> Result<SmtpTransport, smtp::Error> {
        let tls = match self.security {
            MailSecurity::StartTls => Tls::Required(TlsParameters::new(self.server.clone())?),
            MailSecurity::Tls => Tls::Wrapper(TlsParameters::new(self.server.clone())?),
            MailSecurity::Open => Tls::None,
        };
        let transport = SmtpTransport::builder_dangerous(self.server.clone())
            .port(self.port)
            .tls(tls)
            .timeout(Some(self.timeout));
        Ok(match &self.login {
            Some(MailLogin { user, password }) => transport
                .credentials(Credentials::new(user.clone(), password.expose().to_owned()))
                .build(),
            None => transport.build(),
        })
    }

    fn redact(&self, text: &str) -> String {
        match &self.login {
            Some(login) => login.password.redact(text),
            None => text.to_owned(),
        }
    }
}

/// Whether the server wants another name or password (RFC 4954): a person can change that.
fn wants_login(error: &smtp::Error) -> bool {
    let code = error.status().map(u16::from);
    matches!(code, Some(530 | 534 | 535 | 538))
}

/// What happened, and what it came from, without what says nothing to a reader.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !said.contains(&more) {
            said.push_str(&format!(": {more}"));
        }
        cause = error.source();
    }
    said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}
