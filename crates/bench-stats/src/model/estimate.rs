//! What the tool that measured made of its samples.

use serde::{Deserialize, Serialize};

/// A number that describes samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// The arithmetic mean of the samples' values per iteration.
    Mean,
    /// Their median.
    Median,
    /// The median of their absolute deviations from it.
    MedianAbsDev,
    /// The slope of total time over iterations, by least squares through the origin.
    Slope,
    /// Their standard deviation.
    StdDev,
}

impl Statistic {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Mean, Self::Median, Self::MedianAbsDev, Self::Slope, Self::StdDev];

    /// The word used in files and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Median => "median",
            Self::MedianAbsDev => "median_abs_dev",
            Self::Slope => "slope",
            Self::StdDev => "std_dev",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// An estimate with its interval, in the unit of its series. It describes one run, so its interval
/// says nothing about the next: verdicts never use it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Statistic that is estimated.
    pub statistic: Statistic,
    /// The estimate.
    pub point: f64,
    /// The lower end of its interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The level of the interval, such as 0.95.
    pub level: f64,
}
