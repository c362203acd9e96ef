//! Files of lines.

use std::io::{self, BufRead, Read};

use super::{Complaint, stream_ended};
use crate::ingest::collector::Collector;

/// No line of results is nearly as long; a file without any line end is none of results.
const LONGEST: u64 = 64 << 20;

/// One line of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'l> {
    /// Its text, without the line break.
    pub(super) text: &'l str,
    /// Whether a line break ends it. Without one it may have been cut off, and a number cut off is
    /// another number.
    pub(super) is_whole: bool,
}

impl<'l> Line<'l> {
    /// The text, if it is whole.
    pub(super) fn whole(self) -> Result<&'l str, Complaint> {
        if self.is_whole {
            return Ok(self.text);
        }
        Err(Complaint("no line break ends it, so it may be cut off: add one if it is whole".into()))
    }
}

/// Hands every line to `take`. What is wrong with one is remarked with its number, and costs no other.
pub(super) fn each_line(
    mut input: &mut dyn BufRead,
    results: &mut Collector,
    mut take: impl FnMut(Line<'_>, &mut Collector) -> Result<(), Complaint>,
) -> Result<(), Complaint> {
    let mut bytes = Vec::new();
    for number in 1_u64.. {
        bytes.clear();
        match (&mut input).take(LONGEST).read_until(b'\n', &mut bytes) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                stream_ended(error)?;
                results.remarks.leave_out("it ends too early: only what came before is used");
                break;
            }
        }
        let is_whole = bytes.last() == Some(&b'\n');
        if !is_whole && u64::try_from(bytes.len()).unwrap_or(u64::MAX) >= LONGEST {
            results.remarks.leave_out(format!("line {number}: it is longer than 64 MiB"));
            if let Err(error) = skip_line(&mut input) {
                stream_ended(error)?;
                break;
            }
            continue;
        }
        let taken = match str::from_utf8(&bytes) {
            Ok(text) => take(Line { text: text.trim_end_matches(['\r', '\n']), is_whole }, results),
            Err(_) => Err(Complaint("it is not UTF-8 text".to_owned())),
        };
        if let Err(Complaint(reason)) = taken {
            results.remarks.leave_out(format!("line {number}: {reason}"));
        }
    }
    Ok(())
}

/// Reads on to the next line, keeping nothing of this one.
fn skip_line(input: &mut dyn BufRead) -> io::Result<()> {
    loop {
        let bytes = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            bytes => bytes?,
        };
        let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else {
            let length = bytes.len();
            if length == 0 {
                return Ok(());
            }
            input.consume(length);
            continue;
        };
        input.consume(end + 1);
        return Ok(());
    }
}
