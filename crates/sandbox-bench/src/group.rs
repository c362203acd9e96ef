//! Criterion's groups, with what the machine did beside the time.

use std::fmt::Display;

use criterion::measurement::WallTime;
use criterion::{Bencher, BenchmarkGroup, BenchmarkId, Criterion, Throughput};

use crate::resources::Recorder;
use crate::timing::Bench;

/// Number of samples of a slow benchmark: the fewest that Criterion takes.
const SLOW_SAMPLES: usize = 10;

/// A group of benchmarks.
pub struct Group<'c> {
    name: &'static str,
    inner: BenchmarkGroup<'c, WallTime>,
}

/// The name of a benchmark within its group: a function, and perhaps the value that it is run with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Id {
    function: String,
    value: Option<String>,
}

impl<'c> Group<'c> {
    /// Begins a group.
    pub fn open(criterion: &'c mut Criterion, name: &'static str) -> Self {
        Self { name, inner: criterion.benchmark_group(name) }
    }

    /// From here on, an iteration takes so long that ten samples have to do, whatever the command line says.
    pub fn slow(&mut self) {
        self.inner.sample_size(SLOW_SAMPLES);
    }

    /// Adds a benchmark. `routine` runs once for each sample; one that is filtered out never runs.
    pub fn bench(
        &mut self,
        id: impl Into<Id>,
        throughput: Throughput,
        mut routine: impl FnMut(&mut Bench<'_, '_>),
    ) {
        let id = id.into();
        let full_id = id.within(self.name);
        let mut recorder = None;
        let routine = |bencher: &mut Bencher<'_>| {
            let recorder = recorder.get_or_insert_with(|| Recorder::new(&full_id));
            routine(&mut Bench::new(bencher, recorder));
        };
        self.inner.throughput(throughput);
        match id.value {
            Some(value) => self.inner.bench_function(BenchmarkId::new(id.function, value), routine),
            None => self.inner.bench_function(id.function, routine),
        };
    }

    /// Adds a benchmark that handles one thing in an iteration.
    pub fn bench_one(&mut self, id: impl Into<Id>, routine: impl FnMut(&mut Bench<'_, '_>)) {
        self.bench(id, Throughput::Elements(1), routine);
    }
}

impl Id {
    /// The benchmark's full id, as Criterion prints it.
    fn within(&self, group: &str) -> String {
        match &self.value {
            Some(value) => format!("{group}/{}/{value}", self.function),
            None => format!("{group}/{}", self.function),
        }
    }
}

impl From<&str> for Id {
    fn from(function: &str) -> Self {
        Self { function: function.to_owned(), value: None }
    }
}

impl<V: Display> From<(&str, V)> for Id {
    fn from((function, value): (&str, V)) -> Self {
        Self { function: function.to_owned(), value: Some(value.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_ids_are_those_that_criterion_prints() {
        assert_eq!(Id::from("add").within("calls"), "calls/add");
        assert_eq!(Id::from(("batch", 10)).within("calls"), "calls/batch/10");
    }
}
