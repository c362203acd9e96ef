//! `--filter`: which benchmarks are meant.

use std::collections::BTreeSet;

use bench_analyzer::report::text::visible;
use bench_stats::detect::settings::Pattern;
use bench_stats::model::BenchmarkId;

/// Benchmarks that filters name. Without any, all are meant.
#[derive(Debug, Clone)]
pub(super) struct Filters {
    patterns: Vec<(String, Pattern)>,
}

impl Filters {
    /// Takes each text as a part of a name, as everywhere with Cargo, or as a whole name if it has a star.
    pub(super) fn new(texts: &[String]) -> Self {
        let pattern = |text: &String| (text.clone(), Pattern::part_or_whole(text));
        Self { patterns: texts.iter().map(pattern).collect() }
    }

    /// Whether a benchmark is meant.
    pub(super) fn accept(&self, benchmark: &BenchmarkId) -> bool {
        let name = benchmark.as_str();
        self.patterns.is_empty() || self.patterns.iter().any(|(_, one)| one.matches(name))
    }

    /// Says which filter names none of the benchmarks that there are, and which it may have meant.
    pub(super) fn complaint<'b>(
        &self,
        benchmarks: impl Iterator<Item = &'b BenchmarkId>,
    ) -> Option<String> {
        let names: BTreeSet<&str> = benchmarks.map(BenchmarkId::as_str).collect();
        let (text, _) = self
            .patterns
            .iter()
            .find(|(_, pattern)| !names.iter().any(|name| pattern.matches(name)))?;
        let meant = match nearest(text, &names).as_slice() {
            [] if names.is_empty() => "; nothing is stored".to_owned(),
            [] => "; `history` lists those that are stored".to_owned(),
            near => format!("; did you mean {}?", near.join(", ")),
        };
        Some(format!("no benchmark is named like {}{meant}", visible(text)))
    }
}

/// The names that resemble a text most.
fn nearest(text: &str, names: &BTreeSet<&str>) -> Vec<String> {
    /// Beyond this nobody would take one for the other.
    const ALIKE: f64 = 0.75;
    const SHOWN: usize = 3;
    let text = text.replace('*', "");
    let likeness = |name: &str| {
        let ends = name.match_indices('/').map(|(at, _)| &name[at + 1..]);
        let begins = name.match_indices('/').map(|(at, _)| &name[..at]);
        let parts = ends.chain(begins).chain([name]);
        parts.map(|part| strsim::jaro_winkler(&text, part)).fold(0.0, f64::max)
    };
    let mut near: Vec<(f64, &str)> = names
        .iter()
        .map(|name| (likeness(name), *name))
        .filter(|(like, _)| *like > ALIKE)
        .collect();
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    near.into_iter().take(SHOWN).map(|(_, name)| visible(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(filters: &[&str], names: &[&str]) -> Option<String> {
        let texts: Vec<String> = filters.iter().map(|text| (*text).to_owned()).collect();
        let names: Vec<BenchmarkId> = names.iter().map(|name| BenchmarkId::new(*name)).collect();
        Filters::new(&texts).complaint(names.iter())
    }

    #[test]
    fn a_typo_is_answered_with_what_it_resembles() {
        let names = ["parse/large", "parse/small", "format/same"];
        let said = complaint(&["prase"], &names).unwrap();
        assert!(
            said.contains("named like prase; did you mean parse/large, parse/small?"),
            "{said}"
        );
        let said = complaint(&["parse", "smal*"], &names).unwrap();
        assert!(said.contains("smal*") && said.contains("parse/small"), "{said}");
        assert!(complaint(&["zzz"], &names).unwrap().contains("`history` lists"));
        assert_eq!(complaint(&["parse", "*same"], &names), None);
        assert_eq!(complaint(&[], &names), None);
    }
}
