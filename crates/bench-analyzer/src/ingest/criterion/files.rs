//! The files of one saved result.

use std::collections::HashSet;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::unit::CustomUnit;
use crate::error::{Error, Remedy, Result};
use crate::ingest::format::{custom_series, numbers, parse as parse_json};
use crate::ingest::plausible;
use crate::ingest::remark::Remarks;
use crate::ingest::resources::Resources;
use bench_stats::model::{Estimate, Samples, Series, Statistic, Throughput, ThroughputKind};

/// One saved result of one benchmark.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SavedResult {
    /// Its folder.
    pub(super) path: Utf8PathBuf,
    /// When its samples were written.
    pub(super) written_at: Timestamp,
    /// The benchmark's time, or whatever was measured in its stead.
    pub(super) series: Series,
    /// The samples.
    pub(super) samples: Samples,
    /// The work of one iteration.
    pub(super) throughput: Vec<Throughput>,
    /// Estimates of Criterion's.
    pub(super) estimates: Vec<Estimate>,
    /// Resources recorded beside time.
    pub(super) resources: Vec<(Series, Samples)>,
}

impl SavedResult {
    /// How long its samples took all together; nothing is known of that where no time was measured.
    pub(super) fn measured_for(&self) -> Duration {
        if !self.series.metric.is_time() {
            return Duration::ZERO;
        }
        let total: f64 = self.samples.as_slice().iter().map(|sample| sample.total).sum();
        Duration::try_from_secs_f64(total / 1e9).unwrap_or(Duration::MAX)
    }

    /// What has to be known beside its samples to know it again. Times never repeat; counts do, and
    /// are told apart by when they were written.
    pub(super) fn context(&self) -> Option<String> {
        /// As many different times to the nanosecond no two processes have in common.
        const ENOUGH: usize = 5;
        let values: HashSet<u64> = self.samples.per_iteration().map(f64::to_bits).collect();
        let is_original = self.series.metric.is_time() && values.len() >= ENOUGH;
        (!is_original).then(|| self.written_at.as_nanosecond().to_string())
    }
}

#[derive(Debug, Deserialize)]
struct BenchmarkFile {
    /// Versions before 0.3 do not write it, but what it is made of.
    full_id: Option<String>,
    group_id: Option<String>,
    function_id: Option<String>,
    value_str: Option<String>,
    #[serde(default)]
    throughput: Option<Value>,
}

impl BenchmarkFile {
    fn name(&self) -> Option<String> {
        let Self { full_id, group_id, function_id, value_str, .. } = self;
        let parts = [group_id, function_id, value_str].into_iter().flatten();
        let parts: Vec<&str> = parts.map(String::as_str).filter(|one| !one.is_empty()).collect();
        full_id.clone().or_else(|| (!parts.is_empty()).then(|| parts.join("/")))
    }

    /// The work of one iteration; none where a later version counts what is not known here.
    fn throughput(&self, path: &Utf8Path, remarks: &mut Remarks) -> Vec<Throughput> {
        let known = self.throughput.clone().map(serde_json::from_value::<ThroughputField>);
        let work = known.and_then(Result::ok).map(ThroughputField::parts).unwrap_or_default();
        let believed = |work: &Throughput| match plausible::check_work(*work) {
            Ok(()) => true,
            Err(problem) => {
                remarks.leave_out(format!("{path}: {problem}"));
                false
            }
        };
        work.into_iter().filter(believed).collect()
    }
}

#[derive(Debug, Deserialize)]
enum ThroughputField {
    Bits(u64),
    Bytes(u64),
    BytesDecimal(u64),
    Elements(u64),
    ElementsAndBytes { elements: u64, bytes: u64 },
}

impl ThroughputField {
    fn parts(self) -> Vec<Throughput> {
        let one = |kind, amount| Throughput { kind, amount };
        match self {
            Self::Bits(amount) => vec![one(ThroughputKind::Bits, amount)],
            Self::Bytes(amount) => vec![one(ThroughputKind::Bytes, amount)],
            Self::BytesDecimal(amount) => vec![one(ThroughputKind::BytesDecimal, amount)],
            Self::Elements(amount) => vec![one(ThroughputKind::Elements, amount)],
            Self::ElementsAndBytes { elements, bytes } => {
                vec![one(ThroughputKind::Elements, elements), one(ThroughputKind::Bytes, bytes)]
            }
        }
    }
}

/// The samples: an object since version 0.3.4, a pair of lists before.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum SampleFile {
    Named {
        #[serde(deserialize_with = "numbers")]
        iters: Vec<Option<f64>>,
        #[serde(deserialize_with = "numbers")]
        times: Vec<Option<f64>>,
    },
    Pair(
        #[serde(deserialize_with = "numbers")] Vec<Option<f64>>,
        #[serde(deserialize_with = "numbers")] Vec<Option<f64>>,
    ),
}

/// Reads the saved result in `folder`.
pub(super) fn read(
    folder: &Utf8Path,
    unit: &CustomUnit,
    remarks: &mut Remarks,
) -> Result<SavedResult> {
    let sample_path = folder.join("sample.json");
    let file: SampleFile = parse_samples(&sample_path)?;
    let benchmark_path = folder.join("benchmark.json");
    let benchmark: BenchmarkFile = parse(&benchmark_path)?;
    let name = benchmark.name().ok_or_else(|| Error::Malformed {
        path: benchmark_path.clone(),
        reason: "it names no benchmark".to_owned(),
        remedy: Remedy::RunCriterionAgain,
    })?;
    let series = match unit.of(folder) {
        None => Series::time(name.as_str()),
        Some(unit) => custom_series(&name, &unit),
    };
    let samples = samples(&sample_path, &series, &file, remarks)?;
    let written_at = written_at(&sample_path)?;
    let estimates = estimates(folder, &samples, remarks);
    let resources = resources(folder, &name, remarks);
    Ok(SavedResult {
        path: folder.to_owned(),
        written_at,
        samples,
        estimates,
        throughput: benchmark.throughput(&benchmark_path, remarks),
        series,
        resources,
    })
}

/// The usable samples of a file; what cannot have been measured is remarked.
fn samples(
    path: &Utf8Path,
    series: &Series,
    file: &SampleFile,
    remarks: &mut Remarks,
) -> Result<Samples> {
    let (SampleFile::Named { iters, times } | SampleFile::Pair(iters, times)) = file;
    if iters.len() != times.len() {
        return Err(Error::Malformed {
            path: path.to_owned(),
            reason: format!("it lists {} iteration counts but {} times", iters.len(), times.len()),
            remedy: Remedy::RunCriterionAgain,
        });
    }
    let mut good = Vec::with_capacity(times.len());
    let mut bad: Option<String> = None;
    for (index, (iterations, total)) in iters.iter().zip(times).enumerate() {
        let known = |number: &Option<f64>| number.unwrap_or(f64::NAN);
        match plausible::sample(series, index, known(iterations), known(total)) {
            Ok(sample) => good.push(sample),
            Err(problem) => {
                let reason = problem.to_string();
                remarks.leave_out(format!("{path}: a value of `{series}`: {reason}"));
                bad.get_or_insert(reason);
            }
        }
    }
    if let Some(reason) = bad
        && times.len() > 2 * good.len()
    {
        // What is left says nothing: it is not missing by chance.
        return Err(Error::Malformed {
            path: path.to_owned(),
            reason: format!("most of its values were never measured ({reason})"),
            remedy: Remedy::RunCriterionAgain,
        });
    }
    Samples::new(good).map_err(|source| Error::Samples {
        path: path.to_owned(),
        benchmark: series.benchmark.to_string(),
        source,
        remedy: Remedy::RunCriterionAgain,
    })
}

/// Estimates of Criterion's, under the names of versions since 0.3.4 and before.
#[derive(Debug, Deserialize)]
struct EstimatesFile {
    #[serde(alias = "Mean")]
    mean: EstimateField,
    #[serde(alias = "Median")]
    median: EstimateField,
    #[serde(alias = "MedianAbsDev")]
    median_abs_dev: EstimateField,
    /// None where every sample has as many iterations.
    #[serde(alias = "Slope")]
    slope: Option<EstimateField>,
    #[serde(alias = "StdDev")]
    std_dev: EstimateField,
}

#[derive(Debug, Deserialize)]
struct EstimateField {
    point_estimate: f64,
    confidence_interval: IntervalField,
}

#[derive(Debug, Deserialize)]
struct IntervalField {
    confidence_level: f64,
    lower_bound: f64,
    upper_bound: f64,
}

/// What Criterion estimated from these samples. Estimates of others are left out: then somebody
/// edited or mixed the files, and the samples are what was measured. They are only shown, so whatever
/// is wrong with them costs nothing else.
fn estimates(folder: &Utf8Path, samples: &Samples, remarks: &mut Remarks) -> Vec<Estimate> {
    /// Criterion sums in another order than we do.
    const ROUNDING: f64 = 1e-6;
    let path = folder.join("estimates.json");
    if !path.is_file() {
        return Vec::new();
    }
    let file: EstimatesFile = match parse(&path) {
        Ok(file) => file,
        Err(error) => {
            remarks.leave_out(error.to_string());
            return Vec::new();
        }
    };
    let values: Vec<f64> = samples.per_iteration().collect();
    let mean = bench_stats::stats::mean::mean(&values);
    if (file.mean.point_estimate - mean).abs() > ROUNDING * mean {
        remarks.note(format!(
            "{path} does not belong to the samples beside it (their mean is {mean} ns, it says {} \
             ns): the samples count",
            file.mean.point_estimate
        ));
        return Vec::new();
    }
    let fields = [
        (Statistic::Mean, Some(file.mean)),
        (Statistic::Median, Some(file.median)),
        (Statistic::MedianAbsDev, Some(file.median_abs_dev)),
        (Statistic::Slope, file.slope),
        (Statistic::StdDev, Some(file.std_dev)),
    ];
    let estimate = |(statistic, field): (Statistic, Option<EstimateField>)| {
        let EstimateField { point_estimate: point, confidence_interval } = field?;
        let IntervalField { confidence_level: level, lower_bound: low, upper_bound: high } =
            confidence_interval;
        Some(Estimate { statistic, point, low, high, level })
    };
    fields.into_iter().filter_map(estimate).collect()
}

/// What was recorded beside time. It only supports what the times say, so whatever is wrong with it
/// costs nothing else.
fn resources(folder: &Utf8Path, benchmark: &str, remarks: &mut Remarks) -> Vec<(Series, Samples)> {
    let path = folder.join("resources.json");
    if !path.is_file() {
        return Vec::new();
    }
    match parse::<Resources>(&path) {
        Ok(resources) if resources.is_newer() => {
            remarks.leave_out(format!("{path}: it has a newer layout than this program knows"));
            Vec::new()
        }
        Ok(resources) => {
            let left_out = |problem| remarks.leave_out(format!("{path}: {problem}"));
            resources.series(benchmark, left_out)
        }
        Err(error) => {
            remarks.leave_out(error.to_string());
            Vec::new()
        }
    }
}

/// [`parse`], saying what is wrong with the layout that versions write since 0.3.4.
fn parse_samples(path: &Utf8Path) -> Result<SampleFile> {
    let value: Value = parse(path)?;
    let missing = ["iters", "times"].into_iter().find(|field| value.get(field).is_none());
    let is_pair = value.is_array();
    serde_json::from_value(value).map_err(|error| Error::Malformed {
        path: path.to_owned(),
        reason: match missing {
            Some(field) if !is_pair => format!("missing field `{field}`"),
            _ => format!("its lists hold what no number is ({error})"),
        },
        remedy: Remedy::RunCriterionAgain,
    })
}

fn parse<T: DeserializeOwned>(path: &Utf8Path) -> Result<T> {
    let bytes = std::fs::read(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::Malformed {
            path: path.to_owned(),
            reason: "the file is missing, so writing the result was cut short".to_owned(),
            remedy: Remedy::RunCriterionAgain,
        },
        _ => Error::Read { path: path.to_owned(), source },
    })?;
    parse_json(bytes).map_err(|error| {
        let reason =
            if error.is_eof() { format!("it ends too early ({error})") } else { error.to_string() };
        Error::Malformed { path: path.to_owned(), reason, remedy: Remedy::RunCriterionAgain }
    })
}

fn written_at(path: &Utf8Path) -> Result<Timestamp> {
    let unreadable = |source| Error::Read { path: path.to_owned(), source };
    let modified = path.metadata().and_then(|metadata| metadata.modified()).map_err(unreadable)?;
    Timestamp::try_from(modified).map_err(|error| unreadable(std::io::Error::other(error)))
}
