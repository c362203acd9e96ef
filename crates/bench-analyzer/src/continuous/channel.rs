//! Where notices go.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use camino::Utf8PathBuf;

use super::notice::Notice;

#[cfg(feature = "smtp")]
mod email;
mod webhook;

#[cfg(feature = "smtp")]
pub use email::{Email, MailLogin, MailSecurity};
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
    Webhook(Webhook),
    /// People, by mail.
    #[cfg(feature = "smtp")]
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

    /// Delivers a notice.
    ///
    /// # Errors
    /// If it is not certain that it arrived.
    pub fn deliver(&self, notice: &Notice) -> Result<(), DeliveryError> {
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
                if let Some(folder) = path.parent() {
                    std::fs::create_dir_all(folder).map_err(said)?;
                }
                let mut file = std::fs::OpenOptions::new()
                    .append(true)
                    .create(true)
                    .open(path)
                    .map_err(said)?;
                // One write, so that lines of several processes do not mix.
                file.write_all(&line).and_then(|()| file.sync_data()).map_err(said)
            }
            ChannelKind::Command { command, folder, timeout } => {
                let (program, arguments) =
                    command.split_first().ok_or_else(|| DeliveryError::new("no command"))?;
                let mut file = tempfile().map_err(said)?;
                file.write_all(&json(notice)?).map_err(said)?;
                std::io::Seek::rewind(&mut file).map_err(said)?;
                let mut command = Command::new(program);
                command
                    .args(arguments)
                    .current_dir(folder)
                    .env("BENCH_ANALYZER_TITLE", plain(&notice.title()));
                super::runner::output_with_input(&mut command, Stdio::from(file), *timeout)
                    .map(drop)
                    .map_err(DeliveryError::new)
            }
            ChannelKind::Webhook(webhook) => webhook.deliver(notice),
            #[cfg(feature = "smtp")]
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
