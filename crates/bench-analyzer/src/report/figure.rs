//! Plots with the sentences around them, for everything that shows benchmarks on a page.

use std::io;

use super::plot::{self, Size, Words};
use super::text::{self, plural};
use super::words::interval as interval_in_words;
use super::{format_change, format_quantity};
use bench_stats::detect::settings::Settings;
use bench_stats::detect::verdict::Comparison;
use bench_stats::model::{BenchmarkResult, Series};

const INTERVAL: Size = (960, 170);
/// The size of plots that show many values.
pub(crate) const PLOT: Size = (960, 420);

/// A plot and what stands below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figure {
    /// The plot.
    pub(crate) svg: String,
    /// How to read it.
    pub(crate) caption: &'static str,
}

/// A change with its interval.
pub(crate) fn interval(one: &Comparison, settings: &Settings) -> io::Result<Figure> {
    let words = Words {
        title: format!("{}: the change with its interval", text::name(&one.series)),
        description: format!(
            "{}, {}",
            format_change(one.change()),
            interval_in_words(one.interval)
        ),
    };
    let value = one.baseline.value.min(one.current.value);
    let threshold = settings.threshold(&one.series, value);
    let svg = plot::svg(INTERVAL, &words, |area| plot::interval::draw(area, one, threshold))?;
    let caption =
        "The change and its interval. Changes inside the shaded zone are too small to matter.";
    Ok(Figure { svg, caption })
}

/// Where the samples of both sides lie.
pub(crate) fn samples(
    series: &Series,
    baseline: Option<&BenchmarkResult>,
    current: Option<&BenchmarkResult>,
) -> io::Result<Figure> {
    let words = Words {
        title: format!("{}: where the samples lie", text::name(series)),
        description: sides_in_words(baseline, current),
    };
    let svg = plot::svg(PLOT, &words, |area| plot::distribution::draw(area, baseline, current))?;
    let caption = "The samples of each side; dots are the medians of the runs.";
    Ok(Figure { svg, caption })
}

fn sides_in_words(baseline: Option<&BenchmarkResult>, current: Option<&BenchmarkResult>) -> String {
    let side = |name: &str, result: Option<&BenchmarkResult>| {
        result.map(|one| {
            let value = format_quantity(one.typical(), &one.series.unit);
            let samples = one.measurements.iter().map(|m| m.samples.len()).sum();
            format!("{name}: {} around {value}", plural(samples, "sample", "samples"))
        })
    };
    let sides = [side("baseline", baseline), side("current", current)];
    sides.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// Rules that darken every plot inside of `scope`.
pub(crate) fn dark_rules(scope: &str) -> String {
    plot::palette::dark_rules(scope)
}
