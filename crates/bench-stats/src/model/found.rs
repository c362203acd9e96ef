//! Steps that were found in histories, and what became of them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::history::AcceptedChange;
use super::run::RunId;
use super::series::Series;

/// A step that was found in the history of a series, as it was seen when it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundStep {
    /// Whose step.
    pub series: Series,
    /// The first run of the new level.
    pub run: RunId,
    /// The old level.
    pub before: f64,
    /// The new level.
    pub after: f64,
    /// The probability of such a step without any change.
    pub p_value: f64,
    /// Whether the level jumped at the very place: then only a person withdraws it.
    pub sharp: bool,
    /// When it was found.
    pub found_at: Timestamp,
    /// Why it counts no more, if it does not.
    pub withdrawn: Option<Withdrawal>,
}

/// Why a step that was found counts no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// Why.
    pub reason: String,
    /// Who said so; nobody, if the values measured since speak against the step.
    pub author: Option<String>,
    /// When, if that was noted.
    pub withdrawn_at: Option<Timestamp>,
}

/// Knowledge of the changes of all histories beside their values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memory {
    /// Changes that people accepted.
    pub accepted_changes: Vec<AcceptedChange>,
    /// Steps that were found before.
    pub steps: Vec<FoundStep>,
}
