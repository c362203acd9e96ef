//! Figures that compare benchmarks of one run with each other: what users ask for first, and what a noisy machine
//! disturbs least, because both sides were measured within the same minutes.

mod measured;

use std::collections::BTreeMap;

use serde::Serialize;

pub use measured::{FiguresError, medians, write};

/// The medians of benchmarks, in nanoseconds, by full id.
pub type Medians = BTreeMap<String, f64>;

/// A figure to be computed once the benchmarks that it needs have been measured.
#[derive(Debug, Clone)]
pub struct Figure {
    title: String,
    kind: Kind,
    at_most: Option<f64>,
}

#[derive(Debug, Clone)]
enum Kind {
    /// Ratio of the first one's time to that of the second.
    Ratio { of: String, to: String },
    /// Share of the cores' combined speed that so many tasks side by side get.
    Scaling { one: String, many: String, tasks: usize, cores: usize },
}

/// Value of a figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Value {
    /// Benchmarks that were compared, in words.
    pub title: String,
    /// The figure.
    pub value: f64,
    /// Unit, which says how it is to be read.
    pub unit: Unit,
    /// Largest value that it is meant to have, if any.
    pub at_most: Option<f64>,
}

/// Unit of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Times as long.
    Times,
    /// A share of what would be ideal, 1 being all of it.
    Share,
}

impl Figure {
    /// Ratio of the times of an iteration of two benchmarks.
    pub fn ratio(of: impl Into<String>, to: impl Into<String>) -> Self {
        let (of, to) = (of.into(), to.into());
        Self { title: format!("{of} to {to}"), kind: Kind::Ratio { of, to }, at_most: None }
    }

    /// Share of the cores' speed that so many tasks get: their throughput beside that of one task, times as many
    /// cores as they can use. `function/N` has to be a benchmark that runs `N` tasks.
    pub fn scaling(function: &str, tasks: usize, cores: usize) -> Self {
        let (one, many) = (format!("{function}/1"), format!("{function}/{tasks}"));
        let title = format!("{function}: {tasks} tasks use of {cores} cores");
        Self { title, kind: Kind::Scaling { one, many, tasks, cores }, at_most: None }
    }

    /// Sets what the figure is meant to reach.
    #[must_use]
    pub fn at_most(mut self, limit: f64) -> Self {
        self.at_most = Some(limit);
        self
    }

    /// Computes the figure, if everything that it needs was measured.
    pub fn value(&self, medians: &Medians) -> Option<Value> {
        let (value, unit) = match &self.kind {
            Kind::Ratio { of, to } => (medians.get(of)? / medians.get(to)?, Unit::Times),
            Kind::Scaling { one, many, tasks, cores } => {
                let usable = (*tasks).min(*cores);
                let speedup = medians.get(one)? * as_f64(*tasks) / medians.get(many)?;
                (speedup / as_f64(usable), Unit::Share)
            }
        };
        let is_usable = value.is_finite();
        is_usable.then(|| Value { title: self.title.clone(), value, unit, at_most: self.at_most })
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.unit {
            Unit::Times => write!(f, "{:.2}x", self.value)?,
            Unit::Share => write!(f, "{:.0}%", self.value * 100.0)?,
        }
        write!(f, "  {}", self.title)?;
        match self.at_most {
            Some(limit) => write!(f, " (to be at most {limit:.2}x)"),
            None => Ok(()),
        }
    }
}

/// Numbers of tasks and cores, which are small.
fn as_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn medians(entries: &[(&str, f64)]) -> Medians {
        entries.iter().map(|(id, median)| ((*id).to_owned(), *median)).collect()
    }

    #[test]
    fn a_ratio_needs_both_sides() {
        let figure = Figure::ratio("a/slow", "a/fast").at_most(2.0);
        let value = figure.value(&medians(&[("a/slow", 30.0), ("a/fast", 20.0)])).unwrap();
        assert_eq!((value.value, value.unit, value.at_most), (1.5, Unit::Times, Some(2.0)));
        assert_eq!(value.to_string(), "1.50x  a/slow to a/fast (to be at most 2.00x)");
        assert_eq!(figure.value(&medians(&[("a/slow", 30.0)])), None);
        assert_eq!(figure.value(&medians(&[("a/slow", 30.0), ("a/fast", 0.0)])), None);
    }

    #[test]
    fn tasks_that_share_the_cores_fully_reach_all_of_them() {
        let measured = medians(&[("c/n/1", 10.0), ("c/n/2", 10.0), ("c/n/4", 40.0)]);
        let share = |tasks| Figure::scaling("c/n", tasks, 2).value(&measured).unwrap().value;
        assert_eq!([share(1), share(2), share(4)], [1.0, 1.0, 0.5]);
    }
}
