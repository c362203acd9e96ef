//! Results of the engines' programs, read from Criterion's folders.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use peer_rows::{Engine, GROUP, Row};
use serde::Deserialize;

/// The results of all runs.
#[derive(Debug, Default)]
pub(super) struct Results {
    pub(super) runs: Vec<Run>,
}

/// Results of one run.
#[derive(Debug, Default)]
pub(super) struct Run {
    cells: BTreeMap<(Row, Engine), Cell>,
}

/// A row in an engine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cell {
    /// The median time of an iteration, divided by the calls that it made.
    pub(super) ns_per_call: f64,
    /// Number of calls in an iteration.
    pub(super) calls: u32,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

#[derive(Deserialize)]
struct Benchmark {
    full_id: String,
    throughput: Option<Throughput>,
}

#[derive(Deserialize)]
enum Throughput {
    Elements(u32),
}

impl Results {
    /// Reads the folders of the runs.
    pub(super) fn read(runs: &[Utf8PathBuf]) -> Result<Self> {
        let runs = runs.iter().map(|run| Run::read(&run.join("criterion")));
        Ok(Self { runs: runs.collect::<Result<_>>()? })
    }
}

impl Run {
    fn read(root: &Utf8Path) -> Result<Self> {
        let mut run = Self::default();
        for row in Row::ALL {
            for engine in Engine::ALL {
                // The names are short and plain, so that Criterion's folders are named like them.
                let id = format!("{GROUP}/{}/{}", row.name(), engine.name());
                let folder = root.join(&id).join("new");
                if folder.is_dir() {
                    let cell = Cell::read(&folder, &id);
                    let cell = cell.with_context(|| format!("failed to read {folder}"))?;
                    run.insert(row, engine, cell);
                }
            }
        }
        Ok(run)
    }

    pub(super) fn insert(&mut self, row: Row, engine: Engine, cell: Cell) {
        self.cells.insert((row, engine), cell);
    }

    /// Returns the result of an engine in a row, unless it cannot do that row or was not asked to.
    pub(super) fn cell(&self, row: Row, engine: Engine) -> Option<Cell> {
        self.cells.get(&(row, engine)).copied()
    }
}

impl Cell {
    fn read(folder: &Utf8Path, id: &str) -> Result<Self> {
        let benchmark: Benchmark =
            serde_json::from_slice(&fs::read(folder.join("benchmark.json"))?)?;
        let estimates: Estimates =
            serde_json::from_slice(&fs::read(folder.join("estimates.json"))?)?;
        if benchmark.full_id != id {
            bail!("it is of {}", benchmark.full_id);
        }
        let calls = match benchmark.throughput {
            Some(Throughput::Elements(calls)) => calls.max(1),
            None => 1,
        };
        Ok(Self { ns_per_call: estimates.median.point_estimate / f64::from(calls), calls })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(run: &Utf8Path, id: &str, full_id: &str, calls: u32) {
        let folder = run.join("criterion").join(id).join("new");
        fs::create_dir_all(&folder).unwrap();
        let benchmark = format!(r#"{{"full_id":"{full_id}","throughput":{{"Elements":{calls}}}}}"#);
        fs::write(folder.join("benchmark.json"), benchmark).unwrap();
        let estimates = r#"{"mean":{},"median":{"point_estimate":3000.0,"standard_error":1.0}}"#;
        fs::write(folder.join("estimates.json"), estimates).unwrap();
    }

    #[test]
    fn times_are_those_of_a_call() {
        let temp = tempfile::tempdir().unwrap();
        let run = Utf8Path::from_path(temp.path()).unwrap();
        for (id, calls) in [("peers/batch_1000/sandbox", 1000), ("peers/fresh_call_pure/wasmi", 1)]
        {
            write(run, id, id, calls);
        }
        let results = Results::read(&[run.to_owned()]).unwrap();
        let cell = |row, engine| results.runs[0].cell(row, engine);
        let batch = Cell { ns_per_call: 3.0, calls: 1000 };
        assert_eq!(cell(Row::Batch, Engine::Sandbox), Some(batch));
        let pure = Cell { ns_per_call: 3000.0, calls: 1 };
        assert_eq!(cell(Row::FreshCallPure, Engine::Wasmi), Some(pure));
        assert_eq!(cell(Row::FreshCallPure, Engine::Sandbox), None);
    }

    #[test]
    fn another_benchmark_in_the_folder_is_an_error() {
        let temp = tempfile::tempdir().unwrap();
        let run = Utf8Path::from_path(temp.path()).unwrap();
        write(run, "peers/batch_1000/sandbox", "peers/batch_1000/wasmer", 1000);
        let error = format!("{:#}", Results::read(&[run.to_owned()]).unwrap_err());
        assert!(error.contains("peers/batch_1000/wasmer"), "{error}");
    }
}
