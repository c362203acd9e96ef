//! The file that says which suites there are, when they run and who is told.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::SignedDuration;
use serde::Deserialize;

use super::channel::Channel;
use super::schedule::{BranchWatch, CronSchedule, Schedule};
use crate::error::{Error, Remedy, Result};
use crate::secret::{Confidential, Secret};
use bench_stats::model::BaselineName;

mod alert;

use alert::AlertEntry;

/// The name that is looked for in the working folder and above.
pub const FILE_NAME: &str = "suites.toml";

/// Everything that a file of suites says.
#[derive(Debug, Clone, Default)]
pub struct BenchmarkConfig {
    /// The suites, in the order of the file.
    pub suites: Vec<BenchmarkSuite>,
    /// Where notices go.
    pub channels: Vec<Channel>,
    /// Where a page for browsers is written after every job; none are if this is none.
    pub report_folder: Option<Utf8PathBuf>,
    /// Where reports can be seen; paths are said if there is no such place.
    pub report_url: Option<String>,
    /// Secrets of the channels, and the variables that hold them: they must not get out.
    pub confidential: Arc<Confidential>,
}

/// A command that measures, and when.
#[derive(Debug, Clone)]
pub struct BenchmarkSuite {
    /// Its name.
    pub name: String,
    /// The program and its arguments; no shell is involved.
    pub command: Vec<String>,
    /// Where it runs.
    pub folder: Utf8PathBuf,
    /// Variables that are set for it.
    pub environment: BTreeMap<String, String>,
    /// The only variables that it inherits, where they are named; a name may end in `*`.
    pub inherits: Option<Vec<String>>,
    /// The labels that a machine has to have to run it.
    pub runs_on: Vec<String>,
    /// How long one run may take.
    pub timeout: Duration,
    /// How many runs make a job.
    pub runs: u32,
    /// Words to choose suites by.
    pub tags: Vec<String>,
    /// When it is due.
    pub schedules: Vec<Schedule>,
    /// What it is compared with; without one, the first job becomes the baseline, under the name
    /// of the suite.
    pub baseline: Option<BaselineName>,
    /// The files that it writes; without any, Criterion's folder.
    pub results: Vec<Utf8PathBuf>,
    /// What to add to the command so that it measures some benchmarks only; `{}` stands for a regular
    /// expression that matches their names. Without it, all are measured every time.
    pub narrow: Vec<String>,
}

impl BenchmarkSuite {
    /// The name of its baseline.
    ///
    /// # Errors
    /// Never for suites that were read from a file.
    pub fn baseline_name(&self) -> Result<BaselineName, String> {
        match &self.baseline {
            Some(name) => Ok(name.clone()),
            None => self.name.parse(),
        }
    }

    /// The name of the other commit's results when both are measured in turns.
    ///
    /// # Errors
    /// Never for suites that were read from a file.
    pub(super) fn against_name(&self) -> Result<BaselineName, String> {
        format!("{}-against", self.name).parse()
    }

    /// The suite with a command that measures only these benchmarks, if it knows how; all for none.
    pub(super) fn narrowed_to(&self, names: Option<&BTreeSet<String>>) -> Self {
        let mut narrowed = self.clone();
        if let Some(names) = names {
            let pattern = exactly(names);
            let words = self.narrow.iter().map(|word| word.replace("{}", &pattern));
            narrowed.command.extend(words);
        }
        narrowed
    }
}

impl BenchmarkConfig {
    /// The file that applies in a folder: the nearest one there or above.
    pub fn find(dir: &Utf8Path) -> Option<Utf8PathBuf> {
        dir.ancestors().map(|dir| dir.join(FILE_NAME)).find(|path| path.is_file())
    }

    /// Reads a file. `variable` says what the environment holds, for secrets.
    ///
    /// # Errors
    /// If it cannot be read, or says something that has no meaning.
    pub fn read(path: &Utf8Path, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let folder = path.parent().unwrap_or(Utf8Path::new(""));
        Self::parse(&text, folder, variable).map_err(|reason| Error::Malformed {
            path: path.to_owned(),
            reason,
            remedy: Remedy::FixSuites,
        })
    }

    /// Understands the text of a file that lies in `folder`.
    ///
    /// # Errors
    /// Says what has no meaning.
    pub fn parse(
        text: &str,
        folder: &Utf8Path,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let file: File =
            toml::from_str(text).map_err(|error| error.to_string().trim().to_owned())?;
        let suites = file
            .suites
            .into_iter()
            .map(|suite| {
                let name = suite.name.clone();
                suite.checked(folder).map_err(|reason| format!("suite `{name}`: {reason}"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let confidential = RefCell::new(Confidential::default());
        let secret = |name: &str| {
            let value = variable(name)?;
            let mut confidential = confidential.borrow_mut();
            confidential.withhold(name);
            confidential.add(Secret::new(value.clone()));
            Some(value)
        };
        let channels = file
            .alerts
            .into_iter()
            .enumerate()
            .map(|(index, alert)| {
                let name =
                    alert.name.clone().unwrap_or_else(|| format!("{}-{}", alert.to, index + 1));
                alert
                    .checked(&name, folder, secret)
                    .map_err(|reason| format!("alert `{name}`: {reason}"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        for (what, names) in [
            ("suites", suites.iter().map(|one| &one.name).collect::<Vec<_>>()),
            ("alerts", channels.iter().map(|one| &one.name).collect()),
        ] {
            if let Some(twice) =
                names.iter().enumerate().find(|(at, name)| names[..*at].contains(name))
            {
                return Err(format!("two {what} are called `{}`", twice.1));
            }
        }
        for channel in &channels {
            if let Some(name) =
                channel.suites.iter().find(|name| suites.iter().all(|one| one.name != **name))
            {
                return Err(format!("alert `{}`: there is no suite `{name}`", channel.name));
            }
        }
        let mut confidential = confidential.into_inner();
        for channel in &channels {
            channel.confide(&mut confidential);
        }
        Ok(Self {
            suites,
            channels,
            report_folder: file.report_folder.map(|path| folder.join(path)),
            report_url: file.report_url,
            confidential: Arc::new(confidential),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "suite")]
    suites: Vec<SuiteEntry>,
    #[serde(default, rename = "alert")]
    alerts: Vec<AlertEntry>,
    report_folder: Option<Utf8PathBuf>,
    report_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SuiteEntry {
    name: String,
    command: Vec<String>,
    folder: Option<Utf8PathBuf>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    inherit_environment: Option<Vec<String>>,
    #[serde(default)]
    runs_on: Vec<String>,
    timeout: Option<String>,
    runs: Option<u32>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    schedule: Vec<ScheduleEntry>,
    baseline: Option<String>,
    #[serde(default)]
    results: Vec<Utf8PathBuf>,
    #[serde(default)]
    narrow: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScheduleEntry {
    every: Option<String>,
    cron: Option<String>,
    timezone: Option<String>,
    branch: Option<String>,
    remote: Option<String>,
    poll: Option<String>,
}

/// How long one run may take if nobody says otherwise.
const TIMEOUT: Duration = Duration::from_secs(3600);
/// How many runs a side can speak for itself with.
const RUNS: u32 = 3;
const MAX_RUNS: u32 = 1000;
const POLL: Duration = Duration::from_secs(60);

impl SuiteEntry {
    fn checked(self, folder: &Utf8Path) -> Result<BenchmarkSuite, String> {
        let name = self.name;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) || name.len() > 64 {
            return Err("a suite's name is the name of a folder too: write letters, digits, `-`, \
                        `_` and `.`, at most 64 of them"
                .to_owned());
        }
        if self.command.first().is_none_or(String::is_empty) {
            return Err("command has to name a program".to_owned());
        }
        let runs = self.runs.unwrap_or(RUNS);
        if !(1..=MAX_RUNS).contains(&runs) {
            return Err(format!("runs has to be from 1 to {MAX_RUNS}"));
        }
        let baseline = self.baseline.map(|name| name.parse::<BaselineName>()).transpose()?;
        if baseline.is_none() {
            name.parse::<BaselineName>()?;
        }
        let schedules =
            self.schedule.into_iter().map(ScheduleEntry::checked).collect::<Result<_, _>>()?;
        if let Some(path) = self.results.iter().find(|path| path.is_absolute()) {
            return Err(format!("results are looked for in the suite's folder, and {path} is not"));
        }
        if !self.narrow.is_empty() && !self.narrow.iter().any(|word| word.contains("{}")) {
            return Err("narrow has to say with {} where the names of benchmarks go, as in \
                        [\"--\", \"{}\"]"
                .to_owned());
        }
        Ok(BenchmarkSuite {
            folder: folder.join(self.folder.unwrap_or_default()),
            command: self.command,
            environment: self.environment,
            inherits: self.inherit_environment,
            runs_on: self.runs_on,
            timeout: duration("timeout", self.timeout.as_deref(), TIMEOUT)?,
            runs,
            tags: self.tags,
            schedules,
            baseline,
            results: self.results,
            narrow: self.narrow,
            name,
        })
    }
}

impl ScheduleEntry {
    fn checked(self) -> Result<Schedule, String> {
        let kinds = [self.every.is_some(), self.cron.is_some(), self.branch.is_some()];
        if kinds.into_iter().filter(|kind| *kind).count() != 1 {
            return Err("a schedule has to have one of every, cron and branch".to_owned());
        }
        if self.timezone.is_some() && self.cron.is_none() {
            return Err("timezone belongs to cron".to_owned());
        }
        if (self.remote.is_some() || self.poll.is_some()) && self.branch.is_none() {
            return Err("remote and poll belong to branch".to_owned());
        }
        if let Some(expression) = self.cron {
            return CronSchedule::new(&expression, self.timezone.as_deref())
                .map(|cron| Schedule::Cron(Box::new(cron)));
        }
        if let Some(branch) = self.branch {
            let option = |name: &str| name.is_empty() || name.starts_with('-');
            if option(&branch) || self.remote.as_deref().is_some_and(option) {
                return Err("branch and remote have to be names".to_owned());
            }
            let poll = duration("poll", self.poll.as_deref(), POLL)?;
            return Ok(Schedule::Commit(BranchWatch { branch, remote: self.remote, poll }));
        }
        duration("every", self.every.as_deref(), TIMEOUT).map(Schedule::Interval)
    }
}

/// A regular expression that matches these names and no others.
fn exactly(names: &BTreeSet<String>) -> String {
    let escaped = |name: &String| -> String {
        let special = |character: char| r"\.+*?()|[]{}^$".contains(character);
        name.chars().flat_map(|one| special(one).then_some('\\').into_iter().chain([one])).collect()
    };
    let names: Vec<String> = names.iter().map(escaped).collect();
    format!("^({})$", names.join("|"))
}

/// Reads `90s`, `30m` or `1h 30m`.
fn duration(what: &str, text: Option<&str>, default: Duration) -> Result<Duration, String> {
    let Some(text) = text else { return Ok(default) };
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .filter(|duration| *duration >= Duration::from_secs(1))
        .filter(|duration| *duration <= Duration::from_secs(366 * 86_400))
        .ok_or_else(|| {
            format!("{what} has to be a time from one second to a year, such as 90s, 30m or 1h 30m")
        })
}

#[cfg(test)]
mod tests;
