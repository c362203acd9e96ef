//! What the user should know about what was read.

use std::fmt;

/// Something that the user should know about what was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// Nothing is missing for it.
    Note(String),
    /// Something could not be used, and is not stored.
    LeftOut(String),
}

impl Remark {
    /// Whether something is missing.
    pub fn is_loss(&self) -> bool {
        matches!(self, Self::LeftOut(_))
    }

    /// The same, said of `place`.
    #[must_use]
    pub fn of(self, place: impl fmt::Display) -> Self {
        match self {
            Self::Note(text) => Self::Note(format!("{place}: {text}")),
            Self::LeftOut(text) => Self::LeftOut(format!("{place}: {text}")),
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Note(text) => f.write_str(text),
            Self::LeftOut(text) => write!(f, "left out: {text}"),
        }
    }
}

/// How many losses are said one by one.
const SAID: usize = 20;

/// Remarks on one file. A file may be wrong in every line, so only the first losses are kept.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    all: Vec<Remark>,
    losses: usize,
}

impl Remarks {
    pub(super) fn note(&mut self, text: impl Into<String>) {
        let note = Remark::Note(text.into());
        if !self.all.contains(&note) && self.all.len() < 2 * SAID {
            self.all.push(note);
        }
    }

    pub(super) fn leave_out(&mut self, text: impl Into<String>) {
        self.losses += 1;
        if self.losses <= SAID {
            self.all.push(Remark::LeftOut(text.into()));
        }
    }

    /// All of them, and how many more there were.
    pub(super) fn finish(mut self) -> Vec<Remark> {
        if let Some(more @ 1..) = self.losses.checked_sub(SAID) {
            self.all.push(Remark::LeftOut(format!("{more} more, which are not listed")));
        }
        self.all
    }
}
