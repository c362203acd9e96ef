//! Figures that the bench targets compute within a run, over all runs.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use fs_err as fs;
use serde::Deserialize;

/// A figure of one run, as sandbox-bench writes it below Criterion's folder.
#[derive(Clone, Debug, Deserialize)]
struct Value {
    title: String,
    value: f64,
    unit: Unit,
    at_most: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unit {
    Times,
    Share,
}

/// Prints each figure with its median and its range over the runs.
pub(super) fn print(runs: &[Utf8PathBuf]) {
    let figures = collect(runs);
    if figures.is_empty() {
        return;
    }
    println!("Compared within each run (median, and range over {} runs):", runs.len());
    for values in figures.values() {
        if let Some(line) = line(values) {
            println!("  {line}");
        }
    }
    println!();
}

/// The figures by target and place in it. What cannot be read is left out: it is not what was asked for first.
fn collect(runs: &[Utf8PathBuf]) -> BTreeMap<(String, usize), Vec<Value>> {
    let mut figures: BTreeMap<(String, usize), Vec<Value>> = BTreeMap::new();
    for run in runs {
        let Ok(files) = run.join("criterion/figures").read_dir_utf8() else { continue };
        for file in files.flatten() {
            let text = fs::read_to_string(file.path()).unwrap_or_default();
            let values: Vec<Value> = serde_json::from_str(&text).unwrap_or_default();
            for (place, value) in values.into_iter().enumerate() {
                figures.entry((file.file_name().to_owned(), place)).or_default().push(value);
            }
        }
    }
    figures
}

fn line(values: &[Value]) -> Option<String> {
    let first = values.first()?;
    let mut sorted: Vec<f64> = values.iter().map(|value| value.value).collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        (sorted[middle - 1] + sorted[middle]) / 2.0
    };
    let shown = |value: f64| match first.unit {
        Unit::Times => format!("{value:.2}x"),
        Unit::Share => format!("{:.0}%", value * 100.0),
    };
    let (least, most) = (shown(*sorted.first()?), shown(*sorted.last()?));
    let mut line = format!("{:>8}  {least:>8} ..{most:>8}  {}", shown(median), first.title);
    if let Some(limit) = first.at_most {
        let verdict = if median <= limit { "reached" } else { "MISSED" };
        line.push_str(&format!(" (to be at most {}: {verdict})", shown(limit)));
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_several_runs_become_one_line() {
        let temp = tempfile::tempdir().unwrap();
        let root = camino::Utf8Path::from_path(temp.path()).unwrap();
        let runs: Vec<Utf8PathBuf> = ["1.5", "1.1", "1.25"]
            .into_iter()
            .map(|value| {
                let run = root.join(value);
                fs::create_dir_all(run.join("criterion/figures")).unwrap();
                let text = format!(
                    r#"[{{"title":"a to b","value":{value},"unit":"times","at_most":1.2}},
                        {{"title":"c","value":0.5,"unit":"share","at_most":null}}]"#
                );
                fs::write(run.join("criterion/figures/core.json"), text).unwrap();
                run
            })
            .collect();
        let lines: Vec<String> =
            collect(&runs).values().filter_map(|values| line(values)).collect();
        let expected = [
            "   1.25x     1.10x ..   1.50x  a to b (to be at most 1.20x: MISSED)",
            "     50%       50% ..     50%  c",
        ];
        assert_eq!(lines, expected);
        assert!(collect(&[root.join("no such run")]).is_empty());
    }
}
