//! `runs`: lists what is stored, and cares for it.

use anyhow::{Context, ensure};
use bench_analyzer::environment::{self, Environment};
use bench_analyzer::report::table::Table;
use bench_analyzer::store::{Deed, Store};
use bench_stats::model::RunId;
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp, Unit};

use super::Outcome;
use super::output::Output;
use super::values::{ListFormat, run_id};

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

pub(super) async fn run(
    store: &mut Store,
    command: Runs,
    environment: &Environment,
    output: &Output,
) -> anyhow::Result<Outcome> {
    if let Some(care) = command.care {
        output.message(&take_care(store, care, environment).await?);
        return Ok(Outcome::Fine);
    }
    let runs = store.runs(Some(command.limit)).await?;
    if command.format == ListFormat::Json {
        output.data(|stdout| {
            serde_json::to_writer_pretty(&mut *stdout, &runs)?;
            writeln!(stdout)
        })?;
        return Ok(Outcome::Fine);
    }
    if runs.is_empty() {
        output.message("no run is stored yet: run `cargo bench`, then `bench-analyzer import`");
        return Ok(Outcome::Fine);
    }
    let mut table = Table::fitting(None);
    table.push_texts(
        ["run", "set", "measured", "commit", "branch", "benchmarks", "baselines", "origin"]
            .map(str::to_owned),
    );
    for listing in runs {
        let run = listing.run;
        table.push_texts([
            run.id.to_string(),
            listing.set.to_string(),
            run.measured_at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            run.revision.short().unwrap_or_default(),
            run.revision.branch.unwrap_or_default(),
            listing.benchmarks.to_string(),
            listing.baselines.join(", "),
            match run.excluded {
                Some(reason) => format!("left out: {reason}"),
                None => run.label.unwrap_or(run.origin),
            },
        ]);
    }
    output.data(|stdout| table.write(stdout))?;
    Ok(Outcome::Fine)
}

/// Does something to the history, and says what.
async fn take_care(
    store: &mut Store,
    care: Care,
    environment: &Environment,
) -> anyhow::Result<String> {
    let list = |Chosen { runs, .. }: &Chosen| {
        runs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    Ok(match care {
        Care::Exclude(chosen) => {
            let said = format!("{} left out of reports and histories", list(&chosen));
            let deed = deed(chosen.told, environment)?;
            ensure!(!deed.reason.is_empty(), "say why with --reason: others will wonder");
            store.exclude_runs(&chosen.runs, &deed).await?;
            said
        }
        Care::Include(chosen) => {
            let said = format!("{} back in reports and histories", list(&chosen));
            store.include_runs(&chosen.runs, &deed(chosen.told, environment)?).await?;
            said
        }
        Care::Remove(chosen) => {
            let said = format!("{} removed for good", list(&chosen));
            let deed = deed(chosen.told, environment)?;
            ensure!(!deed.reason.is_empty(), "say why with --reason: it cannot be undone");
            store.remove_runs(&chosen.runs, &deed).await?;
            said
        }
        Care::Prune { older_than, told } => {
            let before = older_than.before(environment.now);
            let pruned = store.prune(before, &deed(told, environment)?).await?;
            format!("gave up the samples of {pruned} measurements before {before}")
        }
    })
}

/// What is to be written down of it.
pub(super) fn deed(told: Told, environment: &Environment) -> anyhow::Result<Deed> {
    let author = match told.by {
        Some(author) => author,
        None => environment::user(&environment.working_dir)
            .context("nobody is known to say so: name yourself with --by")?,
    };
    Ok(Deed { reason: told.reason.trim().to_owned(), author, at: environment.now })
}
