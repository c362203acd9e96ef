//! The program as its users meet it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod baselines;
mod browser;
mod criterion_folder;
mod database;
mod exchange;
mod formats;
mod history;
mod importing;
mod limits;
#[path = "../../examples/made_up_project/project.rs"]
mod project;
mod redaction;
mod report_formats;
mod reporting;
mod scale;
mod settings;
mod workspace;
