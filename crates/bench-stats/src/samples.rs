//! Raw samples, checked once so that no statistic has to doubt them.

use serde::{Deserialize, Serialize};

/// One sample: a total over a number of iterations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// How many iterations the total covers.
    pub iterations: u64,
    /// The total, in the unit of the series.
    pub total: f64,
}

impl Sample {
    /// The value of one iteration.
    pub fn per_iteration(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "beyond 2^53 iterations nobody has waited")]
        let iterations = self.iterations as f64;
        self.total / iterations
    }

    /// Whether this can have been measured. `index` is its place among others.
    ///
    /// # Errors
    /// Refuses whatever is not a finite, non-negative total over at least one iteration.
    pub fn check(self, index: usize) -> Result<(), InvalidSamples> {
        let Self { iterations, total } = self;
        if !total.is_finite() {
            return Err(InvalidSamples::NotFinite { index, total });
        }
        if total < 0.0 {
            return Err(InvalidSamples::Negative { index, total });
        }
        if iterations == 0 {
            return Err(InvalidSamples::NoIterations { index });
        }
        Ok(())
    }
}

/// At least one sample, all of them finite and not negative, in the order they were taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Sample>", into = "Vec<Sample>")]
pub struct Samples(Vec<Sample>);

/// Why a list of samples was refused.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum InvalidSamples {
    /// There is nothing to summarise.
    #[error("there is no sample")]
    Empty,
    /// A total is NaN or infinite.
    #[error("sample {index} is {total}, not a finite number")]
    NotFinite {
        /// Position of the sample, counted from 0.
        index: usize,
        /// The offending total.
        total: f64,
    },
    /// A total is below zero.
    #[error("sample {index} is negative ({total})")]
    Negative {
        /// Position of the sample, counted from 0.
        index: usize,
        /// The offending total.
        total: f64,
    },
    /// A time of zero: the clock did not move, so nothing was measured.
    #[error("sample {index} took no time at all")]
    ZeroTime {
        /// Position of the sample, counted from 0.
        index: usize,
    },
    /// A sample covers no iteration, so its total belongs to nothing.
    #[error("sample {index} covers no iteration")]
    NoIterations {
        /// Position of the sample, counted from 0.
        index: usize,
    },
}

impl Samples {
    /// Accepts samples of any metric.
    ///
    /// # Errors
    /// Refuses an empty list and whatever is not a finite, non-negative total over at least
    /// one iteration.
    pub fn new(samples: Vec<Sample>) -> Result<Self, InvalidSamples> {
        if samples.is_empty() {
            return Err(InvalidSamples::Empty);
        }
        for (index, sample) in samples.iter().enumerate() {
            sample.check(index)?;
        }
        Ok(Self(samples))
    }

    /// Accepts samples of a time, which cannot be zero.
    ///
    /// # Errors
    /// As [`Samples::new`], and refuses zeros.
    pub fn of_time(samples: Vec<Sample>) -> Result<Self, InvalidSamples> {
        let samples = Self::new(samples)?;
        match samples.0.iter().position(|sample| sample.total == 0.0) {
            Some(index) => Err(InvalidSamples::ZeroTime { index }),
            None => Ok(samples),
        }
    }

    /// Accepts plain values, each of one iteration.
    ///
    /// # Errors
    /// As [`Samples::new`].
    pub fn of_values(values: impl IntoIterator<Item = f64>) -> Result<Self, InvalidSamples> {
        Self::new(values.into_iter().map(|total| Sample { iterations: 1, total }).collect())
    }

    /// The samples in the order they were taken.
    pub fn as_slice(&self) -> &[Sample] {
        &self.0
    }

    /// How many there are; never zero.
    #[expect(clippy::len_without_is_empty, reason = "it cannot be empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The values per iteration, in the order they were taken.
    pub fn per_iteration(&self) -> impl Iterator<Item = f64> + '_ {
        self.0.iter().map(|sample| sample.per_iteration())
    }
}

impl TryFrom<Vec<Sample>> for Samples {
    type Error = InvalidSamples;

    fn try_from(samples: Vec<Sample>) -> Result<Self, Self::Error> {
        Self::new(samples)
    }
}

impl From<Samples> for Vec<Sample> {
    fn from(samples: Samples) -> Self {
        samples.0
    }
}
