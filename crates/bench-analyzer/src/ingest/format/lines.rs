//! Files of lines.

use std::io::{BufRead, Read};

use super::Complaint;

/// No line of results is nearly as long; a file without any line end is none of results.
const LONGEST: u64 = 64 << 20;

/// Hands every line with its number to `take`, and names the number in every complaint.
pub(super) fn each_line(
    mut input: &mut dyn BufRead,
    mut take: impl FnMut(&str) -> Result<(), Complaint>,
) -> Result<(), Complaint> {
    let mut bytes = Vec::new();
    for number in 1_u64.. {
        let complain = |reason: &str| Complaint(format!("line {number}: {reason}"));
        bytes.clear();
        if (&mut input).take(LONGEST).read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        let ended = bytes.last() == Some(&b'\n');
        if !ended && u64::try_from(bytes.len()).unwrap_or(u64::MAX) >= LONGEST {
            return Err(complain("it is longer than 64 MiB"));
        }
        let line = str::from_utf8(&bytes).map_err(|_| complain("it is not UTF-8 text"))?;
        take(line.trim_end_matches(['\r', '\n'])).map_err(|Complaint(reason)| complain(&reason))?;
    }
    Ok(())
}
