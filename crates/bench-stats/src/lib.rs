//! Says whether benchmark results differ, by how much, and since when.
//!
//! Everything here is a pure function of its arguments: no file, no clock, no network, and random numbers only
//! from seeds that follow from the data. Whoever has values of benchmarks can use it, wherever they come from;
//! `bench-analyzer` reads and stores them, and shows what is found.
//!
//! ```text
//! samples -> stats -> model -> detect -> analysis
//! ```
//!
//! - [`stats`]: statistics over slices. Every formula names its source.
//! - [`model`]: the words for what is measured. A series is one metric of one benchmark, in one [unit](model::Unit);
//!   a [run](model::Run) is one process that measured, and the unit of replication.
//! - [`detect`]: statements: comparisons of two sides, steps and slow moves of histories, outliers.
//! - [`analysis`]: all of that for two sides and their histories, as one report.
//!
//! # Units
//!
//! Values are in the unit of their series: times in nanoseconds, sizes in bytes. Changes, thresholds and spreads are
//! relative: 0.02 is two percent. Levels and error rates are probabilities: 0.05 is one in twenty. Samples are totals
//! over a number of iterations; all that follows is per iteration.
//!
//! # Examples
//!
//! Five runs a side, given as what each run's median was:
//!
//! ```
//! use bench_stats::model::{BenchmarkResults, Measurement, RunId, Samples, Series};
//! use bench_stats::stats::summary::Summary;
//! use bench_stats::{BenchmarkAnalyzer, Verdict};
//!
//! fn side(name: &str, nanoseconds: [f64; 5]) -> Result<BenchmarkResults, bench_stats::model::InvalidSamples> {
//!     let mut results = BenchmarkResults::new(name);
//!     for (run, median) in (1..).zip(nanoseconds) {
//!         let samples = Samples::of_values([median])?;
//!         let summary = Summary::of(&samples);
//!         results.add(&Series::time("parse"), Measurement { run: RunId(run), summary, samples });
//!     }
//!     Ok(results)
//! }
//!
//! # fn main() -> Result<(), bench_stats::model::InvalidSamples> {
//! let main = side("main", [100.0, 101.0, 99.5, 100.4, 99.8])?;
//! let branch = side("branch", [120.0, 121.5, 119.0, 120.2, 120.9])?;
//! let report = BenchmarkAnalyzer::new(main).analyze_results(&branch);
//!
//! let parse = &report.comparisons[0];
//! assert_eq!(parse.verdict, Verdict::Regression);
//! assert!((0.18..0.23).contains(&parse.change()), "about 20% slower");
//! // It is sure to be at least 10%.
//! assert!(parse.interval.low > 1.10);
//! # Ok(())
//! # }
//! ```
//!
//! Where a history changed for good, and how surely:
//!
//! ```
//! use bench_stats::detect::steps::{StepSettings, segment};
//!
//! let noise = [0.0, 0.6, -0.4, 0.3, -0.7, 0.5, -0.2, 0.1, 0.4, -0.5];
//! let before = noise.iter().map(|noise| 100.0 + noise);
//! let after = noise.iter().map(|noise| 110.0 + noise);
//! let logs: Vec<f64> = before.chain(after).map(f64::ln).collect();
//! let found = segment(&logs, &StepSettings::default());
//! assert_eq!(found.steps.len(), 1);
//! assert_eq!(found.steps[0].index, 10);
//! ```

#![deny(missing_docs)]

pub mod analysis;
pub mod detect;
pub mod model;
mod samples;
pub mod stats;

pub use analysis::{
    AnalysisReport, BenchmarkAnalyzer, ImprovementNote, PerformanceRecommendation, RegressionAlert,
    ResourceAnalysis,
};
pub use detect::outliers::OutlierDetection;
pub use detect::verdict::{Comparison, Severity, Verdict};
pub use model::{BenchmarkResult, BenchmarkResults};
