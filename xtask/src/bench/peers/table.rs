//! The engines side by side, with what this project is to reach.

use peer_rows::{Aim, Engine, Row};

use super::results::{Results, Run};

/// Ratios of a row, over all runs.
#[derive(Debug, PartialEq)]
struct Comparison {
    /// Ratio of this project's time to that of the quicker wasmtime of the same run.
    to_wasmtime: Option<Range>,
    /// Aim of the row in words, if it has one, and whether it is reached.
    aim: Option<(String, bool)>,
}

/// A value that was found once in each run.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Range {
    least: f64,
    median: f64,
    most: f64,
}

/// Renders the table: a head, a line for each row that was measured, and what it says.
pub(super) fn lines(results: &Results) -> Vec<String> {
    let measured = |row: &Row, engine: &Engine| time(results, *row, *engine).is_some();
    let engines: Vec<Engine> = Engine::ALL
        .into_iter()
        .filter(|engine| Row::ALL.iter().any(|row| measured(row, engine)))
        .collect();
    let rows: Vec<Row> = Row::ALL
        .into_iter()
        .filter(|row| engines.iter().any(|engine| measured(row, engine)))
        .collect();

    let mut cells = vec![head(&engines)];
    cells.extend(rows.iter().map(|row| line(results, *row, &engines)));
    let columns = cells[0].len();
    let width = |column: usize| cells.iter().map(|cells| cells[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut lines = vec![format!("Time of a call, median over {} runs:", results.runs.len())];
    lines.extend(cells.iter().map(|cells| {
        let padded = cells.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            // Names are words, and everything but the last column's verdict is a number.
            let is_text = column == 0 || column + 1 == columns;
            if is_text { format!("{cell:width$}") } else { format!("{cell:>width$}") }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    }));
    lines
}

fn head(engines: &[Engine]) -> Vec<String> {
    let mut head = vec!["row".to_owned()];
    head.extend(engines.iter().map(|engine| engine.name().to_owned()));
    head.extend(["to wasmtime", "range", "aim"].map(str::to_owned));
    head
}

fn line(results: &Results, row: Row, engines: &[Engine]) -> Vec<String> {
    let mut cells = vec![row.name().to_owned()];
    cells.extend(engines.iter().map(|&engine| {
        time(results, row, engine).map_or_else(|| "-".to_owned(), |time| shown(time.median))
    }));
    let comparison = comparison(results, row);
    match comparison.to_wasmtime {
        Some(Range { least, median, most }) => {
            cells.extend([format!("{median:.2}x"), format!("{least:.2} .. {most:.2}")]);
        }
        None => cells.extend(["-", "-"].map(str::to_owned)),
    }
    cells.push(match comparison.aim {
        Some((aim, true)) => format!("{aim}: reached"),
        Some((aim, false)) => format!("{aim}: MISSED"),
        None => String::new(),
    });
    cells
}

/// Compares the engines in a row. Of an aim nothing is said where one of its sides was not measured.
fn comparison(results: &Results, row: Row) -> Comparison {
    let to_wasmtime = range(results, |run| {
        let reference = Engine::REFERENCE.iter().filter_map(|&engine| run.cell(row, engine));
        let reference = reference.map(|cell| cell.ns_per_call).min_by(f64::total_cmp)?;
        Some(run.cell(row, Engine::Sandbox)?.ns_per_call / reference)
    });
    let aim = match row.aim() {
        None => None,
        Some(Aim::TimesWasmtime(aim)) => {
            to_wasmtime.map(|ratio| (format!("at most {aim:.2}x"), ratio.median <= aim))
        }
        Some(Aim::ShareOfCores(share)) => share_of_cores(results, row, share),
    };
    Comparison { to_wasmtime, aim }
}

/// Returns how many times the calls of one core all cores make, and whether that is enough.
fn share_of_cores(results: &Results, row: Row, share: f64) -> Option<(String, bool)> {
    let cell = |run: &Run, row| run.cell(row, Engine::Sandbox);
    let cores = results.runs.iter().find_map(|run| cell(run, row))?.calls;
    let speedup = range(results, |run| {
        Some(cell(run, Row::FreshCallsOneCore)?.ns_per_call / cell(run, row)?.ns_per_call)
    })?;
    let aim = share * f64::from(cores);
    let said = format!("{:.2}x one core, at least {aim:.2}x on {cores}", speedup.median);
    Some((said, speedup.median >= aim))
}

fn time(results: &Results, row: Row, engine: Engine) -> Option<Range> {
    range(results, |run| Some(run.cell(row, engine)?.ns_per_call))
}

/// The range of a value over the runs that have it. Values that no machine can have measured are passed over.
fn range(results: &Results, value: impl Fn(&Run) -> Option<f64>) -> Option<Range> {
    let values = results.runs.iter().filter_map(value).filter(|value| value.is_finite());
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let median = match values.len() {
        0 => return None,
        odd if odd % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    };
    Some(Range { least: *values.first()?, median, most: *values.last()? })
}

/// A time with three digits that count.
fn shown(ns: f64) -> String {
    let (value, unit) = match ns {
        ..1e3 => (ns, "ns"),
        ..1e6 => (ns / 1e3, "us"),
        ..1e9 => (ns / 1e6, "ms"),
        _ => (ns / 1e9, "s"),
    };
    match value {
        ..10.0 => format!("{value:.2} {unit}"),
        ..100.0 => format!("{value:.1} {unit}"),
        _ => format!("{value:.0} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::results::Cell;
    use super::*;

    fn results(runs: &[&[(Row, Engine, f64, u32)]]) -> Results {
        let run = |cells: &&[(Row, Engine, f64, u32)]| {
            let mut run = Run::default();
            for &(row, engine, ns_per_call, calls) in *cells {
                run.insert(row, engine, Cell { ns_per_call, calls });
            }
            run
        };
        Results { runs: runs.iter().map(run).collect() }
    }

    #[test]
    fn the_table_has_a_line_for_each_measured_row() {
        use Engine::{Extism, Sandbox, WasmtimeDefault, WasmtimeTuned};
        let results = results(&[
            &[
                (Row::FreshCall1Page, Sandbox, 2000.0, 1),
                (Row::FreshCall1Page, WasmtimeTuned, 4000.0, 1),
                (Row::FreshCall1Page, WasmtimeDefault, 16_000.0, 1),
                (Row::WarmCallByName, Extism, 7100.0, 1),
                (Row::FreshCallPure, Sandbox, 500.0, 1),
                (Row::FreshCallPure, WasmtimeTuned, 1000.0, 1),
            ],
            &[
                (Row::FreshCall1Page, Sandbox, 2400.0, 1),
                (Row::FreshCall1Page, WasmtimeTuned, 4000.0, 1),
                (Row::FreshCall1Page, WasmtimeDefault, 18_000.0, 1),
            ],
        ]);
        let expected = "\
Time of a call, median over 2 runs:
row                sandbox  wasmtime_tuned  wasmtime_default   extism  to wasmtime         range  aim
fresh_call_1_page  2.20 us         4.00 us           17.0 us        -        0.55x  0.50 .. 0.60  at most 0.75x: reached
fresh_call_pure     500 ns         1.00 us                 -        -        0.50x  0.50 .. 0.50  at most 0.10x: MISSED
warm_call_by_name        -               -                 -  7.10 us            -             -";
        assert_eq!(lines(&results).join("\n"), expected);
    }

    #[test]
    fn whichever_wasmtime_is_quicker_in_a_run_is_compared_with() {
        use Engine::{Sandbox, WasmtimeDefault, WasmtimeTuned, WasmtimeWinch};
        let row = Row::FirstCallUnseen;
        let results = results(&[
            &[
                (row, Sandbox, 10.0, 1),
                (row, WasmtimeTuned, 80.0, 1),
                (row, WasmtimeDefault, 50.0, 1),
            ],
            &[(row, Sandbox, 10.0, 1), (row, WasmtimeTuned, 40.0, 1), (row, WasmtimeWinch, 5.0, 1)],
        ]);
        let to_wasmtime = Some(Range { least: 0.2, median: 0.225, most: 0.25 });
        let aim = Some(("at most 0.20x".to_owned(), false));
        assert_eq!(comparison(&results, row), Comparison { to_wasmtime, aim });
    }

    #[test]
    fn all_cores_are_compared_with_one() {
        use Engine::{Sandbox, WasmtimeTuned};
        let (one, all) = (Row::FreshCallsOneCore, Row::FreshCallsAllCores);
        let results = results(&[&[
            (one, Sandbox, 38.0, 1),
            (all, Sandbox, 20.0, 2),
            (all, WasmtimeTuned, 40.0, 2),
        ]]);
        let comparison = comparison(&results, all);
        assert_eq!(comparison.to_wasmtime.map(|ratio| ratio.median), Some(0.5));
        let verdict = "1.90x one core, at least 1.80x on 2".to_owned();
        assert_eq!(comparison.aim, Some((verdict, true)));
    }

    #[test]
    fn a_row_without_both_sides_is_compared_with_nothing() {
        let results = results(&[&[(Row::Batch, Engine::Sandbox, 1.0, 1000)]]);
        let nothing = Comparison { to_wasmtime: None, aim: None };
        assert_eq!(comparison(&results, Row::Batch), nothing);
        assert_eq!(comparison(&results, Row::FreshCallsAllCores), nothing);
    }

    #[test]
    fn times_have_three_digits() {
        let times = [4.5678, 45.678, 456.78, 4567.8, 45_678_000.0, 4.5e9].map(shown);
        assert_eq!(times, ["4.57 ns", "45.7 ns", "457 ns", "4.57 us", "45.7 ms", "4.50 s"]);
    }
}
