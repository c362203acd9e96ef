//! Measures how often the analyzer is right, on simulated results whose truth is known.
//!
//! `cargo run --release -p bench-analyzer --example evaluation` prints the tables that
//! `EVALUATION.md` shows. Seeds are fixed; only the times of the last table differ from machine
//! to machine.

mod comparison;
mod noise;
mod pelt;
mod speed;
mod steps;

fn main() {
    comparison::print();
    steps::print();
    speed::print();
}
