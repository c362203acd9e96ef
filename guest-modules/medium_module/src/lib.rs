//! A program of middling size: a calculator with statistics and a report.
//!
//! The input is a sheet, one line a formula:
//!
//! ```text
//! width = 3.5
//! area  = width ^ 2
//! max(area, 10) * sqrt(2)
//! ```
//!
//! The output is a report: each line with its value or what is wrong with it, the statistics of all
//! values, and the sheet itself in Base64.

use sandbox_guest::export;

mod base64;
mod expression;
mod functions;
mod report;
mod sheet;
mod statistics;
mod tokens;

pub use expression::{CalculationError, Expression};
pub use sheet::{Line, Sheet};
pub use statistics::Statistics;

/// Calculates a sheet and returns the report, UTF-8.
#[export]
#[must_use]
pub fn run(input: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(input);
    report::write(&Sheet::calculate(&text), input).into_bytes()
}

/// Sheet that [`smoke_test`] calculates.
const SMOKE: &[u8] = b"width = 3.5\narea = width ^ 2\nmax(area, 10) * sqrt(2)\n";

/// Calculates a small sheet, so that a host sees whether the program works, and returns the length of its report.
#[export]
#[must_use]
pub fn smoke_test() -> u32 {
    let report = run(SMOKE);
    u32::try_from(report.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_works() {
        let report = run(SMOKE);
        assert!(String::from_utf8(report).unwrap().contains("17.324116"));
        assert_eq!(smoke_test(), 344);
    }

    #[test]
    fn a_sheet_becomes_a_report() {
        let sheet = "width = 3.5\narea = width ^ 2\n\nmax(area, 10) * 2\nheight\n";
        let report = String::from_utf8(run(sheet.as_bytes())).unwrap();
        let expected = "\
width                3.500000  width = 3.5
area                12.250000  area = width ^ 2
                    24.500000  max(area, 10) * 2
                        error  height: there is no height

values 3, mean 13.416667, median 12.250000, deviation 10.548499
from 3.500000 to 24.500000
histogram [1 0 0 1 0 0 0 1]
sheet d2lkdGggPSAzLjUKYXJlYSA9IHdpZHRoIF4gMgoKbWF4KGFyZWEsIDEwKSAqIDIKaGVpZ2h0Cg==
";
        assert_eq!(report, expected);
    }

    #[test]
    fn an_empty_sheet_has_no_statistics() {
        assert_eq!(run(b""), b"\nno values\nsheet \n");
    }
}
