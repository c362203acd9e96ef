//! The report about a sheet.

use std::fmt::{self, Write as _};

use crate::base64;
use crate::sheet::{Line, Sheet};
use crate::statistics::Statistics;

/// Writes the report.
pub(crate) fn write(sheet: &Sheet, input: &[u8]) -> String {
    let mut report = String::new();
    write_to(&mut report, sheet, input).expect("writing to a string never fails");
    report
}

fn write_to(report: &mut String, sheet: &Sheet, input: &[u8]) -> fmt::Result {
    for Line { text, name, value } in &sheet.lines {
        let name = name.as_deref().unwrap_or_default();
        match value {
            Ok(value) => writeln!(report, "{name:15}{value:14.6}  {text}")?,
            Err(error) => writeln!(report, "{name:15}{:>14}  {text}: {error}", "error")?,
        }
    }
    writeln!(report)?;
    match Statistics::of(&sheet.values()) {
        None => writeln!(report, "no values")?,
        Some(statistics) => write_statistics(report, &statistics)?,
    }
    writeln!(report, "sheet {}", base64::encode(input))
}

fn write_statistics(report: &mut String, statistics: &Statistics) -> fmt::Result {
    let Statistics { count, mean, median, deviation, minimum, maximum, histogram } = statistics;
    write!(report, "values {count}, mean {mean:.6}, median {median:.6}, ")?;
    writeln!(report, "deviation {deviation:.6}")?;
    writeln!(report, "from {minimum:.6} to {maximum:.6}")?;
    let bars: Vec<String> = histogram.iter().map(usize::to_string).collect();
    writeln!(report, "histogram [{}]", bars.join(" "))
}
