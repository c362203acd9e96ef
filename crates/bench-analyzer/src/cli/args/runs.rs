//! `runs`: which of them to list, and what to do to them.

use bench_stats::model::RunId;
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp, Unit};

use super::{ListFormat, run_id};

/// List stored runs, newest first, or care for them
///
/// What is done to a history is written down, with its reason and author.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Runs {
    /// How many
    #[arg(long, value_name = "N", default_value = "20")]
    pub(crate) limit: u32,

    /// How to show them
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: ListFormat,

    #[command(subcommand)]
    pub(crate) care: Option<Care>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Care {
    /// Leave runs out of reports and histories; they stay stored
    Exclude(Chosen),
    /// Put runs back that were left out
    Include(Chosen),
    /// Remove runs for good; importing their files again does not bring them back
    Remove(Chosen),
    /// Give up raw samples of old runs, but for those of baselines; medians and spreads stay
    Prune {
        /// Older than this, such as `90d` or `12w`, or before a time such as 2026-01-31T12:00:00Z
        #[arg(long, value_name = "AGE|TIME")]
        older_than: Age,

        #[command(flatten)]
        told: Told,
    },
}

/// Runs, and why something is done to them.
#[derive(Debug, Args)]
pub(crate) struct Chosen {
    /// The runs, as `runs` lists them
    #[arg(value_name = "RUN", required = true, value_parser = run_id)]
    pub(crate) runs: Vec<RunId>,

    #[command(flatten)]
    pub(crate) told: Told,
}

/// Why something is done to a history, and by whom.
#[derive(Debug, Args)]
pub(crate) struct Told {
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,

    /// Who says so [default: the user of git, else of the system]
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
}

/// A time, or how long ago it was.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Age {
    Before(Timestamp),
    OlderThan(SignedDuration),
}

impl Age {
    /// The time that it means.
    pub(crate) fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Before(time) => time,
            Self::OlderThan(age) => {
                now.checked_sub(age).unwrap_or(Timestamp::MIN).round(Unit::Second).unwrap_or(now)
            }
        }
    }
}

impl std::str::FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(time) = text.parse() {
            return Ok(Self::Before(time));
        }
        let hours = |digits: &str, each: i64| digits.parse::<i64>().ok()?.checked_mul(each);
        let (digits, unit) = text.split_at(text.len().saturating_sub(1));
        let hours = match unit {
            "h" => hours(digits, 1),
            "d" => hours(digits, 24),
            "w" => hours(digits, 24 * 7),
            _ => None,
        };
        hours
            .filter(|hours| (0..100_000_000).contains(hours))
            .map(|hours| Self::OlderThan(SignedDuration::from_hours(hours)))
            .ok_or_else(|| "write 90d, 12w, 48h or a time such as 2026-01-31T12:00:00Z".to_owned())
    }
}
