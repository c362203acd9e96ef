//! What tells one run from another.
//!
//! Values with many digits, as times have, repeat only if somebody copies them: so the content of a
//! run is enough to know it again, wherever its file lies and whenever it was copied. Counts and
//! sizes repeat all the time, in runs that are different: those are told apart by what their file says
//! of them (name, time, commit), else by when the file was written. What the command line claims of
//! a run belongs to its identity too, and so does its place among equal files of one import.

use std::collections::HashSet;

use jiff::Timestamp;

use bench_stats::model::{Exactness, Sample, Series};

/// Claims about a run beyond what its files say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// The commit it measured.
    pub commit: Option<String>,
    /// When it measured.
    pub at: Option<Timestamp>,
    /// How many files of the same content came before it in the same import.
    pub copy: usize,
    /// Whether a run with the same content is the same run, if no claim speaks against it.
    pub matching: Matching,
}

/// How a run is known again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Matching {
    /// By its content, if the stored run fits the claims.
    #[default]
    ByContent,
    /// By its content and all claims, as where it comes from another store.
    Exactly,
}

impl Claims {
    /// The claims of runs that another store knows by all their circumstances.
    pub fn settled() -> Self {
        Self { matching: Matching::Exactly, ..Self::default() }
    }

    /// Part of them that belongs to the identity of each measurement; empty if none does.
    pub(super) fn identity(&self) -> String {
        let mut text = String::new();
        if let Some(commit) = &self.commit {
            text.push_str(&format!("commit {commit}\n"));
        }
        if let Some(at) = self.at {
            text.push_str(&format!("at {at}\n"));
        }
        if self.copy > 0 {
            text.push_str(&format!("copy {}\n", self.copy));
        }
        text
    }

    /// Whether a stored run of the same content, measured at this commit and time, is the same run.
    pub fn fit(&self, commit: Option<&str>, measured_at: i64) -> bool {
        self.matching == Matching::ByContent
            && self.copy == 0
            && self.commit.as_deref().is_none_or(|claimed| commit == Some(claimed))
            && self.at.is_none_or(|at| at.as_millisecond() == measured_at)
    }
}

/// How many digits of different values cannot repeat by chance: a run of ten times to the
/// nanosecond has about as many.
const ENOUGH_DIGITS: usize = 100;

/// Whether the values of a run could be another's by chance.
#[derive(Debug, Default)]
pub(super) struct Originality {
    seen: HashSet<u64>,
    digits: usize,
}

impl Originality {
    /// Takes one more value into account.
    pub(super) fn see(&mut self, series: &Series, sample: Sample) {
        if self.is_enough() || series.metric.exactness() == Exactness::Exact {
            return;
        }
        let value = sample.per_iteration();
        if self.seen.insert(value.to_bits()) {
            self.digits += significant_digits(value);
        }
        if self.is_enough() {
            self.seen = HashSet::new();
        }
    }

    /// Whether they could not.
    pub(super) fn is_enough(&self) -> bool {
        self.digits >= ENOUGH_DIGITS
    }
}

/// How many decimal digits it takes to write a value, of twelve at most: what follows is the
/// rounding of a conversion.
fn significant_digits(value: f64) -> usize {
    let written = format!("{value:.11e}");
    let mantissa = written.split('e').next().unwrap_or_default();
    mantissa.trim_end_matches('0').bytes().filter(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(series: &Series, values: impl IntoIterator<Item = f64>) -> bool {
        let mut originality = Originality::default();
        for total in values {
            originality.see(series, Sample { iterations: 1, total });
        }
        originality.is_enough()
    }

    #[test]
    fn digits_are_counted_as_they_are_written() {
        for (value, digits) in
            [(1.0, 1), (1200.0, 2), (0.1 * 1e9, 1), (123.456, 6), (0.072_131_251 * 1e9, 8)]
        {
            assert_eq!(significant_digits(value), digits, "{value}");
        }
    }

    #[test]
    fn times_are_original_and_counts_are_not() {
        let time = Series::time("a");
        let wobbly = |count: u32| (0..count).map(|index| 12_345_678.0 + f64::from(index * 7 + 1));
        assert!(of(&time, wobbly(20)));
        assert!(!of(&time, wobbly(3)));
        assert!(!of(&time, std::iter::repeat_n(12_345_678.0, 1000)));
        let counted = Series { metric: bench_stats::model::Metric::new("instructions"), ..time };
        assert!(!of(&counted, wobbly(1000)));
    }

    #[test]
    fn claims_fit_what_does_not_contradict_them() {
        let plain = Claims::default();
        assert!(plain.identity().is_empty());
        assert!(plain.fit(Some("a"), 5));
        let claimed = Claims { commit: Some("a".to_owned()), ..Claims::default() };
        assert!(claimed.fit(Some("a"), 5));
        assert!(!claimed.fit(Some("b"), 5));
        assert!(!claimed.fit(None, 5));
        assert!(!Claims { copy: 1, ..plain }.fit(Some("a"), 5));
        assert!(!Claims::settled().fit(Some("a"), 5));
    }
}
