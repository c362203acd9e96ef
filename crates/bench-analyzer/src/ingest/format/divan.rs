//! The tree that divan prints: fastest, slowest, median and mean of every benchmark, and of its allocations
//! where these are counted. The median counts; rates follow from it.

use std::io::BufRead;

use super::lines::each_line;
use super::{Complaint, Format, Names, nanoseconds_in, series};
use crate::ingest::collector::Collector;
use bench_stats::model::{Direction, Series};

pub(super) struct Divan;

impl Format for Divan {
    fn marks(&self) -> &'static [&'static str] {
        &["Timer precision:", "fastest", "slowest", "median", "samples", "iters"]
    }

    fn recognises(&self, head: &str) -> bool {
        head.lines().any(|line| Table::begins(line).is_some())
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let run = results.only_run();
        let mut names = Names::default();
        let mut table: Option<Table> = None;
        each_line(input, results, |line, results| {
            if let Some(begun) = Table::begins(line.text) {
                table = Some(begun);
                return Ok(());
            }
            let Some(table) = &mut table else { return Ok(()) };
            let Some(row) = table.row(line.text) else { return Ok(()) };
            line.whole()?;
            match row {
                Row::Named(name, Some(median)) => {
                    let name = names.unique(name, results);
                    let value = time(&median)
                        .ok_or_else(|| Complaint(format!("`{name}`: `{median}` is no time")))?;
                    results.push_value(run, Series::time(name.as_str()), value);
                    table.benchmark = Some(name);
                }
                Row::Named(_, None) => table.benchmark = None,
                Row::Detail(first, median) => {
                    let Some(name) = table.benchmark.clone() else { return Ok(()) };
                    if first.ends_with(':') {
                        table.section = Some((first, 0));
                    } else if let Some((section, row)) = &mut table.section {
                        *row += 1;
                        if let Some((series, value)) = allocated(&name, section, *row, &median) {
                            results.push_value(run, series, value);
                        }
                    }
                }
            }
            Ok(())
        })
    }
}

/// A table in the middle of being read.
struct Table {
    root: String,
    /// How many characters its tree has, in every row.
    tree: usize,
    /// The names of the groups around the row.
    around: Vec<String>,
    benchmark: Option<String>,
    /// The heading of what follows, and how many rows of it were there.
    section: Option<(String, usize)>,
}

enum Row {
    /// A benchmark with its median, or a group without any.
    Named(String, Option<String>),
    /// What else is known of the benchmark above: its first cell, and its median.
    Detail(String, String),
}

impl Table {
    fn begins(line: &str) -> Option<Self> {
        let (name, columns) = line.split_once("fastest")?;
        let titles: Vec<&str> = columns.split('│').map(str::trim).collect();
        if titles != ["", "slowest", "median", "mean", "samples", "iters"] {
            return None;
        }
        Some(Self {
            root: name.trim().to_owned(),
            tree: name.chars().count(),
            around: Vec::new(),
            benchmark: None,
            section: None,
        })
    }

    fn row(&mut self, line: &str) -> Option<Row> {
        let tree: String = line.chars().take(self.tree).collect();
        let cells: String = line.chars().skip(self.tree).collect();
        let cells: Vec<&str> = cells.split('│').map(str::trim).collect();
        let Some(place) = tree.find("─ ") else {
            let (first, median) = (cells.first()?, cells.get(2)?);
            let is_row = tree.chars().all(|one| one == ' ' || one == '│') && !first.is_empty();
            return is_row.then(|| Row::Detail((*first).to_owned(), (*median).to_owned()));
        };
        let name = tree[place + "─ ".len()..].trim();
        let depth = tree[..place].chars().count() / 3;
        self.section = None;
        self.around.truncate(depth);
        self.around.push(name.to_owned());
        let path: Vec<&str> = [self.root.as_str()]
            .into_iter()
            .chain(self.around.iter().map(String::as_str))
            .collect();
        let median = cells.get(2).filter(|cell| !cell.is_empty()).map(|cell| (*cell).to_owned());
        Some(Row::Named(path.join("/"), median))
    }
}

fn time(cell: &str) -> Option<f64> {
    let (number, unit) = cell.split_once(' ')?;
    Some(number.parse::<f64>().ok()? * nanoseconds_in(unit.trim())?)
}

/// What a row below a heading says: the first is a number of calls, the second their bytes.
fn allocated(name: &str, section: &str, row: usize, median: &str) -> Option<(Series, f64)> {
    let metrics = match section {
        "alloc:" => ["allocations", "allocated_bytes"],
        "dealloc:" => ["deallocations", "deallocated_bytes"],
        "grow:" => ["reallocations", "reallocated_bytes"],
        "max alloc:" => ["most_allocations", "most_allocated_bytes"],
        _ => return None,
    };
    let (metric, unit) = match row {
        1 => (metrics[0], "count"),
        2 => (metrics[1], "bytes"),
        _ => return None,
    };
    let (number, scale) = median.split_once(' ').unwrap_or((median, "B"));
    let factor = match scale.trim() {
        "B" => 1.0,
        "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        "GiB" => 1_073_741_824.0,
        _ => return None,
    };
    let value = number.parse::<f64>().ok()? * factor;
    Some((series(name, metric, unit, Direction::Lower), value))
}
