//! Measures how often the analyzer is right, on simulated results whose truth is known.
//!
//! `cargo run --release -p bench-analyzer --example evaluation` prints the tables that
//! `EVALUATION.md` shows; `comparison`, `trust`, `steps`, `growing` or `speed` prints one of them, and
//! `series` prints series for other detectors. `judge FILE` and `processes FILE` judge public data
//! that `held_out.py` prints. Seeds are fixed; only the times of the last tables differ from machine to
//! machine.

mod comparison;
mod growing;
mod held_out;
mod noise;
mod pelt;
mod real;
mod reports;
mod sets;
mod speed;
mod steps;
mod trust;

/// Prints what becomes of the lines of a file.
type Judge = fn(&str);

fn main() {
    let wanted = std::env::args().nth(1);
    if wanted.as_deref() == Some("series") {
        return sets::print();
    }
    let of_a_file: [(&str, Judge); 2] =
        [("judge", held_out::judge), ("processes", held_out::compare_processes)];
    for (name, print) in of_a_file {
        if wanted.as_deref() == Some(name) {
            let path = std::env::args().nth(2).expect("a file that `held_out.py` printed is named");
            return print(&std::fs::read_to_string(path).expect("the file can be read"));
        }
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
