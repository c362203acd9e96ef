//! What a custom measurement of Criterion's measures.
//!
//! Criterion's own files do not say whether they hold times. Its tables do, where they are written: CSV
//! names the unit, and the page shows values with one.

use camino::Utf8Path;

/// Knowledge of units before any folder is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomUnit(Option<String>);

impl CustomUnit {
    /// Every result is in this unit; `None` if each folder is to say.
    pub fn new(unit: Option<String>) -> Self {
        Self(unit)
    }

    /// The unit of a saved result; `None` if it is a time.
    pub(super) fn of(&self, folder: &Utf8Path) -> Option<String> {
        match &self.0 {
            Some(unit) => Some(unit.clone()),
            None => in_table(folder).or_else(|| on_page(folder)).filter(|unit| !is_time(unit)),
        }
    }
}

fn is_time(unit: &str) -> bool {
    matches!(unit, "ps" | "ns" | "us" | "\u{b5}s" | "\u{3bc}s" | "ms" | "s")
}

/// The column `unit` of `raw.csv`.
fn in_table(folder: &Utf8Path) -> Option<String> {
    let mut reader = csv::Reader::from_path(folder.join("raw.csv")).ok()?;
    let column = reader.headers().ok()?.iter().position(|name| name == "unit")?;
    let record = reader.records().next()?.ok()?;
    record.get(column).map(str::to_owned)
}

/// What follows the first number in a cell of the benchmark's page. Units there are scaled for people,
/// so of what is no time only that is known; Criterion itself keeps the values as they were measured.
fn on_page(folder: &Utf8Path) -> Option<String> {
    let page = folder.parent()?.join("report/index.html");
    let text = std::fs::read_to_string(page).ok()?;
    let cells = text.split("<td").skip(1).filter_map(|cell| cell.split_once('>'));
    let unit = cells.filter_map(|(_, cell)| cell.split('<').next()).find_map(|cell| {
        let (number, unit) = cell.trim().split_once(' ')?;
        number.parse::<f64>().ok().filter(|_| !unit.contains('/')).map(|_| unit.trim())
    })?;
    Some(if is_time(unit) { unit.to_owned() } else { String::new() })
}
