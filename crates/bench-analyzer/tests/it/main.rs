//! The program as its users meet it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod baselines;
mod criterion_folder;
mod database;
mod exchange;
mod formats;
mod history;
mod importing;
mod limits;
mod reporting;
mod settings;
mod workspace;
