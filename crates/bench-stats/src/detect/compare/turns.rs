//! Whether both sides were measured in turns, by when their runs measured.

use jiff::Timestamp;

use crate::model::{BenchmarkResults, Run};
use crate::stats::mean::{mean, to_f64};

/// The order in which the runs of both sides were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// In turns (ABAB or ABBA): what the machine did in the meantime met both sides alike.
    InTurns,
    /// One side after the other, or nobody knows.
    Apart,
}

/// Two of one side may follow each other, as in ABBA; three are a block.
const IN_A_ROW: usize = 2;

/// With one run a side there is no turn.
const RUNS_AT_LEAST: usize = 2;

impl Order {
    /// The order of the runs of two sides.
    pub fn of(baseline: &BenchmarkResults, current: &BenchmarkResults) -> Self {
        let times =
            |runs: &[Run]| -> Vec<Timestamp> { runs.iter().map(|run| run.measured_at).collect() };
        Self::of_times(&times(&baseline.runs), &times(&current.runs))
    }

    fn of_times(baseline: &[Timestamp], current: &[Timestamp]) -> Self {
        if baseline.len().min(current.len()) < RUNS_AT_LEAST {
            return Self::Apart;
        }
        let of = |times: &[Timestamp], side: bool| -> Vec<(Timestamp, bool)> {
            times.iter().map(|&time| (time, side)).collect()
        };
        let mut all = [of(baseline, false), of(current, true)].concat();
        all.sort_unstable();
        if all.windows(2).any(|pair| pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1) {
            // At one moment, two sides were not measured: these times say nothing of the order.
            return Self::Apart;
        }
        let longest = all.chunk_by(|one, next| one.1 == next.1).map(<[_]>::len).max().unwrap_or(0);
        // A drift of the machine moves a side by its mean place. Strict turns differ by one place.
        let place = |side: bool| {
            let places: Vec<f64> =
                (0..all.len()).filter(|&at| all[at].1 == side).map(to_f64).collect();
            mean(&places)
        };
        let balanced = (place(false) - place(true)).abs() <= 1.0;
        if longest <= IN_A_ROW && balanced { Self::InTurns } else { Self::Apart }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order of runs that are written as letters, in the order of time.
    fn order(runs: &str) -> Order {
        let side = |letter: char| -> Vec<Timestamp> {
            let places = (0_i64..).zip(runs.chars()).filter(|(_, one)| *one == letter);
            places.map(|(second, _)| Timestamp::from_second(second).unwrap()).collect()
        };
        Order::of_times(&side('A'), &side('B'))
    }

    #[test]
    fn turns_are_strict_or_take_turns_in_who_comes_first() {
        for runs in ["ABAB", "ABBA", "BAAB", "ABABABABAB", "ABBAABBAAB", "BAABBA"] {
            assert_eq!(order(runs), Order::InTurns, "{runs}");
        }
    }

    #[test]
    fn one_side_after_the_other_is_no_turn() {
        for runs in ["AB", "AABB", "AAABBB", "AAAAABBBBB", "AABBBBAA", "ABABABBBBB", "AAB", "AAA"] {
            assert_eq!(order(runs), Order::Apart, "{runs}");
        }
    }

    #[test]
    fn runs_of_one_moment_tell_nothing() {
        let now = [Timestamp::UNIX_EPOCH; 3];
        assert_eq!(Order::of_times(&now, &now), Order::Apart);
    }
}
