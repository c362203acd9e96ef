//! The project that is watched: its suites, its branch, and what its commands do.

use std::process::Command;

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::program::Escapes;
use crate::process::read;

/// The secret in the receiver's address, which must show up nowhere.
pub(super) const SECRET: &str = "s0ak-s3cr3t-t0k3n";

pub(super) struct Project {
    folder: Utf8PathBuf,
    /// Mark of this soak's processes, whatever they do.
    mark: String,
}

/// Each run notes its start by the time since the system started, and then does something bad now
/// and then. The values are made from that time, so that no two runs are equal.
const MEASURE: &str = r#"
read now rest < /proc/uptime
echo "$now $1" >> ran.log
case "$1" in
  escapes)
    setsid sh -c "exec sleep $2" > /dev/null 2>&1 &
    [ "$3" = marked ] || (setsid env -i sleep "$2" > /dev/null 2>&1 &)
    (setsid sleep "$2" &) ;;
  fails) [ ! -e broken ] || exit 1 ;;
  exact)
    printf 'benchmark,value,metric,unit\nsize,4096,size,bytes\n' > "$1.csv"; exit 0 ;;
  loud) head -c 3000000 /dev/zero | tr '\0' x ;;
esac
sleep 0.1
base=$(cat nanoseconds); n=${now#*.}; n=${n#0}
printf 'benchmark,value\n%s,%s.%s\n%s,%s.%s\n' "$1" "$base" "$n" "$1" "$base" "1$n" > "$1.csv"
"#;

impl Project {
    pub(super) fn make(
        folder: &Utf8Path,
        seed: u64,
        [receiver, silent]: [u16; 2],
        escapes: Escapes,
    ) -> Result<Self> {
        let folder = folder.to_owned();
        // Seconds that nobody else sleeps.
        let mark = format!("9{:06}.{}", seed % 1_000_000, std::process::id());
        let project = Self { folder, mark };
        let escapes = match escapes {
            Escapes::Marked => "marked",
            Escapes::Unmarked => "unmarked",
        };
        project.write("measure.sh", MEASURE)?;
        project.take(100)?;
        let mut suites = String::new();
        for (name, schedule) in [
            ("steady", "{ every = \"1s\" }"),
            ("exact", "{ every = \"3s\" }"),
            ("escapes", "{ every = \"4s\" }"),
            ("fails", "{ every = \"2s\" }"),
            ("loud", "{ every = \"7s\" }"),
            ("commits", "{ branch = \"main\", poll = \"1s\" }"),
            ("far", "{ branch = \"main\", remote = \"far\", poll = \"1s\" }"),
        ] {
            suites.push_str(&format!(
                "[[suite]]\nname = \"{name}\"\nruns = 2\ntimeout = \"20s\"\nresults = [\"{name}.csv\"]\n\
                 command = [\"sh\", \"measure.sh\", \"{name}\", \"{}\", \"{escapes}\"]\n\
                 schedule = [{schedule}]\n",
                project.mark
            ));
        }
        suites.push_str(&format!(
            "[[alert]]\nname = \"hook\"\nto = \"webhook\"\ntimeout = \"2s\"\n\
             url = \"http://127.0.0.1:{receiver}/hooks/{SECRET}\"\n\
             [[alert]]\nname = \"file\"\nto = \"file\"\npath = \"alerts.jsonl\"\n\
             [[alert]]\nname = \"command\"\nto = \"command\"\ntimeout = \"2s\"\n\
             command = [\"sh\", \"-c\", \"setsid sleep {} & exit 0\"]\n",
            project.mark
        ));
        project.write("suites.toml", &suites)?;
        project.git(&["init", "-q", "-b", "main"])?;
        project.git(&["remote", "add", "far", &format!("git://127.0.0.1:{silent}/x")])?;
        project.write(".gitignore", "*.csv\n*.log\n*.jsonl\n.bench\nbench-analyzer\nclock*\n")?;
        project.git(&["add", "."])?;
        project.git(&["commit", "-q", "-m", "The beginning"])?;
        Ok(project)
    }

    pub(super) fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    pub(super) fn mark(&self) -> &str {
        &self.mark
    }

    /// Returns the number of runs that were begun.
    pub(super) fn runs(&self) -> Result<usize> {
        let path = self.folder.join("ran.log");
        Ok(if path.exists() { fs::read_to_string(path)?.lines().count() } else { 0 })
    }

    /// Sets the time that a run says it took, from now on.
    pub(super) fn take(&self, nanoseconds: u32) -> Result<()> {
        self.write("nanoseconds", &nanoseconds.to_string())
    }

    /// Whether one of the suites fails from now on.
    pub(super) fn break_down(&self, breaks: bool) -> Result<()> {
        let path = self.folder.join("broken");
        match (breaks, path.exists()) {
            (true, false) => self.write("broken", ""),
            (false, true) => Ok(fs::remove_file(path)?),
            _ => Ok(()),
        }
    }

    pub(super) fn commit(&self, number: u32) -> Result<()> {
        self.write("number.txt", &number.to_string())?;
        self.git(&["add", "number.txt"])?;
        self.git(&["commit", "-q", "--allow-empty", "-m", "A change"]).map(drop)
    }

    pub(super) fn head(&self) -> Result<String> {
        Ok(self.git(&["rev-parse", "HEAD"])?.trim().to_owned())
    }

    /// Has nothing become due any more but commits, so that what waits can come to an end.
    pub(super) fn quiet(&self) -> Result<()> {
        let path = self.folder.join("suites.toml");
        let suites = fs::read_to_string(&path)?;
        let lines = suites.lines().map(|line| {
            if line.contains("every = ") || line.contains("remote = ") {
                "schedule = []"
            } else {
                line
            }
        });
        Ok(fs::write(&path, lines.collect::<Vec<_>>().join("\n"))?)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        Ok(fs::write(self.folder.join(name), text)?)
    }

    fn git(&self, arguments: &[&str]) -> Result<String> {
        let mut git = Command::new("git");
        git.arg("-C").arg(&self.folder);
        git.args(["-c", "user.name=soak", "-c", "user.email=soak@example.com"]).args(arguments);
        read(&mut git).context("the soak needs git")
    }
}
