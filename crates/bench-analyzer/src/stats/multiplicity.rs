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

    /// R 4: `p.adjust(c(.01, .02, .03, .04, .05, .2), "BH")` and `"holm"`.
    #[test]
    fn adjustments_agree_with_r() {
        let p_values = [0.01, 0.02, 0.03, 0.04, 0.05, 0.2];
        let close = |left: &[f64], right: &[f64]| {
            left.iter().zip(right).all(|(left, right)| (left - right).abs() < 1e-12)
        };
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
