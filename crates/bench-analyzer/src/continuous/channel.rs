//! Where notices go.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use camino::Utf8PathBuf;

use super::notice::Notice;
use super::runner::{Terms, output_of};
use crate::clock::Stop;
use crate::secret::Confidential;

#[cfg(feature = "mail")]
mod email;
mod file;
#[cfg(feature = "webhooks")]
mod webhook;

#[cfg(feature = "mail")]
pub use email::{Email, MailLogin, MailSecurity};
#[cfg(feature = "webhooks")]
pub use webhook::{Webhook, WebhookShape};

/// A place that is told, and about which suites.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Its name, by which the outbox knows it.
    pub name: String,
    /// The suites it is told about; none means all.
    pub suites: Vec<String>,
    /// What it is.
    pub kind: ChannelKind,
}

/// The kinds of places.
#[derive(Debug, Clone)]
pub enum ChannelKind {
    /// Standard output of this program, as text.
    Stdout,
    /// The end of a file, one JSON object a line.
    File(Utf8PathBuf),
    /// A command that reads the notice as JSON from standard input, and its title from the
    /// variable `BENCH_ANALYZER_TITLE`.
    Command {
        /// The program and its arguments.
        command: Vec<String>,
        /// Where it runs.
        folder: Utf8PathBuf,
        /// How long it may take.
        timeout: Duration,
    },
    /// An address that takes JSON.
    #[cfg(feature = "webhooks")]
    Webhook(Webhook),
    /// People, by mail.
    #[cfg(feature = "mail")]
    Email(Box<Email>),
}

/// Why a notice did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct DeliveryError {
    /// The reason, without any secret.
    pub reason: String,
    /// How long the receiver asked to be left alone.
    pub retry_after: Option<Duration>,
    /// Whether the receiver said that it will never take it.
    pub refused: bool,
}

impl DeliveryError {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retry_after: None, refused: false }
    }
}

impl Channel {
    /// Whether it is told about a suite.
    pub fn wants(&self, suite: &str) -> bool {
        self.suites.is_empty() || self.suites.iter().any(|name| name == suite)
    }

    /// Says what of it is secret.
    #[cfg_attr(
        not(any(feature = "mail", feature = "webhooks")),
        expect(unused_variables, reason = "no receiver that is compiled in has a secret")
    )]
    pub(super) fn confide(&self, confidential: &mut Confidential) {
        match &self.kind {
            #[cfg(feature = "webhooks")]
            ChannelKind::Webhook(webhook) => confidential.add(webhook.url.clone()),
            #[cfg(feature = "mail")]
            ChannelKind::Email(email) => {
                let login = email.login.as_ref();
                login.into_iter().for_each(|login| confidential.add(login.password.clone()));
            }
            ChannelKind::Stdout | ChannelKind::File(_) | ChannelKind::Command { .. } => {}
        }
    }

    /// Delivers a notice. Of what is confidential nothing gets out, neither into a command nor into
    /// an error.
    ///
    /// # Errors
    /// If it is not certain that it arrived.
    pub fn deliver(
        &self,
        notice: &Notice,
        confidential: &Confidential,
        stop: &Stop,
    ) -> Result<(), DeliveryError> {
        self.attempt(notice, confidential, stop)
            .map_err(|error| DeliveryError { reason: confidential.redact(&error.reason), ..error })
    }

    fn attempt(
        &self,
        notice: &Notice,
        confidential: &Confidential,
        stop: &Stop,
    ) -> Result<(), DeliveryError> {
        let said = |error: std::io::Error| DeliveryError::new(error.to_string());
        match &self.kind {
            ChannelKind::Stdout => {
                let mut stdout = std::io::stdout().lock();
                stdout.write_all(plain(&notice.text()).as_bytes()).map_err(said)?;
                stdout.flush().map_err(said)
            }
            ChannelKind::File(path) => {
                let mut line = json(notice)?;
                line.push(b'\n');
                file::append(path, &line).map_err(said)
            }
            ChannelKind::Command { command, folder, timeout } => {
                let (program, arguments) =
                    command.split_first().ok_or_else(|| DeliveryError::new("no command"))?;
                let mut file = tempfile().map_err(said)?;
                file.write_all(&json(notice)?).map_err(said)?;
                std::io::Seek::rewind(&mut file).map_err(said)?;
                let mut command = confidential.command(program, None);
                command
                    .args(arguments)
                    .current_dir(folder)
                    .env("BENCH_ANALYZER_TITLE", plain(&notice.title()));
                let terms = Terms { limit: *timeout, stop, confidential };
                output_of(&mut command, Stdio::from(file), terms)
                    .map(drop)
                    .map_err(DeliveryError::new)
            }
            #[cfg(feature = "webhooks")]
            ChannelKind::Webhook(webhook) => webhook.deliver(notice),
            #[cfg(feature = "mail")]
            ChannelKind::Email(email) => email.deliver(notice),
        }
    }
}

/// A file without a name, which goes away by itself.
fn tempfile() -> std::io::Result<std::fs::File> {
    use rustix::fs::{Mode, OFlags};
    let folder = std::env::temp_dir();
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(rustix::fs::open(&folder, flags, Mode::RUSR | Mode::WUSR)?.into())
}

fn json(notice: &Notice) -> Result<Vec<u8>, DeliveryError> {
    serde_json::to_vec(notice).map_err(|error| DeliveryError::new(error.to_string()))
}

/// Names of benchmarks may hold what a terminal would obey.
fn plain(text: &str) -> String {
    text.replace(|c: char| c.is_control() && c != '\n', " ")
}
