//! The program as its users meet it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod alerts;
mod bad_days;
mod baselines;
mod browser;
mod caring;
mod chromium;
mod continuous;
mod criterion_folder;
mod dashboard;
mod database;
mod exchange;
mod fleet;
mod formats;
mod gates;
mod gating;
mod history;
mod holding;
mod identity;
mod importing;
mod latest;
mod leniency;
mod limits;
mod machines;
mod mail;
mod merging;
#[path = "../../examples/made_up_project/project.rs"]
mod project;
mod protected;
mod readers;
mod redaction;
mod report_formats;
mod reporting;
mod same_story;
mod scale;
mod served;
#[cfg(unix)]
mod server;
mod serving;
mod settings;
mod simulated;
mod slow_moves;
mod slow_visitors;
mod step_alerts;
mod stories;
#[cfg(unix)]
mod team;
mod until_decided;
mod watching;
#[cfg(unix)]
mod workflow;
mod workspace;
