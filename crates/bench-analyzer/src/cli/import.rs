//! `import`: reads results and stores them.

use bench_analyzer::Error;
use bench_analyzer::environment::Environment;
use bench_analyzer::ingest::criterion::{self, CustomUnit, Wanted};
use bench_analyzer::ingest::format::FileFormat;
use bench_analyzer::ingest::{self, ImportBatch, Reading, Strictness};
use bench_analyzer::store::{BaselineMode, Destination, ImportOutcome, Store};
use bench_stats::model::{BaselineName, Selector};
use camino::Utf8PathBuf;
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use jiff::Timestamp;

use super::Outcome;
use super::output::Output;
use super::progress::Progress;

const IMPORT_EXAMPLES: &str = "\
Examples:
  bench-analyzer import                              what `cargo bench` left here
  bench-analyzer import --baseline main runs/*       replicate runs that become `main`
  bench-analyzer import --commit 1a2b3c results.json the file of another tool
  bench-analyzer import --machine ci-3 *.json        measured elsewhere, and the files do not say

What is bad in a file is left out and named; the rest is stored. A file is known again wherever it
lies: by its values where these cannot repeat by chance, else by its time, its commit and its place
among equal files of one call.

Exit codes: 0 stored, or stored already; 2 wrong usage; 3 failure, and nothing was stored.";

/// Store results
///
/// Every DIR is one run. Several in one call are replicate runs of the same code. What is
/// stored already is left alone, so importing twice does no harm.
///
/// Without --baseline, the folder's last result becomes the latest one, and baselines that
/// Criterion keeps there (--save-baseline) keep their names: when Criterion saves one again, the
/// newer result replaces the older, benchmark by benchmark. With --baseline NAME, only the last
/// result of every DIR is stored, and together they become NAME.
#[derive(Debug, Args)]
#[command(after_long_help = IMPORT_EXAMPLES)]
pub(crate) struct Import {
    /// Criterion folders or result files of other tools [default: $CRITERION_HOME,
    /// $CARGO_TARGET_DIR/criterion or target/criterion]
    #[arg(value_name = "DIR|FILE")]
    pub(crate) paths: Vec<Utf8PathBuf>,

    /// Call the results NAME; replaces what NAME held of the same benchmarks
    #[arg(long, value_name = "NAME")]
    pub(crate) baseline: Option<BaselineName>,

    /// Add to what --baseline held, as further runs of the same code
    #[arg(long, requires = "baseline")]
    pub(crate) append: bool,

    /// Add to the latest results, as further runs of the same code
    #[arg(long, conflicts_with = "baseline")]
    pub(crate) replicate: bool,

    /// Refuse everything if anything would be left out
    #[arg(long)]
    pub(crate) strict: bool,

    /// The unit of what Criterion measured, where that is no time and its folder does not say so
    #[arg(long, value_name = "UNIT")]
    pub(crate) unit: Option<String>,

    /// What kind of FILE it is; auto looks at its beginning
    ///
    /// Files may be packed with gzip. csv is the generic format, and the way out where a tool is not
    /// listed: a header naming at least `benchmark,value`, and any of
    /// `metric,unit,direction,exactness,run,time,commit,machine`; one row a sample. Of what is counted, such
    /// as instructions or sizes, say `exact` in `exactness`: then one value a side is enough to judge.
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = format_choice())]
    pub(crate) format: FormatChoice,

    #[command(flatten)]
    pub(crate) circumstances: Circumstances,
}

/// The format of files, if it is not to be found out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FormatChoice(pub(crate) Option<FileFormat>);

/// The words of all formats of files, and two that name none of them.
fn format_choice() -> impl TypedValueParser<Value = FormatChoice> {
    let word = |word, help| PossibleValue::new(word).help(help);
    let others = [
        word("auto", "Whatever it looks like"),
        word("criterion", "A folder that Criterion wrote"),
    ];
    let files = FileFormat::ALL.map(|format| word(format.as_str(), format.made_by()));
    PossibleValuesParser::new(others.into_iter().chain(files))
        .map(|chosen| FormatChoice(chosen.parse().ok()))
}

/// What an import cannot know if it does not follow the measurement at once.
#[derive(Debug, Args)]
pub(crate) struct Circumstances {
    /// The commit that was measured [default: the one checked out, if it is older]
    #[arg(long, value_name = "SHA")]
    pub(crate) commit: Option<String>,

    /// The branch that was measured [default: the one checked out]
    #[arg(long, value_name = "NAME")]
    pub(crate) branch: Option<String>,

    /// When it was measured, such as 2026-01-31T12:00:00Z [default: when the files were written]
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<Timestamp>,

    /// The machine that measured, where it was another one [default: the one that the file names,
    /// else this one]
    #[arg(long, value_name = "NAME")]
    pub(crate) machine: Option<String>,
}

impl From<Circumstances> for ingest::Circumstances {
    fn from(told: Circumstances) -> Self {
        let Circumstances { commit, branch, at, machine } = told;
        Self { commit, branch, at, machine }
    }
}

pub(super) async fn run(
    store: &mut Store,
    command: Import,
    environment: &Environment,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let paths = match command.paths {
        paths if paths.is_empty() => vec![default_root(environment)?],
        paths => paths,
    };
    let destination = match command.baseline {
        Some(name) if command.append => Destination::Baseline(name, BaselineMode::Append),
        Some(name) => Destination::Baseline(name, BaselineMode::Replace),
        None if command.replicate => Destination::LatestSet,
        None => Destination::NewSet,
    };
    let reading = Reading {
        format: command.format.0,
        wanted: match destination {
            Destination::Baseline(..) => Wanted::Current,
            Destination::NewSet
            | Destination::Found
            | Destination::LatestSet
            | Destination::Job(_) => Wanted::CurrentAndBaselines,
        },
        unit: CustomUnit::new(command.unit),
        strictness: if command.strict {
            Strictness::RefuseAnyLoss
        } else {
            Strictness::KeepWhatIsGood
        },
        circumstances: command.circumstances.into(),
    };
    let batch = read(&paths, &reading, environment)?;
    let mut progress = Progress::new();
    let mut follow = progress.follow("storing the results");
    let outcome = store.import_watched(&batch, &destination, environment.now, &mut follow).await?;
    drop(follow);
    progress.finish();
    say(&batch, environment, output);
    output.message(&describe(&outcome));
    note_if_older(store, &outcome, output).await?;
    Ok(Outcome::Fine)
}

/// Says so where what was just stored is not the latest result: nobody asked for it, and something else
/// was asked for after it was measured, or it came from another store.
pub(super) async fn note_if_older(
    store: &mut Store,
    outcome: &ImportOutcome,
    output: &Output,
) -> bench_analyzer::Result<()> {
    let Some(stored) = outcome.runs.last() else { return Ok(()) };
    let latest = store.runs_of_side(&Selector::Latest).await?;
    // Where others store too, theirs may well be the latest.
    if store.location().file().is_none() || outcome.runs.iter().any(|run| latest.contains(run)) {
        return Ok(());
    }
    if let Some(latest) = latest.first() {
        output.note(&format!(
            "{latest} stays the latest result, because it was asked for after {stored} was measured; \
             `--current {stored}` compares what was just stored, and so does importing it by name"
        ));
    }
    Ok(())
}

/// Reads every folder and file.
pub(super) fn read(
    paths: &[Utf8PathBuf],
    reading: &Reading,
    environment: &Environment,
) -> bench_analyzer::Result<ImportBatch> {
    let mut progress = Progress::new();
    let mut counter = progress.count("reading results", paths.len());
    ingest::read(paths, reading, environment, &mut || counter.advance())
}

/// Says what was remarked: losses are not to be overlooked.
pub(super) fn say(batch: &ImportBatch, environment: &Environment, output: &Output) {
    environment.remarks.iter().for_each(|remark| output.note(remark));
    batch.remarks.iter().for_each(|remark| output.note(&remark.to_string()));
}

/// The usual place of Criterion's results.
pub(super) fn default_root(environment: &Environment) -> bench_analyzer::Result<Utf8PathBuf> {
    // Asking cargo takes a while, and is rarely needed.
    if environment.builds_where_configured() {
        if let found @ Ok(_) = criterion::default_root(&environment.clone().ask_cargo()) {
            return found;
        }
    } else if let found @ Ok(_) = criterion::default_root(environment) {
        return found;
    }
    let members = environment.members_that_build_elsewhere();
    let mut folders: Vec<Utf8PathBuf> =
        members.iter().filter_map(|one| criterion::default_root(one).ok()).collect();
    folders.sort_unstable();
    folders.dedup();
    match folders.len() {
        0 => criterion::default_root(&environment.clone().ask_cargo()),
        1 => Ok(folders.remove(0)),
        _ => Err(Error::SeveralCriterionFolders { folders }),
    }
}

/// Says what an import did, in one sentence.
pub(super) fn describe(outcome: &ImportOutcome) -> String {
    let runs = outcome.runs.len();
    let mut text = if outcome.added == 0 {
        format!("nothing new: all {} measurements were stored already", outcome.known)
    } else {
        let numbers = match outcome.runs.as_slice() {
            [first, .., last] if runs > 5 => format!("{first} to {last}"),
            all => all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        format!(
            "stored {} new measurements as {} ({})",
            outcome.added,
            if runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") },
            numbers
        )
    };
    for (name, members) in &outcome.baselines {
        text.push_str(&format!("; baseline {name} takes {members} from them"));
    }
    text
}
