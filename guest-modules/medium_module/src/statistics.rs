//! Statistics of the values of a sheet.

/// Number of bars in a histogram.
const BARS: usize = 8;

/// Statistics of some numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Number of values.
    pub count: usize,
    /// Their sum over their count.
    pub mean: f64,
    /// The one in the middle, or the mean of the two there.
    pub median: f64,
    /// The standard deviation of a sample; zero for a single number.
    pub deviation: f64,
    /// The smallest.
    pub minimum: f64,
    /// The largest.
    pub maximum: f64,
    /// Number of values in each eighth of the range.
    pub histogram: [usize; BARS],
}

impl Statistics {
    /// Describes numbers, of which there must be one.
    #[must_use]
    pub fn of(numbers: &[f64]) -> Option<Self> {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (minimum, maximum) = (*sorted.first()?, *sorted.last()?);
        let count = sorted.len();
        let mean = sorted.iter().sum::<f64>() / count as f64;
        let squares: f64 = sorted.iter().map(|number| (number - mean) * (number - mean)).sum();
        let deviation = if count > 1 { (squares / (count - 1) as f64).sqrt() } else { 0.0 };
        let median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2.0;
        let histogram = histogram(&sorted, minimum, maximum);
        Some(Self { count, mean, median, deviation, minimum, maximum, histogram })
    }
}

fn histogram(numbers: &[f64], minimum: f64, maximum: f64) -> [usize; BARS] {
    let width = (maximum - minimum) / BARS as f64;
    let mut bars = [0; BARS];
    for number in numbers {
        let bar = if width > 0.0 { ((number - minimum) / width) as usize } else { 0 };
        bars[bar.min(BARS - 1)] += 1;
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_described() {
        let statistics = Statistics::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((statistics.mean, statistics.median), (2.5, 2.5));
        assert_eq!(statistics.deviation, (5.0_f64 / 3.0).sqrt());
        assert_eq!(statistics.histogram, [1, 0, 1, 0, 0, 1, 0, 1]);
    }

    #[test]
    fn one_number_is_its_own_mean() {
        let statistics = Statistics::of(&[7.0]).unwrap();
        assert_eq!((statistics.mean, statistics.deviation), (7.0, 0.0));
        assert_eq!(statistics.histogram, [1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Statistics::of(&[]), None);
    }
}
