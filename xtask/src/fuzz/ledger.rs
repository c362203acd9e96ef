//! Account of all searches that were made on this machine.

use std::fmt;
use std::io::Write as _;
use std::ops::AddAssign;

use anyhow::Result;
use camino::Utf8Path;

/// One search with a target, or several together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Search {
    pub(super) seconds: u64,
    pub(super) executions: u64,
}

impl AddAssign for Search {
    fn add_assign(&mut self, other: Self) {
        self.seconds += other.seconds;
        self.executions += other.executions;
    }
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hours, minutes) = (self.seconds / 3600, self.seconds % 3600 / 60);
        write!(f, "{hours} h {minutes:02} min, {} inputs", self.executions)
    }
}

/// All searches: a line each, of the target, the seconds and the inputs.
pub(super) struct Ledger(String);

impl Ledger {
    pub(super) fn read(folder: &Utf8Path) -> Result<Self> {
        let file = folder.join("ledger.tsv");
        Ok(Self(if file.exists() { fs_err::read_to_string(file)? } else { String::new() }))
    }

    /// Adds a search, also one that ended with a finding.
    pub(super) fn add(folder: &Utf8Path, target: &str, search: Search) -> Result<()> {
        let file = folder.join("ledger.tsv");
        let mut file = fs_err::OpenOptions::new().append(true).create(true).open(file)?;
        writeln!(file, "{target}\t{}\t{}", search.seconds, search.executions)?;
        Ok(())
    }

    /// All searches with a target.
    pub(super) fn total(&self, target: &str) -> Search {
        let mut total = Search::default();
        for line in self.0.lines() {
            if let [name, seconds, executions] = line.split('\t').collect::<Vec<_>>()[..]
                && name == target
                && let (Ok(seconds), Ok(executions)) = (seconds.parse(), executions.parse())
            {
                total += Search { seconds, executions };
            }
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_add_up() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        assert_eq!(Ledger::read(folder).unwrap().total("paths"), Search::default());
        for (target, seconds) in [("paths", 60), ("modules", 10), ("paths", 3_600)] {
            Ledger::add(folder, target, Search { seconds, executions: 7 }).unwrap();
        }
        let total = Ledger::read(folder).unwrap().total("paths");
        assert_eq!(total, Search { seconds: 3_660, executions: 14 });
        assert_eq!(total.to_string(), "1 h 01 min, 14 inputs");
    }
}
