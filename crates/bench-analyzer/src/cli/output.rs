//! Data to stdout, messages to stderr, colours where they are wanted.

use std::io::{self, IsTerminal, Write};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use clap::ColorChoice;

/// Where everything is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    color: anstream::ColorChoice,
}

const ERROR: Style = AnsiColor::Red.on_default().bold();
const NOTE: Style = AnsiColor::Yellow.on_default();

impl Output {
    pub(super) fn new(color: ColorChoice) -> Self {
        let color = match color {
            ColorChoice::Auto => anstream::ColorChoice::Auto,
            ColorChoice::Always => anstream::ColorChoice::AlwaysAnsi,
            ColorChoice::Never => anstream::ColorChoice::Never,
        };
        Self { color }
    }

    /// Writes data; styles are stripped where they are not wanted.
    pub(super) fn data(
        &self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut stdout = AutoStream::new(io::stdout().lock(), self.color);
        let mut buffer = io::BufWriter::new(&mut stdout);
        write(&mut buffer)?;
        buffer.flush()
    }

    /// How many columns a reader sees, if stdout is a terminal.
    pub(super) fn columns(&self) -> Option<usize> {
        let stdout = io::stdout();
        let size = terminal_size::terminal_size_of(&stdout);
        size.filter(|_| stdout.is_terminal()).map(|(width, _)| usize::from(width.0))
    }

    /// Writes data that is no text; refuses to pour it into a terminal.
    pub(super) fn bytes(
        &self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        let stdout = io::stdout();
        anyhow::ensure!(
            !stdout.is_terminal(),
            "a picture is nothing for a terminal: add --output FILE, or redirect"
        );
        let mut buffer = io::BufWriter::new(stdout.lock());
        write(&mut buffer)?;
        Ok(buffer.flush()?)
    }

    /// Says something to the user. A message that cannot be shown is no reason to fail.
    pub(super) fn message(&self, text: &str) {
        let _ = writeln!(self.stderr(), "{text}");
    }

    /// Points something out to the user.
    pub(super) fn note(&self, text: &str) {
        let _ = writeln!(self.stderr(), "{NOTE}note:{NOTE:#} {text}");
    }

    /// Shows an error with its causes.
    pub(super) fn error(&self, error: &anyhow::Error) {
        let _ = writeln!(self.stderr(), "{ERROR}error:{ERROR:#} {error:#}");
    }

    fn stderr(&self) -> AutoStream<io::StderrLock<'static>> {
        AutoStream::new(io::stderr().lock(), self.color)
    }
}

/// Whether the reader of our output went away, as `head` does.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}
