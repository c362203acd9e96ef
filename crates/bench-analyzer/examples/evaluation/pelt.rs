//! The detector to compare with: PELT with a BIC-like penalty.

/// The change points of `values` by least squares with a penalty of `3 ln n` times the noise
/// variance for each (Killick, Fearnhead and Eckley, *Optimal Detection of Changepoints with a
/// Linear Computational Cost*, 2012). The noise is estimated from differences of neighbours, so
/// that steps do not count as noise.
pub(crate) fn change_points(values: &[f64]) -> Vec<usize> {
    with_variance(values, noise_variance(values))
}

/// The same with the variance of all values for the noise: a step counts as noise, but heavy
/// tails do not look like steps.
pub(crate) fn change_points_global(values: &[f64]) -> Vec<usize> {
    let mean = values.iter().sum::<f64>() / length(values.len());
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    with_variance(values, squares / length(values.len()))
}

fn with_variance(values: &[f64], variance: f64) -> Vec<usize> {
    let n = values.len();
    let penalty = 3.0 * ln(n) * variance;
    let mut sums = vec![(0.0, 0.0)];
    for value in values {
        let (sum, squares) = sums[sums.len() - 1];
        sums.push((sum + value, squares + value * value));
    }
    let cost = |from: usize, to: usize| {
        let (sum, squares) = (sums[to].0 - sums[from].0, sums[to].1 - sums[from].1);
        squares - sum * sum / length(to - from)
    };
    let mut best = vec![(-penalty, 0)];
    let mut open = vec![0];
    for end in 1..=n {
        let costs: Vec<(f64, usize)> =
            open.iter().map(|&start| (best[start].0 + cost(start, end) + penalty, start)).collect();
        let minimum = costs.iter().copied().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, 0));
        open = costs
            .iter()
            .filter(|(cost, _)| cost - penalty <= minimum.0)
            .map(|&(_, start)| start)
            .chain(std::iter::once(end))
            .collect();
        best.push(minimum);
    }
    let mut points = Vec::new();
    let mut end = n;
    while end > 0 {
        end = best[end].1;
        if end > 0 {
            points.push(end);
        }
    }
    points.reverse();
    points
}

fn noise_variance(values: &[f64]) -> f64 {
    let mut differences: Vec<f64> =
        values.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
    differences.sort_by(f64::total_cmp);
    let median = differences.get(differences.len() / 2).copied().unwrap_or(0.0);
    (1.4826 * median).powi(2) / 2.0
}

#[expect(clippy::cast_precision_loss, reason = "thousands")]
fn length(count: usize) -> f64 {
    count as f64
}

fn ln(count: usize) -> f64 {
    length(count).ln()
}
