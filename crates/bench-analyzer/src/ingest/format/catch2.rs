//! Catch2's `-r xml`: the mean of every benchmark in nanoseconds, which is all that it writes. Every
//! element has a line of its own.

use std::io::BufRead;

use super::lines::each_line;
use super::{Complaint, Format, Names};
use crate::ingest::collector::Collector;
use bench_stats::model::Series;

pub(super) struct Catch2;

impl Format for Catch2 {
    fn marks(&self) -> &'static [&'static str] {
        &["<?xml", "<Catch", "<TestCase", "<BenchmarkResults"]
    }

    fn recognises(&self, head: &str) -> bool {
        (head.contains("<Catch") || head.contains("<TestCase"))
            && head.contains("<BenchmarkResults")
            || head.contains("<Catch2TestRun")
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let run = results.only_run();
        let mut names = Names::default();
        // Test cases and sections around a benchmark are part of its name.
        let mut around: Vec<String> = Vec::new();
        let mut benchmark: Option<String> = None;
        each_line(input, results, |line, results| {
            let text = line.text.trim();
            let element = text.strip_prefix('<').and_then(|rest| {
                rest.split(|one: char| !one.is_ascii_alphanumeric() && one != '/').next()
            });
            match element {
                Some("TestCase" | "Section") if text.ends_with("/>") => {}
                Some("TestCase" | "Section") => {
                    around.push(attribute(text, "name").unwrap_or_default());
                }
                Some("/TestCase" | "/Section") => drop(around.pop()),
                Some("BenchmarkResults") => {
                    let name = attribute(text, "name")
                        .ok_or_else(|| Complaint("a benchmark without a name".to_owned()))?;
                    let path = around.iter().chain([&name]).map(|one| one.trim());
                    let path = path.collect::<Vec<_>>().join("/");
                    benchmark = Some(names.unique(path, results));
                }
                Some("mean") => {
                    if let Some(name) = benchmark.take() {
                        let value = attribute(text, "value").and_then(|text| text.parse().ok());
                        let value: f64 =
                            value.ok_or_else(|| Complaint(format!("`{name}` has no mean")))?;
                        results.push_value(run, Series::time(name), value);
                    }
                }
                Some("failed" | "/BenchmarkResults") => {
                    if let Some(name) = benchmark.take() {
                        return Err(Complaint(format!("`{name}` failed")));
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        if let Some(name) = benchmark {
            results.remarks.leave_out(format!("`{name}`: no mean follows its name"));
        }
        Ok(())
    }
}

/// An attribute of an element that is whole on its line.
fn attribute(line: &str, name: &str) -> Option<String> {
    let (_, rest) = line.split_once(&format!(" {name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    let entities =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    Some(
        entities.iter().fold(value.to_owned(), |text, (entity, plain)| text.replace(entity, plain)),
    )
}
