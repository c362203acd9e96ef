//! Measures how often the analyzer is right, on simulated results whose truth is known.
//!
//! `cargo run --release -p bench-analyzer --example evaluation` prints the tables that
//! `EVALUATION.md` shows; `comparison`, `trust`, `steps`, `growing` or `speed` prints one of them, and
//! `series` prints series for other detectors. Seeds are fixed; only
//! the times of the last tables differ from machine to machine.

mod comparison;
mod growing;
mod noise;
mod pelt;
mod real;
mod reports;
mod sets;
mod speed;
mod steps;
mod trust;

fn main() {
    let wanted = std::env::args().nth(1);
    if wanted.as_deref() == Some("series") {
        return sets::print();
    }
    let parts: [(&str, fn()); 5] = [
        ("comparison", comparison::print),
        ("trust", trust::print),
        ("steps", steps::print),
        ("growing", growing::print),
        ("speed", speed::print),
    ];
    for (name, print) in parts {
        if wanted.as_deref().is_none_or(|wanted| wanted == name) {
            print();
        }
    }
}
