//! Stores benchmark results and says what changed, by how much, and how sure that is.
//!
//! Results flow one way: [`ingest`] reads the output of benchmark tools, [`store`] keeps it,
//! [`stats`] and [`detect`] are pure functions over what was kept, and [`report`] shows what they
//! found.
//!
//! ```text
//! ingest -> store -> stats -> detect -> report
//! ```
//!
//! # Changing the schema or a query
//!
//! Migrations in `migrations/` are only ever added, one for each database under the same number.
//! Queries are texts that both databases understand. They are checked at compile time against
//! SQLite, by the metadata in `.sqlx`, so that building needs no database. After changing either,
//! with
//! `cargo install sqlx-cli --version ^0.9 --no-default-features --features sqlite`, in this
//! crate's folder:
//!
//! ```text
//! export DATABASE_URL=sqlite:///$PWD/../../target/schema.db SQLX_OFFLINE=false
//! cargo sqlx database reset -y --source migrations/sqlite
//! cargo sqlx prepare -- --lib
//! ```

pub mod analyzer;
pub mod child;
pub mod config;
pub mod continuous;
pub mod detect;
pub mod environment;
pub mod error;
pub mod exchange;
pub mod ingest;
pub mod model;
pub mod past;
pub mod report;
pub mod serve;
pub mod stats;
pub mod store;
mod sys;

pub use analyzer::{
    AnalysisReport, BenchmarkAnalyzer, ImprovementNote, PerformanceRecommendation, RegressionAlert,
    ResourceAnalysis,
};
pub use continuous::{BenchmarkReporter, BenchmarkScheduler, ContinuousBenchmark};
pub use detect::outliers::OutlierDetection;
pub use detect::verdict::{Comparison, Severity, Verdict};
pub use error::{Error, Result};
pub use model::{BenchmarkResult, BenchmarkResults};
