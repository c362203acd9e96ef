//! The generic format: a header naming at least `benchmark` and `value`, and any of `metric`,
//! `unit`, `direction`, `run`, `time` and `commit`; one row a sample.
//!
//! Without a metric, values are times; without a unit, times are in nanoseconds. Units of time are
//! converted, so that a change of units between two files changes nothing. `time` is a
//! timestamp such as `2026-01-31T12:00:00Z`, or seconds since 1970.

use std::collections::HashMap;
use std::io::BufRead;

use jiff::Timestamp;

use super::{Complaint, Format, nanoseconds_in};
use crate::ingest::collector::{Collector, RunKey};
use crate::model::{BenchmarkId, Direction, Metric, Series, Unit};

pub(super) struct Csv;

impl Format for Csv {
    fn recognises(&self, head: &str) -> bool {
        let header = head.trim_start_matches('\u{feff}').lines().next().unwrap_or_default();
        let names: Vec<String> =
            header.split(',').map(|name| name.trim().trim_matches('"').to_lowercase()).collect();
        ["benchmark", "value"].iter().all(|wanted| names.iter().any(|name| name == wanted))
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let mut reader =
            csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(false).from_reader(input);
        let columns = Columns::of(reader.headers()?)?;
        let mut record = csv::StringRecord::new();
        let mut known = HashMap::new();
        while reader.read_record(&mut record)? {
            let line = record.position().map_or(0, csv::Position::line);
            columns
                .take(&record, results, &mut known)
                .map_err(|Complaint(reason)| Complaint(format!("line {line}: {reason}")))?;
        }
        Ok(())
    }
}

/// Where the columns are.
struct Columns {
    benchmark: usize,
    value: usize,
    metric: Option<usize>,
    unit: Option<usize>,
    direction: Option<usize>,
    run: Option<usize>,
    time: Option<usize>,
    commit: Option<usize>,
}

impl Columns {
    fn of(header: &csv::StringRecord) -> Result<Self, Complaint> {
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
            run: find("run"),
            time: find("time"),
            commit: find("commit"),
        })
    }

    fn take(
        &self,
        record: &csv::StringRecord,
        results: &mut Collector,
        known: &mut HashMap<[String; 3], u32>,
    ) -> Result<(), Complaint> {
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
        let (factor, unit) = match nanoseconds_in(unit) {
            Some(factor) => (factor, Unit::nanoseconds()),
            None => (1.0, Unit::new(unit)),
        };
        let texts =
            [self.run, self.time, self.commit].map(|one| cell(one).unwrap_or("").to_owned());
        let run = match known.get(&texts) {
            Some(&run) => run,
            None => {
                let [label, time, commit] = &texts;
                let some = |text: &String| (!text.is_empty()).then(|| text.clone());
                let time = some(time).map(|text| timestamp(&text)).transpose()?;
                let run = results.run(RunKey { label: some(label), time, commit: some(commit) });
                *known.entry(texts).or_insert(run)
            }
        };
        let series = Series {
            benchmark: BenchmarkId::new(benchmark),
            metric: Metric::new(metric),
            unit,
            direction,
        };
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
