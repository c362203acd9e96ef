//! Stores benchmark results and says what changed, by how much, and how sure that is.
//!
//! Results flow one way: [`ingest`] reads the output of benchmark tools, [`store`] keeps it,
//! [`bench_stats`] decides what it means, and [`report`] shows that.
//!
//! ```text
//! ingest -> store -> bench-stats -> report
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

pub mod analysis;
pub mod child;
pub mod clock;
pub mod config;
pub mod continuous;
pub mod environment;
pub mod error;
pub mod ingest;
pub mod jobs;
pub mod links;
pub mod location;
pub mod report;
pub mod secret;
pub mod serve;
pub mod store;
mod sys;

pub use bench_stats::{self, detect, model, stats};
pub use bench_stats::{
    AnalysisReport, BenchmarkAnalyzer, BenchmarkResult, BenchmarkResults, Comparison,
    ImprovementNote, OutlierDetection, PerformanceRecommendation, RegressionAlert,
    ResourceAnalysis, Severity, Verdict,
};
pub use continuous::{BenchmarkReporter, BenchmarkScheduler, ContinuousBenchmark};
pub use error::{Error, Result};
