//! Distribution of the times of single iterations.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// Percentiles of times, by the nearest rank: each is a time that was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// Number of times.
    pub count: usize,
    /// Half of them are at most this, in nanoseconds.
    pub p50_ns: u64,
    /// Ninety-nine of a hundred are at most this.
    pub p99_ns: u64,
    /// All of them are at most this.
    pub max_ns: u64,
}

impl Percentiles {
    /// The percentiles of the times, unless there are none.
    pub fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).max(1);
            times.get(rank - 1).map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
        };
        Some(Self { count: times.len(), p50_ns: at(50)?, p99_ns: at(99)?, max_ns: at(100)? })
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, max] = [self.p50_ns, self.p99_ns, self.max_ns].map(Duration::from_nanos);
        write!(f, "p50 {p50:.2?}, p99 {p99:.2?}, max {max:.2?} of {}", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let times = (1..=200).rev().map(Duration::from_nanos).collect();
        let expected = Percentiles { count: 200, p50_ns: 100, p99_ns: 198, max_ns: 200 };
        assert_eq!(Percentiles::of(times), Some(expected));
        let one = Percentiles::of(vec![Duration::from_nanos(7)]);
        assert_eq!(one, Some(Percentiles { count: 1, p50_ns: 7, p99_ns: 7, max_ns: 7 }));
        assert_eq!(Percentiles::of(Vec::new()), None);
    }
}
