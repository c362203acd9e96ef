//! Families of comparisons that are adjusted together for their number.

use crate::detect::verdict::{Comparison, Replication};
use crate::stats::multiplicity::{benjamini_hochberg, holm};

/// The comparisons of one kind: a reader looks at all times at once, and at all resources.
pub(super) struct Family {
    members: Vec<usize>,
}

impl Family {
    /// Puts times and resources in different families. Unreplicated comparisons are in none: one
    /// run a side could never be significant after adjustment, so they are shown as single hints.
    pub(super) fn split(comparisons: &[Comparison]) -> [Self; 2] {
        [false, true].map(|resources| {
            let members = comparisons
                .iter()
                .enumerate()
                .filter(|(_, comparison)| {
                    comparison.series.metric.is_resource() == resources
                        && comparison.replication != Replication::Unreplicated
                })
                .map(|(index, _)| index)
                .collect();
            Self { members }
        })
    }

    pub(super) fn adjust(&self, comparisons: &mut [Comparison]) {
        let p_values: Vec<f64> =
            self.members.iter().map(|&index| comparisons[index].p_value).collect();
        let adjusted = benjamini_hochberg(&p_values).into_iter().zip(holm(&p_values));
        for (&index, (false_discovery, gate)) in self.members.iter().zip(adjusted) {
            comparisons[index].adjusted_p_value = false_discovery;
            comparisons[index].gate_p_value = Some(gate);
        }
    }
}
