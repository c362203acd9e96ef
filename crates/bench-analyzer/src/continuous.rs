//! Benchmarks that run by themselves: suites, schedules, jobs, alerts.
//!
//! ```text
//! suites.toml -> scheduler -> jobs -> runner -> store -> analysis -> report, alerts -> outbox
//! ```
//!
//! A *suite* is a command that measures. A schedule turns into *jobs*, each of them as many runs of
//! the command as the suite wants. What has to survive a crash is in the store, and changes in
//! transactions; clock, runner and repository are given from outside, so that a test can
//! pass a day in a second. Whatever is outside may hang, lie, fork or be renamed: so every wait has a
//! limit and looks at the wish to stop, and what may take long (remotes, receivers) goes on beside
//! the jobs. `docs/continuous.md` explains it to users.

pub mod alert;
pub mod benchmark;
pub mod channel;
pub mod family;
mod lease;
mod leftover;
mod log;
pub mod notice;
pub mod observer;
pub mod outbox;
pub mod reporter;
pub mod repository;
pub mod runner;
pub mod schedule;
pub mod scheduler;
pub mod steward;
pub mod suites;

pub use benchmark::{ContinuousBenchmark, Decision, Parts, Question};
pub use observer::JobOutcome;
pub use reporter::BenchmarkReporter;
pub use scheduler::BenchmarkScheduler;
pub use suites::{BenchmarkConfig, BenchmarkSuite};
