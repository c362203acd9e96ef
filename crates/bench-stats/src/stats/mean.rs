//! Means, variances, and counts as numbers.

/// The arithmetic mean, NaN for no values.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / to_f64(values.len())
}

/// The unbiased sample variance; zero for fewer than two values.
pub fn variance(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    squares / to_f64(values.len() - 1)
}

/// The geometric mean of positive values, the arithmetic mean where one is zero: the typical
/// value of quantities that differ by factors.
pub fn typical(values: &[f64]) -> f64 {
    if values.iter().all(|&value| value > 0.0) {
        let logs: Vec<f64> = values.iter().map(|value| value.ln()).collect();
        mean(&logs).exp()
    } else {
        mean(values)
    }
}

/// A count as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
pub fn to_f64(count: usize) -> f64 {
    count as f64
}
