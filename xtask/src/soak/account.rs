//! Account of the bad days: what was lost, doubled or left running, and how long it was silent.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;
use fs_err as fs;
use serde_json::Value;

use super::Event;
use super::outside::Receiver;
use super::program::{End, Program};
use super::project::{Project, SECRET};

/// Counts of bad days.
pub(super) struct Account {
    seed: u64,
    began: Instant,
    unplayed: Vec<&'static str>,
    played: BTreeMap<Event, u32>,
    /// When it was killed: what was on its way then may come twice, with the same number.
    kills: Vec<Instant>,
    stops: Vec<Duration>,
    hung: u32,
    jobs: usize,
    runs: usize,
    notices: usize,
    repeated: usize,
    lost: Vec<String>,
    doubled: Vec<String>,
    left: Vec<String>,
    leaked: Vec<String>,
    silence: f64,
}

impl Account {
    pub(super) fn new(seed: u64, unplayed: Vec<&'static str>) -> Self {
        Self {
            seed,
            began: Instant::now(),
            unplayed,
            played: BTreeMap::new(),
            kills: Vec::new(),
            stops: Vec::new(),
            hung: 0,
            jobs: 0,
            runs: 0,
            notices: 0,
            repeated: 0,
            lost: Vec::new(),
            doubled: Vec::new(),
            left: Vec::new(),
            leaked: Vec::new(),
            silence: 0.0,
        }
    }

    pub(super) fn played(&mut self, event: Event) {
        *self.played.entry(event).or_default() += 1;
    }

    /// Notes how the program ended, if it was running.
    pub(super) fn ended(&mut self, end: Option<End>) {
        match end {
            Some(End::Killed) => self.kills.push(Instant::now()),
            Some(End::Stopped { after }) => {
                // Deliveries that took longer than the farewell are cut off too.
                self.kills.push(Instant::now());
                self.stops.push(after);
            }
            Some(End::Hung) => self.hung += 1,
            None => {}
        }
    }

    /// Number of things that went wrong and must not.
    pub(super) fn faults(&self) -> usize {
        let hung = usize::try_from(self.hung).unwrap_or(usize::MAX);
        self.lost.len() + self.doubled.len() + self.left.len() + self.leaked.len() + hung
    }

    /// Measures how long nothing has run.
    pub(super) fn watch(&mut self, project: &Project) -> Result<()> {
        self.silence = self.silence.max(longest_silence(project)?);
        Ok(())
    }

    /// Whether everything that was begun has come to its end.
    pub(super) fn is_settled(
        &self,
        project: &Project,
        program: &Program,
        receiver: &Receiver,
    ) -> Result<bool> {
        let Ok(jobs) = program.ask(&["jobs", "--limit", "100000", "--format", "json"]) else {
            return Ok(false);
        };
        let open = jobs.iter().any(|job| matches!(text(job, "state"), "pending" | "running"));
        let head = project.head()?;
        let measured = jobs.iter().any(|job| text(job, "commit") == head);
        let told = notices(project)?;
        let confirmed = receiver.confirmed();
        Ok(!open && measured && told.keys().all(|id| confirmed.contains_key(id)))
    }

    /// Counts everything, and ends what is left running.
    pub(super) fn close(
        &mut self,
        project: &Project,
        program: &Program,
        receiver: &Receiver,
    ) -> Result<()> {
        self.watch(project)?;
        self.count_jobs(project, program)?;
        self.count_notices(project, receiver)?;
        self.count_leftovers(project);
        self.count_leaks(project)
    }

    fn count_jobs(&mut self, project: &Project, program: &Program) -> Result<()> {
        let jobs = program.ask(&["jobs", "--limit", "100000", "--format", "json"])?;
        let runs = program.ask(&["runs", "--limit", "100000", "--format", "json"])?;
        (self.jobs, self.runs) = (jobs.len(), runs.len());
        let mut stored: HashMap<String, usize> = HashMap::new();
        for run in &runs {
            let origin = text(run, "origin");
            let of_job = origin.split('/').find(|part| part.starts_with("job-"));
            *stored.entry(of_job.unwrap_or_default().to_owned()).or_default() += 1;
        }
        for job in &jobs {
            let (id, state, suite) = (&job["id"], text(job, "state"), text(job, "suite"));
            let wanted = job["runs_wanted"].as_u64().unwrap_or_default();
            let found = stored.remove(&format!("job-{id}")).unwrap_or_default() as u64;
            let expected = if state == "done" { wanted } else { 0 };
            match state {
                "pending" | "running" => self.lost.push(format!("job {id} of {suite} is {state}")),
                "failed" if suite != "fails" => {
                    self.lost.push(format!("job {id} of {suite} failed: {}", text(job, "failure")));
                }
                _ if found < expected => {
                    self.lost.push(format!("job {id} of {suite} has {found} of {wanted} runs"));
                }
                _ if found > expected => {
                    self.doubled.push(format!("job {id} of {suite} has {found} of {wanted} runs"));
                }
                _ => {}
            }
        }
        for (job, count) in stored {
            self.doubled.push(format!("{count} runs are of `{job}`, which is not there"));
        }
        let head = project.head()?;
        if !jobs.iter().any(|job| text(job, "commit") == head) {
            self.lost.push(format!("commit {head} was never measured"));
        }
        Ok(())
    }

    fn count_notices(&mut self, project: &Project, receiver: &Receiver) -> Result<()> {
        let (told, confirmed) = (notices(project)?, receiver.confirmed());
        self.notices = told.len();
        for (id, lines) in &told {
            if *lines == 0 {
                self.lost.push("a line of alerts.jsonl is cut off".to_owned());
            }
            if !confirmed.contains_key(id) {
                self.lost.push(format!("notice {id} never came to its receiver"));
            }
            if *lines > self.kills.len() + 1 {
                self.doubled.push(format!("notice {id} is there {lines} times"));
            }
        }
        for (id, times) in confirmed {
            for pair in times.windows(2) {
                let excused = self
                    .kills
                    .iter()
                    .any(|kill| *kill + Duration::from_millis(50) >= pair[0] && *kill <= pair[1]);
                if excused {
                    self.repeated += 1;
                } else {
                    self.doubled.push(format!("notice {id} came twice"));
                }
            }
        }
        Ok(())
    }

    fn count_leftovers(&mut self, project: &Project) {
        for (pid, command) in processes() {
            if command.contains(project.mark()) {
                self.left.push(format!("process {pid}: {command}"));
                let _ = std::process::Command::new("kill").args(["-KILL", &pid]).status();
            }
        }
    }

    fn count_leaks(&mut self, project: &Project) -> Result<()> {
        for name in ["watch.log", "alerts.jsonl", ".bench/history.db"] {
            let bytes = fs::read(project.folder().join(name))?;
            if bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()) {
                self.leaked.push(name.to_owned());
            }
        }
        Ok(())
    }
}

/// All notices in the file, and how many lines each has.
fn notices(project: &Project) -> Result<HashMap<String, usize>> {
    let path = project.folder().join("alerts.jsonl");
    let text = if path.exists() { fs::read_to_string(path)? } else { String::new() };
    let mut told = HashMap::new();
    for line in text.lines() {
        match serde_json::from_str::<Value>(line) {
            Ok(notice) => *told.entry(self::text(&notice, "id").to_owned()).or_default() += 1,
            Err(_) => drop(told.insert(String::new(), 0)),
        }
    }
    Ok(told)
}

/// The longest time between two runs, by a clock that cannot be set.
fn longest_silence(project: &Project) -> Result<f64> {
    let path = project.folder().join("ran.log");
    let text = if path.exists() { fs::read_to_string(path)? } else { String::new() };
    let times: Vec<f64> =
        text.lines().filter_map(|line| line.split(' ').next()?.parse().ok()).collect();
    Ok(times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max))
}

/// The numbers and command lines of all processes that can be seen.
fn processes() -> Vec<(String, String)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .filter_map(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            Some((pid, String::from_utf8_lossy(&line).replace('\0', " ")))
        })
        .collect()
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let played: Vec<String> =
            self.played.iter().map(|(event, count)| format!("{event:?} {count}")).collect();
        let slowest = self.stops.iter().max().copied().unwrap_or_default();
        writeln!(f, "soak of {} s, seed {}", self.began.elapsed().as_secs(), self.seed)?;
        writeln!(f, "  played      {}", played.join(", "))?;
        for unplayed in &self.unplayed {
            writeln!(f, "  NOT PLAYED  {unplayed}")?;
        }
        writeln!(
            f,
            "  seen        {} jobs, {} runs, {} notices ({} repeated after a kill)",
            self.jobs, self.runs, self.notices, self.repeated
        )?;
        for (what, which) in [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("left", &self.left),
            ("leaked", &self.leaked),
        ] {
            writeln!(f, "  {what:11} {}", which.len())?;
            which.iter().take(20).try_for_each(|one| writeln!(f, "      {one}"))?;
        }
        writeln!(f, "  hung        {} times when it was asked to stop", self.hung)?;
        writeln!(f, "  to stop     {:.2} s at most", slowest.as_secs_f64())?;
        write!(f, "  silence     {:.1} s at most between two runs", self.silence)
    }
}
