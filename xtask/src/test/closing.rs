//! Closing lines of test runners.

/// Picks the closing lines out of what a runner printed.
pub(super) fn lines(output: &str) -> Vec<String> {
    let is_closing = |line: &&str| is_of_nextest(line) || is_of_libtest(line);
    output.lines().map(str::trim).filter(is_closing).map(str::to_owned).collect()
}

/// Such as `Summary [   3.214s] 120 tests run: 120 passed, 0 skipped`.
fn is_of_nextest(line: &str) -> bool {
    line.starts_with("Summary [")
}

/// Such as `test result: ok. 7 passed; 0 failed; ...`, unless there was nothing to test.
fn is_of_libtest(line: &str) -> bool {
    line.starts_with("test result: ") && !line.contains(" 0 passed; 0 failed; 0 ignored")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_runners_are_understood() {
        let output = "     Summary [   3.214s] 120 tests run: 120 passed, 0 skipped\n\
                      test a::b ... ok\n\
                      test result: ok. 7 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n";
        let lines = lines(output);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("Summary") && lines[1].contains("7 passed"));
    }

    #[test]
    fn nothing_to_test_is_nothing_to_say() {
        let output = "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert!(lines(output).is_empty());
    }
}
