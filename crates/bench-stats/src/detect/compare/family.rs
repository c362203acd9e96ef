//! Families of comparisons that are adjusted together for their number.
//!
//! What is adjusted is valid whenever somebody stops, so the list is too, although its benchmarks may
//! rest on different numbers of runs.

use std::collections::BTreeMap;

use crate::detect::verdict::{Comparison, Replication};
use crate::stats::multiplicity::{benjamini_hochberg, holm};

/// The comparisons of one kind: a reader looks at all times at once, and at all resources.
pub(super) struct Family {
    members: Vec<usize>,
}

impl Family {
    /// Puts times and resources in different families. Unreplicated comparisons are in none: one
    /// run a side could never be significant after adjustment, so they are shown as single hints. Nor
    /// are exact ones, which have no error.
    pub(super) fn split(comparisons: &[Comparison]) -> [Self; 2] {
        [false, true].map(|resources| {
            let members = comparisons
                .iter()
                .enumerate()
                .filter(|(_, comparison)| {
                    comparison.series.metric.is_resource() == resources
                        && matches!(
                            comparison.replication,
                            Replication::Replicated | Replication::Borrowed
                        )
                })
                .map(|(index, _)| index)
                .collect();
            Self { members }
        })
    }

    pub(super) fn adjust(&self, comparisons: &mut [Comparison]) {
        let p_values: Vec<f64> =
            self.members.iter().map(|&index| comparisons[index].always_valid_p_value).collect();
        let adjusted = benjamini_hochberg(&p_values).into_iter().zip(holm(&p_values));
        for (&index, (false_discovery, gate)) in self.members.iter().zip(adjusted) {
            comparisons[index].adjusted_p_value = false_discovery;
            comparisons[index].gate_p_value = Some(gate);
        }
    }
}

/// Adjusts the p-values of this look for the number of benchmarks: times and resources apart, and apart what
/// rests on runs and what is a hint. What is counted has no error to adjust.
pub(super) fn adjust_looks(comparisons: &mut [Comparison]) {
    let mut kinds: BTreeMap<(bool, bool), Vec<usize>> = BTreeMap::new();
    let sampled = |one: &Comparison| one.replication != Replication::Exact;
    for (index, one) in comparisons.iter().enumerate().filter(|(_, one)| sampled(one)) {
        let is_hint = one.replication == Replication::Unreplicated;
        kinds.entry((one.series.metric.is_resource(), is_hint)).or_default().push(index);
    }
    for members in kinds.values() {
        let p_values: Vec<f64> = members.iter().map(|&index| comparisons[index].p_value).collect();
        for (&index, adjusted) in members.iter().zip(benjamini_hochberg(&p_values)) {
            comparisons[index].look_p_value = adjusted;
        }
    }
}
