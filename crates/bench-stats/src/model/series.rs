//! The identity of what is measured.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

text_newtype! {
    /// The full name of a benchmark, in Criterion its `full_id`: `group/function/value`.
    BenchmarkId
}

text_newtype! {
    /// The quantity measured, such as `time` or `peak_resident_memory`.
    Metric
}

text_newtype! {
    /// The unit that values of a series are in, such as `ns` or `bytes`.
    Unit
}

impl Metric {
    /// The metric of every benchmark that measures how long something takes.
    pub const TIME: &'static str = "time";

    /// Wall-clock time.
    pub fn time() -> Self {
        Self::new(Self::TIME)
    }

    /// Whether this is the wall-clock time, the metric that verdicts are about by default.
    pub fn is_time(&self) -> bool {
        self.as_str() == Self::TIME
    }
}

impl Metric {
    /// Quantities that are recorded beside a benchmark's own result. They support or explain a
    /// verdict and are reported apart.
    pub const RESOURCES: [&'static str; 11] = [
        "cpu_user",
        "cpu_system",
        "minor_faults",
        "major_faults",
        "voluntary_switches",
        "involuntary_switches",
        "fuel",
        "bytes_in",
        "bytes_out",
        "peak_resident",
        "guest_memory",
    ];

    /// Whether this is one of [`Metric::RESOURCES`].
    pub fn is_resource(&self) -> bool {
        Self::RESOURCES.contains(&self.as_str())
    }
}

impl Metric {
    /// Quantities that tools count or simulate: the same code on the same input gives the same
    /// value, whatever else the machine does. Counters of the hardware are none of them.
    pub const EXACT: [&'static str; 18] = [
        "instructions",
        "l1_hits",
        "ll_hits",
        "ram_hits",
        "total_accesses",
        "estimated_cycles",
        "allocations",
        "deallocations",
        "reallocations",
        "allocated_bytes",
        "deallocated_bytes",
        "reallocated_bytes",
        "most_allocations",
        "most_allocated_bytes",
        "binary_size",
        "fuel",
        "bytes_in",
        "bytes_out",
    ];

    /// How much one value of it says.
    pub fn exactness(&self) -> Exactness {
        if Self::EXACT.contains(&self.as_str()) { Exactness::Exact } else { Exactness::Sampled }
    }
}

/// How much one value of a metric says.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Exactness {
    /// It varies from run to run, as times do: only several runs tell a change from chance.
    #[default]
    Sampled,
    /// It is counted: values that differ mean that what was measured differs.
    Exact,
}

impl Exactness {
    /// Whether values need no replicate.
    pub fn is_exact(self) -> bool {
        self == Self::Exact
    }

    /// Whether they may vary, which goes without saying.
    pub fn is_sampled(&self) -> bool {
        *self == Self::Sampled
    }
}

impl FromStr for Exactness {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "exact" => Ok(Self::Exact),
            "sampled" => Ok(Self::Sampled),
            other => Err(format!("`{other}` is no exactness: write exact or sampled")),
        }
    }
}

impl Unit {
    /// Nanoseconds, the unit of all times here.
    pub fn nanoseconds() -> Self {
        Self::new("ns")
    }

    /// Bytes.
    pub fn bytes() -> Self {
        Self::new("bytes")
    }

    /// A plain number of events.
    pub fn count() -> Self {
        Self::new("count")
    }
}

/// Which way of a series is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Less is better, as with time.
    Lower,
    /// More is better, as with a rate.
    Higher,
    /// Neither is: changes are stated, never judged.
    Neutral,
}

impl Direction {
    /// The word used in files and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Higher => "higher",
            Self::Neutral => "neutral",
        }
    }
}

impl FromStr for Direction {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "lower" | "less" | "lower-is-better" => Ok(Self::Lower),
            "higher" | "more" | "higher-is-better" => Ok(Self::Higher),
            "neutral" | "none" => Ok(Self::Neutral),
            other => Err(format!("`{other}` is not a direction: write lower, higher or neutral")),
        }
    }
}

/// One metric of one benchmark: the thing that is compared and followed through history.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Series {
    /// The benchmark.
    pub benchmark: BenchmarkId,
    /// The quantity.
    pub metric: Metric,
    /// The unit of every value.
    pub unit: Unit,
    /// Which way is better.
    pub direction: Direction,
}

impl Series {
    /// The wall-clock time of a benchmark, in nanoseconds.
    pub fn time(benchmark: impl Into<String>) -> Self {
        Self {
            benchmark: BenchmarkId::new(benchmark),
            metric: Metric::time(),
            unit: Unit::nanoseconds(),
            direction: Direction::Lower,
        }
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.metric.is_time() {
            self.benchmark.fmt(f)
        } else {
            write!(f, "{} [{}]", self.benchmark, self.metric)
        }
    }
}

/// Unit of a throughput.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThroughputKind {
    /// Bits, as in networks.
    Bits,
    /// Bytes, shown in binary multiples.
    Bytes,
    /// Bytes, shown in decimal multiples.
    BytesDecimal,
    /// Things of any kind.
    Elements,
}

impl ThroughputKind {
    /// The word used in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bits => "bits",
            Self::Bytes => "bytes",
            Self::BytesDecimal => "bytes_decimal",
            Self::Elements => "elements",
        }
    }

    /// The word for what is counted, in the plural.
    pub fn things(self) -> &'static str {
        match self {
            Self::Bits => "bits",
            Self::Bytes | Self::BytesDecimal => "bytes",
            Self::Elements => "elements",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Bits, Self::Bytes, Self::BytesDecimal, Self::Elements]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// The work that one iteration does, from which rates follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Throughput {
    /// Unit that is counted.
    pub kind: ThroughputKind,
    /// How many of it one iteration handles.
    pub amount: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact_and_times_are_sampled() {
        assert_eq!(Metric::new("instructions").exactness(), Exactness::Exact);
        assert_eq!(Metric::new("allocated_bytes").exactness(), Exactness::Exact);
        assert_eq!(Metric::time().exactness(), Exactness::Sampled);
        assert_eq!(Metric::new("peak_resident").exactness(), Exactness::Sampled);
    }
}
