//! The processes that measure, in their order, and where each leaves its results.

use camino::Utf8PathBuf;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

/// Which code a visit measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Side {
    /// This checkout.
    Here,
    /// The commit that it is measured against.
    Against,
}

/// One process: a bench target of one side, in one of the runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Visit {
    pub(super) run: u32,
    pub(super) side: Side,
    pub(super) target: String,
}

/// The Criterion folders of the runs of each side.
#[derive(Default)]
pub(super) struct Runs {
    pub(super) here: Vec<Utf8PathBuf>,
    pub(super) against: Vec<Utf8PathBuf>,
}

/// Lists all visits in the order in which they are to be made.
///
/// Each run visits every target before the next run starts, so that what changes on the machine meanwhile is
/// spread over all of them, and it visits them in an order of its own, so that no target always follows the same
/// other one. Where two sides have a target, they are measured one right after the other, and take turns in who
/// comes first (ABBA): a drift of the machine then favours neither.
pub(super) fn visits(seed: u64, runs: u32, here: &[String], against: &[String]) -> Vec<Visit> {
    let mut targets: Vec<&String> = here.iter().chain(against).collect();
    targets.sort();
    targets.dedup();
    let mut visits = Vec::new();
    for run in 1..=runs {
        let mut order: Vec<(u32, &String)> = (run..).zip(targets.iter().copied()).collect();
        // Any way to make one seed of two numbers will do, as long as it is the same next time.
        let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(u64::from(run));
        order.shuffle(&mut Pcg64Mcg::seed_from_u64(seed));
        for (turn, target) in order {
            let mut sides = vec![(Side::Here, here), (Side::Against, against)];
            if turn % 2 == 0 {
                sides.reverse();
            }
            let sides = sides.into_iter().filter(|(_, targets)| targets.contains(target));
            visits.extend(sides.map(|(side, _)| Visit { run, side, target: target.clone() }));
        }
    }
    visits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn every_run_has_every_target_once() {
        let targets = names(&["a", "b", "c", "d"]);
        let visits = visits(7, 5, &targets, &[]);
        assert_eq!(visits.len(), 20);
        for run in 1..=5 {
            let of_run = visits.iter().filter(|visit| visit.run == run);
            let mut of_run: Vec<String> = of_run.map(|visit| visit.target.clone()).collect();
            of_run.sort();
            assert_eq!(of_run, targets);
        }
        assert!(visits.is_sorted_by_key(|visit| visit.run));
    }

    #[test]
    fn the_order_depends_on_seed_and_run_and_nothing_else() {
        let targets = names(&["a", "b", "c", "d", "e", "f"]);
        let order = |seed, run| {
            let visits = visits(seed, 3, &targets, &[]).into_iter();
            visits.filter(|visit| visit.run == run).map(|visit| visit.target).collect::<Vec<_>>()
        };
        assert_eq!(order(1, 1), order(1, 1));
        assert_ne!(order(1, 1), order(1, 2));
        assert_ne!(order(1, 1), order(2, 1));
    }

    #[test]
    fn two_sides_take_turns_in_who_comes_first() {
        let targets = names(&["a", "b", "c"]);
        let visits = visits(1, 4, &targets, &targets);
        for target in &targets {
            let sides: Vec<Side> = visits
                .iter()
                .filter(|visit| visit.target == *target)
                .map(|visit| visit.side)
                .collect();
            let firsts: Vec<Side> = sides.iter().copied().step_by(2).collect();
            assert!(firsts.windows(2).all(|pair| pair[0] != pair[1]), "{sides:?}");
            assert!(sides.chunks(2).all(|pair| pair[0] != pair[1]), "{sides:?}");
        }
        let pairs = visits.chunks(2);
        assert!(pairs.into_iter().all(|pair| pair[0].target == pair[1].target));
    }

    #[test]
    fn a_target_of_one_side_is_measured_for_that_side() {
        let visits = visits(1, 2, &names(&["new", "old"]), &names(&["old"]));
        let of_new: Vec<Side> =
            visits.iter().filter(|visit| visit.target == "new").map(|visit| visit.side).collect();
        assert_eq!(of_new, [Side::Here, Side::Here]);
        assert_eq!(visits.len(), 6);
    }
}
