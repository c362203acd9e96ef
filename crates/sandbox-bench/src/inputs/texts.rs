//! Text that programs work on.

use std::fmt::Write as _;

use rand::RngExt;

use super::generator;

/// Markdown with tables, lists, links and code. It must not change, or results are not comparable.
const HANDBOOK: &str = include_str!("handbook.md");

/// So many bytes of Markdown, rounded up to whole documents.
pub fn handbook(bytes: usize) -> String {
    HANDBOOK.repeat(bytes.div_ceil(HANDBOOK.len()))
}

/// An access log of so many lines in the common format, some of which are attacks, and some broken.
pub fn access_log(lines: usize) -> String {
    const PATHS: [&str; 8] = [
        "/",
        "/index.html",
        "/assets/app.css",
        "/api/v1/orders",
        "/login",
        "/search?q=sandbox",
        "/../../etc/passwd",
        "/blog/wp-login.php",
    ];
    const STATUSES: [u16; 6] = [200, 200, 200, 304, 404, 500];
    let mut random = generator();
    let mut log = String::new();
    for _ in 0..lines {
        if random.random_ratio(1, 50) {
            log.push_str("-- log rotated --\n");
            continue;
        }
        let path = PATHS[random.random_range(0..PATHS.len())];
        let status = STATUSES[random.random_range(0..STATUSES.len())];
        let [host, second, user] =
            [random.random_range(1..255), random.random_range(0..60), random.random_range(0..900)];
        let bytes = random.random_range(0..100_000);
        let written = writeln!(
            log,
            "192.0.2.{host} - - [10/Oct/2025:13:55:{second:02} +0000] \"GET {path}?u=user{user}@example.org \
             HTTP/1.1\" {status} {bytes}",
        );
        written.expect("writing to a string never fails");
    }
    log
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_the_size_asked_for_and_are_the_same_each_time() {
        assert!((100_000..120_000).contains(&handbook(100_000).len()));
        let log = access_log(1000);
        assert_eq!(log.lines().count(), 1000);
        assert_eq!(log, access_log(1000));
        let report = String::from_utf8(log_search::run(log.as_bytes()).unwrap()).unwrap();
        for part in ["unreadable", "mail 9", "status 200", "suspect 192.0.2."] {
            assert!(report.contains(part), "{part} is missing in {report}");
        }
    }
}
