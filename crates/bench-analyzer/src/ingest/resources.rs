//! `resources.json`: what a benchmark used beside time, written next to Criterion's files.

use serde::Deserialize;

use super::plausible;
use bench_stats::model::{BenchmarkId, Direction, Metric, Samples, Series, Unit};

/// The file's content. Every field may be missing; unknown ones are ignored.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Resources {
    schema: Option<u32>,
    iterations: Option<f64>,
    cpu_user_ns: Option<f64>,
    cpu_system_ns: Option<f64>,
    peak_resident_bytes: Option<f64>,
    minor_faults: Option<f64>,
    major_faults: Option<f64>,
    voluntary_switches: Option<f64>,
    involuntary_switches: Option<f64>,
    guest_memory_bytes: Option<f64>,
    fuel: Option<f64>,
    bytes_in: Option<f64>,
    bytes_out: Option<f64>,
}

/// The schema this program reads.
const SCHEMA: u32 = 1;

impl Resources {
    /// Whether a later program wrote this in a layout that may mean something else.
    pub(super) fn is_newer(&self) -> bool {
        self.schema.is_some_and(|schema| schema > SCHEMA)
    }

    /// The series of one benchmark: totals per iteration, peaks as they are. Values that cannot
    /// be are left out, as resources only ever support what the times say; `left_out` is told which.
    pub(super) fn series(
        &self,
        benchmark: &str,
        mut left_out: impl FnMut(String),
    ) -> Vec<(Series, Samples)> {
        let iterations = self.iterations.unwrap_or(1.0).max(1.0);
        let totals = [
            ("cpu_user", "ns", self.cpu_user_ns),
            ("cpu_system", "ns", self.cpu_system_ns),
            ("minor_faults", "count", self.minor_faults),
            ("major_faults", "count", self.major_faults),
            ("voluntary_switches", "count", self.voluntary_switches),
            ("involuntary_switches", "count", self.involuntary_switches),
            ("fuel", "units", self.fuel),
            ("bytes_in", "bytes", self.bytes_in),
            ("bytes_out", "bytes", self.bytes_out),
        ];
        let peaks = [
            ("peak_resident", "bytes", self.peak_resident_bytes),
            ("guest_memory", "bytes", self.guest_memory_bytes),
        ];
        let totals = totals.map(|(metric, unit, value)| (metric, unit, value, iterations));
        let peaks = peaks.map(|(metric, unit, value)| (metric, unit, value, 1.0));
        totals
            .into_iter()
            .chain(peaks)
            .filter_map(|(metric, unit, total, iterations)| {
                let series = Series {
                    benchmark: BenchmarkId::new(benchmark),
                    metric: Metric::new(metric),
                    unit: Unit::new(unit),
                    direction: Direction::Lower,
                };
                let sample = plausible::sample(&series, 0, iterations, total?)
                    .map_err(|problem| left_out(format!("`{metric}`: {problem}")));
                let samples = Samples::new(vec![sample.ok()?]).ok()?;
                Some((series, samples))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_per_iteration_and_peaks_are_not() {
        let resources: Resources = serde_json::from_str(
            r#"{"schema":1,"cpu_user_ns":500,"peak_resident_bytes":4096,"iterations":10,
                "fuel":null,"something_new":true}"#,
        )
        .unwrap();
        let values: Vec<_> = resources
            .series("b", |problem| panic!("{problem}"))
            .into_iter()
            .map(|(series, samples)| {
                (series.metric.to_string(), samples.as_slice()[0].per_iteration())
            })
            .collect();
        assert_eq!(values, [("cpu_user".to_owned(), 50.0), ("peak_resident".to_owned(), 4096.0)]);
        assert!(!resources.is_newer());
    }
}
