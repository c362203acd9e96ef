//! Many benchmarks at once: p-values adjusted for how many there are.

use std::cmp::Ordering;

/// Adjusts p-values so that a cut at `q` lets at most a share `q` of what it selects be false
/// (Benjamini and Hochberg, *Controlling the False Discovery Rate*, 1995).
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let count = p_values.len() as f64;
    let order = ascending(p_values);
    let mut adjusted = vec![1.0; p_values.len()];
    let mut smallest: f64 = 1.0;
    for (rank, &index) in order.iter().enumerate().rev() {
        smallest = smallest.min(p_values[index] * count / (rank + 1) as f64);
        adjusted[index] = smallest;
    }
    adjusted
}

/// Adjusts p-values so that a cut at `alpha` lets any false one through with at most that
/// probability (Holm, *A Simple Sequentially Rejective Multiple Test Procedure*, 1979).
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let order = ascending(p_values);
    let mut adjusted = vec![1.0; p_values.len()];
    let mut largest: f64 = 0.0;
    for (rank, &index) in order.iter().enumerate() {
        largest = largest.max(p_values[index] * (p_values.len() - rank) as f64).min(1.0);
        adjusted[index] = largest;
    }
    adjusted
}

fn ascending(p_values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].partial_cmp(&p_values[b]).unwrap_or(Ordering::Equal));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    fn close(left: &[f64], right: &[f64]) -> bool {
        left.iter().zip(right).all(|(left, right)| (left - right).abs() < 1e-12)
    }

    /// statsmodels 0.15: `multipletests(p, method="fdr_bh")` and `method="holm"`; the first also
    /// SciPy 1.17, `false_discovery_control`.
    #[test]
    fn adjustments_agree_with_statsmodels_also_on_ties() {
        let p_values = [0.0001, 0.3, 0.012, 0.8, 0.012, 0.049, 0.0004, 0.9];
        let discovery = [0.0008, 0.4, 0.024, 0.9, 0.024, 0.0784, 0.0016, 0.9];
        let family = [0.0008, 0.9, 0.072, 1.0, 0.072, 0.196, 0.0028, 1.0];
        assert!(close(&benjamini_hochberg(&p_values), &discovery));
        assert!(close(&holm(&p_values), &family));
    }

    proptest! {
        #[test]
        fn adjusting_keeps_the_order_and_never_makes_a_p_value_smaller(
            p_values in proptest::collection::vec(0.0_f64..=1.0, 0..40),
        ) {
            let (discovery, family) = (benjamini_hochberg(&p_values), holm(&p_values));
            for (index, p_value) in p_values.iter().enumerate() {
                prop_assert!(*p_value <= discovery[index] + 1e-12);
                // Controlling any false one asks for more than controlling their share.
                prop_assert!(discovery[index] <= family[index] + 1e-12);
                prop_assert!(family[index] <= 1.0);
                for (other, larger) in p_values.iter().enumerate() {
                    if p_value < larger {
                        prop_assert!(discovery[index] <= discovery[other] + 1e-12);
                        prop_assert!(family[index] <= family[other] + 1e-12);
                    }
                }
            }
        }
    }

    /// statsmodels 0.15, as above; R documents the same for `p.adjust`.
    #[test]
    fn adjustments_of_equal_steps_agree_with_statsmodels() {
        let p_values = [0.01, 0.02, 0.03, 0.04, 0.05, 0.2];
        assert!(close(&benjamini_hochberg(&p_values), &[0.06, 0.06, 0.06, 0.06, 0.06, 0.2]));
        assert!(close(&holm(&p_values), &[0.06, 0.1, 0.12, 0.12, 0.12, 0.2]));
    }

    #[test]
    fn order_of_the_input_is_kept() {
        assert_eq!(benjamini_hochberg(&[0.5, 0.001]), [0.5, 0.002]);
        assert_eq!(holm(&[0.5, 0.001]), [0.5, 0.002]);
        assert!(holm(&[]).is_empty());
    }
}
