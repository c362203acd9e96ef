//! `--output-format html`, which Criterion does not know: its own output, and then our report as a page.
//!
//! Criterion reads the command line itself, so this program runs once more without that argument.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err::File;

const OPTION: &str = "--output-format";
const FORMAT: &str = "html";
const BASELINE: &str = "--baseline";

/// Whether the command line asks for a page.
pub(super) fn is_wanted() -> bool {
    without_html(std::env::args_os().skip(1)).1
}

/// Runs Criterion, and then makes the page.
pub(super) fn run(criterion_root: fn() -> Option<Utf8PathBuf>) {
    let (arguments, _) = without_html(std::env::args_os().skip(1));
    let program = std::env::current_exe().unwrap_or_else(|error| super::give_up(&error));
    let status = Command::new(program).args(&arguments).status();
    let status = status.unwrap_or_else(|error| super::give_up(&error));
    if !status.success() {
        std::process::exit(status.code().unwrap_or(1));
    }
    let measures = arguments.iter().any(|argument| argument == "--bench");
    let only_lists = arguments.iter().any(|argument| argument == "--list" || argument == "--test");
    if !measures || only_lists {
        return;
    }
    let Some(root) = criterion_root() else { return };
    println!("Criterion's own pages: {}", root.join("report/index.html"));
    match make_page(&root, baseline(&arguments)) {
        Some(page) => println!("The analyzer's report: {page}"),
        None => println!(
            "For the analyzer's report: cargo bench-analyzer report --format html > report.html"
        ),
    }
}

/// Lets the analyzer write its page, if it has been built and knows how to.
fn make_page(root: &Utf8Path, baseline: Option<OsString>) -> Option<Utf8PathBuf> {
    let analyzer = super::profile_folder()?.join("bench-analyzer");
    let page = root.join("report.html");
    let unfinished = root.join("report.html.unfinished");
    let mut command = Command::new(analyzer);
    command.args(["report", "--format", FORMAT]);
    if let Some(baseline) = baseline {
        command.arg(BASELINE).arg(baseline);
    }
    command.arg(root).stdin(Stdio::null()).stderr(Stdio::null());
    let status = command.stdout(File::create(&unfinished).ok()?.into_parts().0).status();
    if status.is_ok_and(|status| status.success()) {
        fs_err::rename(&unfinished, &page).ok().map(|()| page)
    } else {
        // Nothing more can be done about a file that was to be removed anyway.
        let _ = fs_err::remove_file(&unfinished);
        None
    }
}

/// The arguments without the wish for a page, and whether there was one.
fn without_html(arguments: impl Iterator<Item = OsString>) -> (Vec<OsString>, bool) {
    let mut others = Vec::new();
    let mut wanted = false;
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        if argument == OPTION && arguments.peek().is_some_and(|value| value == FORMAT) {
            arguments.next();
            wanted = true;
        } else if argument.to_str() == Some("--output-format=html") {
            wanted = true;
        } else {
            others.push(argument);
        }
    }
    (others, wanted)
}

/// The baseline that Criterion compares with.
fn baseline(arguments: &[OsString]) -> Option<OsString> {
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == BASELINE {
            return arguments.next().cloned();
        }
        if let Some(name) = argument.to_str().and_then(|text| text.strip_prefix("--baseline=")) {
            return Some(name.into());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn only_the_wish_for_a_page_is_taken_out() {
        for (given, left, wanted) in [
            ("--bench --output-format html calls", "--bench calls", true),
            ("--output-format=html --save-baseline main", "--save-baseline main", true),
            ("--output-format bencher html", "--output-format bencher html", false),
            ("--bench --output-format", "--bench --output-format", false),
        ] {
            assert_eq!(without_html(words(given).into_iter()), (words(left), wanted), "{given}");
        }
    }

    #[test]
    fn the_page_compares_with_what_criterion_compares_with() {
        assert_eq!(baseline(&words("--bench --baseline main")), Some("main".into()));
        assert_eq!(baseline(&words("--baseline=old x")), Some("old".into()));
        assert_eq!(baseline(&words("--save-baseline main")), None);
    }
}
