//! The program that is played against, and what its process is given: a clock, a disk, a name.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::process::{capture, read};

/// Circumstances that the next process is started in.
#[derive(Debug, Clone, Default)]
pub(super) struct Circumstances {
    /// By how many seconds its clock is wrong.
    pub(super) clock: i64,
    /// Whether files cannot grow any more.
    pub(super) disk_is_full: bool,
    /// Name of its machine; empty if it stays as it is.
    pub(super) name: String,
}

pub(super) struct Program {
    analyzer: Utf8PathBuf,
    folder: Utf8PathBuf,
    running: Option<Child>,
    /// A library that moves the clock of a process, if it could be compiled.
    clock: Option<Utf8PathBuf>,
    can_be_renamed: bool,
    can_get_room: bool,
    escapes: Escapes,
}

/// End of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Killed, without being asked.
    Killed,
    /// By itself, as it was asked to.
    Stopped { after: Duration },
    /// Killed, because it did not end when it was asked to.
    Hung,
}

/// Distance that children go to get away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    /// Into a session of their own, without a parent.
    Marked,
    /// Also without the environment that they were started with.
    Unmarked,
}

/// Moves the calendar by as many seconds as a file says, which is read again and again; the time that
/// only passes is left alone.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long offset(void) {
    const char *path = getenv("SOAK_CLOCK");
    FILE *file = path ? fopen(path, "re") : NULL;
    long seconds = 0;
    if (file) { if (fscanf(file, "%ld", &seconds) != 1) seconds = 0; fclose(file); }
    return seconds;
}
int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, at);
    if (result == 0 && id == CLOCK_REALTIME) at->tv_sec += offset();
    return result;
}
int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    int result = clock_gettime(CLOCK_REALTIME, &now);
    if (at) { at->tv_sec = now.tv_sec; at->tv_usec = now.tv_nsec / 1000; }
    return (void)zone, result;
}
time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"#;

/// Time that a program may take to end before it counts as one that hangs.
const HANGS: Duration = Duration::from_secs(30);

impl Program {
    /// The program in an empty folder.
    pub(super) fn new(analyzer: Utf8PathBuf, folder: Utf8PathBuf) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        // Its history is here, whatever lies in the folders above.
        fs::create_dir_all(folder.join(".bench"))?;
        // A build meanwhile must not put another in its place.
        let copy = folder.join("bench-analyzer");
        fs::copy(&analyzer, &copy)?;
        let analyzer = copy;
        let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
        fs::write(&source, SHIM)?;
        let compiled = read(
            Command::new("gcc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source),
        );
        let renamed =
            read(Command::new("unshare").args(["--uts", "sh", "-c", "hostname soak && hostname"]));
        let mut doctor = Command::new(&analyzer);
        doctor.current_dir(&folder).env_remove("BENCH_ANALYZER_DB").arg("doctor");
        let room = read(Command::new("prlimit").arg("--version"));
        // Whatever else it complains about.
        let said = String::from_utf8_lossy(&capture(&mut doctor)?.stdout).into_owned();
        let grouped = said.lines().any(|line| line.contains("held in a control group"));
        Ok(Self {
            analyzer,
            folder,
            escapes: if grouped { Escapes::Unmarked } else { Escapes::Marked },
            running: None,
            clock: compiled.is_ok().then_some(library),
            can_get_room: room.is_ok(),
            can_be_renamed: renamed.is_ok_and(|name| name.trim() == "soak"),
        })
    }

    pub(super) fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    /// Returns how far children may go so that the program can still end them after it was killed.
    pub(super) fn escapes(&self) -> Escapes {
        self.escapes
    }

    /// Names the events that cannot be played here.
    pub(super) fn unplayed(&self) -> Vec<&'static str> {
        let mut unplayed = Vec::new();
        if self.clock.is_none() {
            unplayed.push("clocks that jump (gcc is not installed)");
        }
        if !self.can_be_renamed {
            unplayed.push("a host that is renamed (`unshare --uts` is not allowed)");
        }
        if !self.can_get_room {
            unplayed.push("a disk that gets room again (`prlimit` is not installed)");
        }
        if self.escapes == Escapes::Marked {
            unplayed.push("children that empty their environment (no control groups may be made)");
        }
        unplayed
    }

    /// Starts `watch`.
    pub(super) fn start(&mut self, circumstances: &Circumstances) -> Result<()> {
        self.set_clock(circumstances.clock)?;
        let mut script = String::new();
        if circumstances.disk_is_full {
            // In blocks of 512 bytes. What has grown as far as the history grows no more.
            let history = self.folder.join(".bench/history.db");
            let length = history.metadata().map(|data| data.len()).unwrap_or_default();
            let blocks = (length / 512).max(64) + 8;
            script.push_str(&format!("trap '' XFSZ; ulimit -Sf {blocks}; "));
        }
        let mut command = if self.can_be_renamed && !circumstances.name.is_empty() {
            script.insert_str(0, &format!("hostname {}; ", circumstances.name));
            let mut unshare = Command::new("unshare");
            unshare.args(["--uts", "sh"]);
            unshare
        } else {
            Command::new("sh")
        };
        script.push_str("exec \"$@\"");
        command.args(["-c", &script, "sh"]).arg(&self.analyzer).arg("watch");
        if let Some(library) = &self.clock {
            command.env("LD_PRELOAD", library).env("SOAK_CLOCK", self.folder.join("clock"));
        }
        let log =
            fs::OpenOptions::new().create(true).append(true).open(self.folder.join("watch.log"))?;
        command
            .current_dir(&self.folder)
            .env_remove("BENCH_ANALYZER_DB")
            .env("BENCH_ANALYZER_LOCK", self.folder.join("lock"))
            .stdin(Stdio::null())
            .stdout(log.file().try_clone()?)
            .stderr(log.into_parts().0);
        self.running = Some(command.spawn().context("failed to start the analyzer")?);
        Ok(())
    }

    /// Lets files grow again, while it runs.
    pub(super) fn give_room(&self) {
        if let (Some(child), true) = (&self.running, self.can_get_room) {
            let mut prlimit = Command::new("prlimit");
            prlimit.args(["--pid", &child.id().to_string(), "--fsize=unlimited:"]);
            // One that has just ended needs none.
            drop(read(&mut prlimit));
        }
    }

    pub(super) fn set_clock(&self, seconds: i64) -> Result<()> {
        // Whole or not at all: it is read at any moment.
        let (new, path) = (self.folder.join("clock.new"), self.folder.join("clock"));
        fs::write(&new, seconds.to_string())?;
        Ok(fs::rename(new, path)?)
    }

    pub(super) fn is_running(&mut self) -> Result<bool> {
        match &mut self.running {
            Some(child) => Ok(child.try_wait()?.is_none()),
            None => Ok(false),
        }
    }

    /// Kills the program, as a power failure does. Returns `None` if it was not running.
    pub(super) fn kill(&mut self) -> Result<Option<End>> {
        let Some(mut child) = self.running.take() else { return Ok(None) };
        child.kill()?;
        child.wait()?;
        Ok(Some(End::Killed))
    }

    /// Asks the program to end, and waits for it. Returns `None` if it was not running.
    pub(super) fn stop(&mut self) -> Result<Option<End>> {
        let Some(mut child) = self.running.take() else { return Ok(None) };
        if child.try_wait()?.is_some() {
            return Ok(None);
        }
        let asked = Instant::now();
        read(Command::new("kill").args(["-TERM", &child.id().to_string()]))?;
        while child.try_wait()?.is_none() {
            if asked.elapsed() >= HANGS {
                child.kill()?;
                child.wait()?;
                return Ok(Some(End::Hung));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Some(End::Stopped { after: asked.elapsed() }))
    }

    /// Returns what a command of the analyzer prints as JSON.
    pub(super) fn ask(&self, arguments: &[&str]) -> Result<Vec<serde_json::Value>> {
        let mut command = Command::new(&self.analyzer);
        command.current_dir(&self.folder).env_remove("BENCH_ANALYZER_DB").args(arguments);
        Ok(serde_json::from_str(&read(&mut command)?)?)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(mut child) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
