//! pytest-benchmark's `--benchmark-json`: seconds a round in `data`, or only their median if they
//! were not saved.

use std::io::BufRead;

use serde::Deserialize;

use super::elements::each_in_field;
use super::{Complaint, Format, is_json_with};
use crate::ingest::collector::{Collector, RunKey};
use crate::model::{Sample, Series};

pub(super) struct Pytest;

#[derive(Deserialize)]
struct Export {
    datetime: Option<String>,
    commit_info: Option<CommitInfo>,
}

#[derive(Deserialize)]
struct CommitInfo {
    id: Option<String>,
    branch: Option<String>,
    dirty: Option<bool>,
}

#[derive(Deserialize)]
struct Benchmark {
    fullname: String,
    stats: Stats,
}

#[derive(Deserialize)]
struct Stats {
    #[serde(default)]
    data: Vec<f64>,
    median: f64,
    #[serde(default = "one")]
    iterations: u64,
}

fn one() -> u64 {
    1
}

impl Format for Pytest {
    fn recognises(&self, head: &str) -> bool {
        is_json_with(head, '{', &["machine_info", "python_version"])
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let run = results.only_run();
        let take = |Benchmark { fullname, stats }: Benchmark| {
            let Stats { data, median, iterations } = stats;
            let data = if data.is_empty() { vec![median] } else { data };
            for seconds in data {
                #[expect(clippy::cast_precision_loss, reason = "a number of iterations")]
                let total = seconds * 1e9 * iterations as f64;
                results.push(run, Series::time(fullname.as_str()), Sample { iterations, total });
            }
            Ok(())
        };
        let others = &["datetime", "commit_info"];
        let export: Export = each_in_field(input, "benchmarks", others, take)?;
        // Old versions leave the offset away, and mean UTC.
        let time = export
            .datetime
            .and_then(|text| text.parse().or_else(|_| format!("{text}Z").parse()).ok());
        let info = export.commit_info;
        // Outside a repository it writes these words.
        let real =
            |text: &String| text != "unversioned" && text != "unknown" && text != "(unknown)";
        let commit = info.as_ref().and_then(|info| info.id.clone()).filter(real);
        results.branch = info.as_ref().and_then(|info| info.branch.clone()).filter(real);
        results.dirty = info.and_then(|info| info.dirty);
        results.rename_run(run, RunKey { time, commit, ..RunKey::default() });
        Ok(())
    }
}
