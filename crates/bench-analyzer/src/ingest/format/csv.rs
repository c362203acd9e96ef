//! The generic format: a header naming at least `benchmark` and `value`, and any of `metric`,
//! `unit`, `direction`, `exactness`, `run`, `time`, `commit` and `machine`; one row a sample.
//!
//! Without a metric, values are times; without a unit, times are in nanoseconds. Units of time are
//! converted, so that a change of units between two files changes nothing. `time` is a
//! timestamp such as `2026-01-31T12:00:00Z`, or seconds since 1970. `exactness` is `exact` where one value
//! says everything, as with what is counted, or `sampled`.

use std::cell::Cell;
use std::collections::HashMap;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use jiff::Timestamp;

use super::{Complaint, Format, nanoseconds_in, stream_ended};
use crate::ingest::collector::{Collector, RunKey};
use crate::ingest::machine::NamedMachine;
use bench_stats::model::{BenchmarkId, Direction, Exactness, Metric, Series, Unit};

pub(super) struct Csv;

impl Format for Csv {
    fn marks(&self) -> &'static [&'static str] {
        &["benchmark,", ",value", "value,"]
    }

    fn recognises(&self, head: &str) -> bool {
        let header = head.lines().next().unwrap_or_default();
        let names: Vec<String> =
            header.split(',').map(|name| name.trim().trim_matches('"').to_lowercase()).collect();
        ["benchmark", "value"].iter().all(|wanted| names.iter().any(|name| name == wanted))
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let ending = Rc::new(Cell::new(Ending::default()));
        let input = Watched { input, ending: Rc::clone(&ending) };
        let mut reader =
            csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(input);
        let columns = Columns::of(reader.headers()?)?;
        let mut known = HashMap::new();
        // The last row counts only if the file ends behind it, so each waits for the next.
        let mut waiting: Option<csv::ByteRecord> = None;
        loop {
            let mut record = csv::ByteRecord::new();
            let more = match reader.read_byte_record(&mut record) {
                Ok(more) => more,
                Err(error) => match error.into_kind() {
                    csv::ErrorKind::Io(error) => {
                        stream_ended(error)?;
                        ending.set(Ending { is_line: false, ..ending.get() });
                        false
                    }
                    other => return Err(Complaint(format!("{other:?}"))),
                },
            };
            if let Some(row) = waiting.replace(record) {
                let line = row.position().map_or(0, csv::Position::line);
                let taken = if more || ending.get().is_whole() {
                    columns.take(&row, results, &mut known)
                } else {
                    Err(Complaint(
                        "no line break ends it, so it may be cut off: add one if it is whole"
                            .into(),
                    ))
                };
                if let Err(Complaint(reason)) = taken {
                    results.remarks.leave_out(format!("line {line}: {reason}"));
                }
            }
            if !more {
                return Ok(());
            }
        }
    }
}

/// How the bytes that were read so far end.
#[derive(Debug, Clone, Copy, Default)]
struct Ending {
    is_line: bool,
    /// Whether a quoted field began and did not end.
    in_quotes: bool,
}

impl Ending {
    fn is_whole(self) -> bool {
        self.is_line && !self.in_quotes
    }
}

/// Notes how its input ends.
struct Watched<'i> {
    input: &'i mut dyn BufRead,
    ending: Rc<Cell<Ending>>,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        let mut ending = self.ending.get();
        for byte in &buffer[..count] {
            ending.in_quotes ^= *byte == b'"';
            ending.is_line = matches!(byte, b'\n' | b'\r');
        }
        self.ending.set(ending);
        Ok(count)
    }
}

/// The columns that mean something; others are the user's own.
const KNOWN: [&str; 9] =
    ["benchmark", "value", "metric", "unit", "direction", "exactness", "run", "time", "commit"];

/// Whether one letter more, less or other makes the one word the other. A column that is overlooked for
/// it would change what values mean.
fn is_almost(left: &str, right: &str) -> bool {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let same = left.iter().zip(&right).take_while(|(one, other)| one == other).count();
    let tails = |skip_left: usize, skip_right: usize| {
        left.get(same + skip_left..) == right.get(same + skip_right..)
    };
    tails(1, 1) || tails(1, 0) || tails(0, 1)
}

/// Where the columns are.
struct Columns {
    benchmark: usize,
    value: usize,
    metric: Option<usize>,
    unit: Option<usize>,
    direction: Option<usize>,
    exactness: Option<usize>,
    run: Option<usize>,
    time: Option<usize>,
    commit: Option<usize>,
    machine: Option<usize>,
    count: usize,
}

impl Columns {
    fn of(header: &csv::StringRecord) -> Result<Self, Complaint> {
        for name in header.iter().map(str::to_lowercase) {
            let meant = KNOWN.into_iter().find(|known| is_almost(known, &name));
            if let Some(meant) = meant.filter(|_| !KNOWN.contains(&name.as_str())) {
                return Err(Complaint(format!(
                    "the header has a column `{name}`: is it `{meant}`?"
                )));
            }
        }
        let find = |name: &str| header.iter().position(|one| one.eq_ignore_ascii_case(name));
        let need = |name: &str| {
            find(name).ok_or_else(|| Complaint(format!("the header has no column `{name}`")))
        };
        Ok(Self {
            benchmark: need("benchmark")?,
            value: need("value")?,
            metric: find("metric"),
            unit: find("unit"),
            direction: find("direction"),
            exactness: find("exactness"),
            run: find("run"),
            time: find("time"),
            commit: find("commit"),
            machine: find("machine"),
            count: header.len(),
        })
    }

    fn take(
        &self,
        record: &csv::ByteRecord,
        results: &mut Collector,
        known: &mut HashMap<[String; 4], u32>,
    ) -> Result<(), Complaint> {
        let Ok(record) = csv::StringRecord::from_byte_record(record.clone()) else {
            return Err(Complaint("it is not UTF-8 text".to_owned()));
        };
        if record.len() != self.count {
            let (found, count) = (record.len(), self.count);
            return Err(Complaint(format!("it has {found} fields, where the header has {count}")));
        }
        let cell = |column: Option<usize>| {
            column.and_then(|index| record.get(index)).filter(|text| !text.is_empty())
        };
        let benchmark = cell(Some(self.benchmark)).ok_or("the benchmark has no name")?;
        let text = cell(Some(self.value)).ok_or("there is no value")?;
        let value: f64 =
            text.parse().map_err(|_| Complaint(format!("`{text}` is not a number")))?;
        if !value.is_finite() || value < 0.0 {
            return Err(Complaint(format!("{value} is no value that can be measured")));
        }
        let metric = cell(self.metric).unwrap_or(Metric::TIME);
        let unit = cell(self.unit).unwrap_or(if metric == Metric::TIME { "ns" } else { "" });
        if metric == Metric::TIME && value == 0.0 {
            return Err(Complaint("a time of zero was never measured".to_owned()));
        }
        let direction = match cell(self.direction) {
            Some(text) => text.parse().map_err(Complaint)?,
            None => Direction::Lower,
        };
        let exactness = match cell(self.exactness) {
            Some(text) => text.parse().map_err(Complaint)?,
            None => Exactness::Sampled,
        };
        if exactness.is_exact() && metric == Metric::TIME {
            return Err(Complaint("no time is exact: it varies from run to run".to_owned()));
        }
        let (factor, unit) = match nanoseconds_in(unit) {
            Some(factor) => (factor, Unit::nanoseconds()),
            None => (1.0, Unit::new(unit)),
        };
        let texts = [self.run, self.time, self.commit, self.machine]
            .map(|one| cell(one).unwrap_or("").to_owned());
        let run = match known.get(&texts) {
            Some(&run) => run,
            None => {
                let [label, time, commit, machine] = &texts;
                let some = |text: &String| (!text.is_empty()).then(|| text.clone());
                let time = some(time).map(|text| timestamp(&text)).transpose()?;
                let machine = NamedMachine { cpu: some(machine), ..NamedMachine::default() };
                let (label, commit) = (some(label), some(commit));
                let run = results.run(RunKey { label, time, commit, machine });
                *known.entry(texts).or_insert(run)
            }
        };
        let series = Series {
            benchmark: BenchmarkId::new(benchmark),
            metric: Metric::new(metric),
            unit,
            direction,
        };
        if exactness.is_exact() {
            results.declare_exact(series.clone());
        }
        results.push_value(run, series, value * factor);
        Ok(())
    }
}

fn timestamp(text: &str) -> Result<Timestamp, Complaint> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Timestamp::from_second(seconds).map_err(Complaint::from);
    }
    text.parse().map_err(|_| {
        Complaint(format!(
            "`{text}` is not a time: write 2026-01-31T12:00:00Z or seconds since 1970"
        ))
    })
}
