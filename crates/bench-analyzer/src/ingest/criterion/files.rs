//! The files of one saved result.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Remedy, Result};
use crate::ingest::resources::Resources;
use crate::model::{Estimate, Sample, Samples, Series, Statistic, Throughput, ThroughputKind};

/// One saved result of one benchmark.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SavedResult {
    /// Its folder.
    pub(super) path: Utf8PathBuf,
    /// When its samples were written.
    pub(super) written_at: Timestamp,
    /// The benchmark's time.
    pub(super) series: Series,
    /// The samples.
    pub(super) samples: Samples,
    /// The work of one iteration.
    pub(super) throughput: Vec<Throughput>,
    /// What Criterion estimated.
    pub(super) estimates: Vec<Estimate>,
    /// What was recorded beside time.
    pub(super) resources: Vec<(Series, Samples)>,
}

impl SavedResult {
    /// How long its samples took all together.
    pub(super) fn measured_for(&self) -> Duration {
        let total: f64 = self.samples.as_slice().iter().map(|sample| sample.total).sum();
        Duration::try_from_secs_f64(total / 1e9).unwrap_or(Duration::MAX)
    }
}

#[derive(Debug, Deserialize)]
struct BenchmarkFile {
    full_id: String,
    #[serde(default)]
    throughput: Option<ThroughputField>,
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

#[derive(Debug, Deserialize)]
struct SampleFile {
    iters: Vec<f64>,
    times: Vec<f64>,
}

/// Reads the saved result in `folder`.
pub(super) fn read(folder: &Utf8Path, notes: &mut Vec<String>) -> Result<SavedResult> {
    let sample_path = folder.join("sample.json");
    let file: SampleFile = parse(&sample_path)?;
    let benchmark: BenchmarkFile = parse(&folder.join("benchmark.json"))?;
    let samples = samples(&sample_path, &benchmark.full_id, &file)?;
    let written_at = written_at(&sample_path)?;
    let estimates = estimates(folder, &samples, notes)?;
    let resources = resources(folder, &benchmark.full_id, notes)?;
    Ok(SavedResult {
        path: folder.to_owned(),
        written_at,
        samples,
        estimates,
        throughput: benchmark.throughput.map(ThroughputField::parts).unwrap_or_default(),
        series: Series::time(benchmark.full_id),
        resources,
    })
}

fn samples(path: &Utf8Path, benchmark: &str, file: &SampleFile) -> Result<Samples> {
    let malformed = |reason: String| Error::Malformed {
        path: path.to_owned(),
        reason,
        remedy: Remedy::RunCriterionAgain,
    };
    if file.iters.len() != file.times.len() {
        return Err(malformed(format!(
            "it lists {} iteration counts but {} times",
            file.iters.len(),
            file.times.len()
        )));
    }
    let samples = file
        .iters
        .iter()
        .zip(&file.times)
        .map(|(&iterations, &total)| {
            // Criterion writes whole numbers as floats.
            if iterations.fract() != 0.0 || !(1.0..=9e15).contains(&iterations) {
                return Err(malformed(format!("{iterations} is not a number of iterations")));
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked above to be whole and in range"
            )]
            let iterations = iterations as u64;
            Ok(Sample { iterations, total })
        })
        .collect::<Result<_>>()?;
    Samples::of_time(samples).map_err(|source| Error::Samples {
        path: path.to_owned(),
        benchmark: benchmark.to_owned(),
        source,
        remedy: Remedy::RunCriterionAgain,
    })
}

#[derive(Debug, Deserialize)]
struct EstimatesFile {
    mean: EstimateField,
    median: EstimateField,
    median_abs_dev: EstimateField,
    /// None where every sample has as many iterations.
    slope: Option<EstimateField>,
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
/// edited or mixed the files, and the samples are what was measured.
fn estimates(
    folder: &Utf8Path,
    samples: &Samples,
    notes: &mut Vec<String>,
) -> Result<Vec<Estimate>> {
    /// Criterion sums in another order than we do.
    const ROUNDING: f64 = 1e-6;
    let path = folder.join("estimates.json");
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let file: EstimatesFile = parse(&path)?;
    let values: Vec<f64> = samples.per_iteration().collect();
    let mean = crate::stats::summary::mean(&values);
    if (file.mean.point_estimate - mean).abs() > ROUNDING * mean {
        notes.push(format!(
            "{path} does not belong to the samples beside it (their mean is {mean} ns, it says {} \
             ns): the samples count",
            file.mean.point_estimate
        ));
        return Ok(Vec::new());
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
    Ok(fields.into_iter().filter_map(estimate).collect())
}

fn resources(
    folder: &Utf8Path,
    benchmark: &str,
    notes: &mut Vec<String>,
) -> Result<Vec<(Series, Samples)>> {
    let path = folder.join("resources.json");
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let resources: Resources = parse(&path)?;
    if resources.is_newer() {
        notes.push(format!("{path} has a newer layout than this program knows; left out"));
        return Ok(Vec::new());
    }
    Ok(resources.series(benchmark))
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
    serde_json::from_slice(&bytes).map_err(|error| {
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
