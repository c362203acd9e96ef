//! `doctor`: looks at everything that the other commands rely on.

use anyhow::bail;
use bench_analyzer::continuous::family;
use bench_analyzer::environment::Environment;
use bench_analyzer::ingest::criterion::{self, CustomUnit, Wanted};
use bench_analyzer::jobs::job::JobState;
use bench_analyzer::jobs::lock::is_elsewhere;
use bench_analyzer::jobs::machine::Number;
use bench_analyzer::store::{Location, Store};
use camino::Utf8Path;
use clap::Args;
use jiff::{SignedDuration, Timestamp};

use super::Outcome;
use super::output::Output;

/// Check that everything is in order
#[derive(Debug, Args)]
pub(crate) struct Doctor {}

/// Whoever runs a job says so much more often.
const SILENCE: SignedDuration = SignedDuration::from_mins(10);

pub(super) async fn run(
    database: &Location,
    folder: &Utf8Path,
    config: Option<&Utf8Path>,
    environment: &Environment,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let folder = database.file().and_then(Utf8Path::parent).unwrap_or(folder);
    let number = Number::kept_in(&folder.join("continuous"));
    let mut findings = Findings::default();
    findings.check_number(number.as_ref());
    findings.check_database(database, number.as_ref(), environment.now).await;
    findings.check_criterion(environment);
    match config {
        Some(path) => findings.fine(format!("configuration: {path}")),
        None => findings.fine("configuration: none, the defaults apply".to_owned()),
    }
    let machine = &environment.fingerprint;
    findings.fine(format!("machine: {}, {} cores, {}", machine.cpu, machine.cores, machine.os));
    findings.fine(format!("compiler: {}", machine.rustc));
    match environment.revision.short() {
        Some(commit) => findings.fine(format!("commit: {commit}")),
        None => findings.warn("commit: unknown, as this is no git repository".to_owned()),
    }
    findings.check_processes();
    findings.check_noise();
    output.data(|stdout| {
        findings.lines.iter().try_for_each(|(mark, line)| writeln!(stdout, "{mark:<7} {line}"))
    })?;
    if findings.problems > 0 {
        bail!("{} of these need to be put right", findings.problems);
    }
    Ok(Outcome::Fine)
}

#[derive(Default)]
struct Findings {
    lines: Vec<(&'static str, String)>,
    problems: usize,
}

impl Findings {
    fn fine(&mut self, line: String) {
        self.lines.push(("ok", line));
    }

    fn warn(&mut self, line: String) {
        self.lines.push(("note", line));
    }

    fn problem(&mut self, line: String) {
        self.lines.push(("PROBLEM", line));
        self.problems += 1;
    }

    /// Whether this machine's number is its own.
    fn check_number(&mut self, number: Option<&Number>) {
        let Some(Number { id, path, is_copy }) = number else { return };
        let short = id.get(..8).unwrap_or(id);
        if *is_copy {
            self.warn(format!(
                "number: {short} of this machine was made in another file: {path} was copied or \
                 moved. If the machine that it came from is still at work, delete the file here"
            ));
        } else {
            self.fine(format!("number: {short} is this machine's, in {path}"));
        }
    }

    /// Jobs that are planned, run and wait, and whether somebody's clock was wrong.
    async fn check_jobs(
        &mut self,
        store: &mut Store,
        number: Option<&Number>,
        now: Timestamp,
    ) -> bench_analyzer::Result<()> {
        for job in store.unfinished_jobs().await? {
            let ours = number.filter(|number| job.machine.as_ref() == Some(&number.id));
            let is_twins = |number: &&Number| {
                job.state == JobState::Running && is_elsewhere(&number.path, job.id)
            };
            if let Some(number) = ours.filter(is_twins) {
                self.warn(format!(
                    "number: {} of {} was begun under this machine's number, and not from here: {} \
                     was copied. `watch` takes another number when it sees the other one at work; \
                     to have one now, delete the file",
                    job.id, job.suite, number.path
                ));
            }
            let since = job.beat_at.or(job.started_at).unwrap_or(job.due_at);
            let host = job.host.as_deref().unwrap_or("an unknown machine");
            let silent = now.duration_since(since);
            if job.state == JobState::Running && silent > SILENCE {
                self.warn(format!(
                    "job: {} of {} was begun by {host}, which said nothing of it since {}: a \
                     `watch` that this machine or another runs takes it over",
                    job.id,
                    job.suite,
                    since.strftime("%Y-%m-%d %H:%M UTC")
                ));
            }
            if let Some(until) = job.not_before {
                let until = until.strftime("%Y-%m-%d %H:%M UTC");
                let why = job.summary.unwrap_or_default();
                self.warn(format!(
                    "job: {} of {} is put off until {until}: {why}",
                    job.id, job.suite
                ));
            }
        }
        let soon = now.checked_add(SILENCE).unwrap_or(now);
        for (suite, to) in store.followed_beyond(soon).await? {
            self.warn(format!(
                "schedule: {suite} was followed up to {}, in the future: a clock was wrong, and \
                 `watch` goes on from now",
                to.strftime("%Y-%m-%d %H:%M UTC")
            ));
        }
        let newest = store.runs(Some(1)).await?;
        if let Some(run) = newest.iter().map(|one| &one.run).find(|run| run.measured_at > soon) {
            self.warn(format!(
                "clock: {} says that it measured on {}, in the future",
                run.id,
                run.measured_at.strftime("%Y-%m-%d %H:%M UTC")
            ));
        }
        let (waiting, given_up) = store.letters().await?;
        if waiting > 0 {
            self.warn(format!("alerts: {waiting} notices wait to be delivered by `watch`"));
        }
        if given_up > 0 {
            self.warn(format!("alerts: {given_up} notices were given up"));
        }
        Ok(())
    }

    async fn check_database(
        &mut self,
        location: &Location,
        number: Option<&Number>,
        now: Timestamp,
    ) {
        if location.file().is_some_and(|path| !path.exists()) {
            self.warn(format!("database: {location} is made by the first import"));
            return;
        }
        let checked = async {
            let mut store = Store::open(location).await?;
            let complaints = store.integrity_complaints().await?;
            let runs = store.runs(None).await?.len();
            let baselines = store.baselines().await?.len();
            if complaints.is_empty() {
                self.check_jobs(&mut store, number, now).await?;
            }
            if store.is_read_only() {
                self.warn(format!("database: {location} may only be read by this user"));
            }
            Ok::<_, bench_analyzer::Error>((complaints, runs, baselines))
        };
        match checked.await {
            Ok((complaints, runs, baselines)) if complaints.is_empty() => {
                self.fine(format!("database: {location}, {runs} runs, {baselines} baselines"));
            }
            Ok((complaints, ..)) => {
                self.problem(format!("database: {location} is damaged: {}", complaints.join("; ")));
            }
            Err(error) => self.problem(format!("database: {}", error.with_causes())),
        }
    }

    fn check_criterion(&mut self, environment: &Environment) {
        let read = super::import::default_root(environment).and_then(|root| {
            let (wanted, unit) = (Wanted::CurrentAndBaselines, CustomUnit::default());
            let found = criterion::read(&root, wanted, &unit, environment)?;
            Ok((root, found))
        });
        match read {
            Ok((root, found)) => {
                let results: usize = found.runs.iter().map(|run| run.measurements.len()).sum();
                self.fine(format!("Criterion: {root}, {results} results"));
                found.remarks.iter().for_each(|remark| self.warn(remark.to_string()));
                environment.remarks.iter().for_each(|remark| self.warn(remark.clone()));
            }
            Err(bench_analyzer::Error::NoCriterionFolder) => {
                self.warn("Criterion: no results yet".to_owned());
            }
            Err(error) => self.problem(format!("Criterion: {error}")),
        }
    }

    /// By what the processes of a run are known, wherever they go.
    fn check_processes(&mut self) {
        match family::groups_are_made_in() {
            Ok(folder) => self.fine(format!(
                "processes: what a run starts is held in a control group of {folder}"
            )),
            Err(error) => self.warn(format!(
                "processes: no control group can be made here ({error}; systemd allows it with \
                 Delegate=yes). What a run starts is ended with it all the same; after a crash of \
                 `watch`, only what left its session and its environment in the last half second \
                 is not found"
            )),
        }
    }

    /// Settings that are known to make measurements noisy on Linux; elsewhere the files do not exist.
    fn check_noise(&mut self) {
        let read = |path: &str| std::fs::read_to_string(path).ok();
        let load = read("/proc/loadavg")
            .and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
        if let Some(load) = load.filter(|load| *load > 0.5) {
            self.warn(format!("noise: the load is {load}; other programs disturb measurements"));
        }
        let governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
        if let Some(governor) = governor.filter(|governor| governor.trim() != "performance") {
            self.warn(format!(
                "noise: the frequency governor is `{}`; `performance` varies less",
                governor.trim()
            ));
        }
    }
}
