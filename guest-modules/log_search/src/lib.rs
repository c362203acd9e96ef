//! Statistics of an access log, taken apart with regular expressions.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;

use regex::Regex;

/// A line of the common log format.
const LINE: &str =
    r#"^(\S+) \S+ \S+ \[([^\]]+)\] "([A-Z]+) ([^ "]+)(?: HTTP/[\d.]+)?" (\d{3}) (\d+|-)"#;

/// Paths that somebody probes for weaknesses.
const SUSPICIOUS: &str = r"(?i-u:\.\./|/etc/passwd|wp-login|\.php\b|<script)";

/// Mail addresses, wherever they stand.
const MAIL: &str = r"[\w.+-]+@[\w-]+\.[\w.]+";

/// Counts requests, bytes and statuses, and lists the addresses that sent suspicious requests.
///
/// # Errors
/// If the log is not UTF-8.
pub fn run(input: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let log = str::from_utf8(input)?;
    let (line, suspicious, mail) = (Regex::new(LINE)?, Regex::new(SUSPICIOUS)?, Regex::new(MAIL)?);
    let mut statuses: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let mut suspects: BTreeMap<&str, u64> = BTreeMap::new();
    let mut unreadable = 0;
    for text in log.lines() {
        let Some(parts) = line.captures(text) else {
            unreadable += 1;
            continue;
        };
        let [_, address, _, _, path, status, bytes] =
            [0, 1, 2, 3, 4, 5, 6].map(|at| parts.get(at).map_or("", |part| part.as_str()));
        let (requests, sum) = statuses.entry(status).or_default();
        *requests += 1;
        *sum += bytes.parse().unwrap_or(0);
        if suspicious.is_match(path) {
            *suspects.entry(address).or_default() += 1;
        }
    }
    let mut report = format!("unreadable {unreadable}\nmail {}\n", mail.find_iter(log).count());
    for (status, (requests, bytes)) in statuses {
        writeln!(report, "status {status} {requests} {bytes}")?;
    }
    for (address, requests) in suspects {
        writeln!(report, "suspect {address} {requests}")?;
    }
    Ok(report.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_status() {
        let log = concat!(
            "192.0.2.1 - - [10/Oct/2025:13:55:36 +0000] \"GET /a HTTP/1.1\" 200 10\n",
            "192.0.2.2 - - [10/Oct/2025:13:55:37 +0000] \"GET /../../etc/passwd HTTP/1.1\" 404 -\n",
            "192.0.2.1 - - [10/Oct/2025:13:55:38 +0000] \"POST /b?m=a@example.org HTTP/1.1\" 200 5\n",
            "not a line\n",
        );
        let report = String::from_utf8(run(log.as_bytes()).unwrap()).unwrap();
        let expected =
            "unreadable 1\nmail 1\nstatus 200 2 15\nstatus 404 1 0\nsuspect 192.0.2.2 1\n";
        assert_eq!(report, expected);
    }
}
