//! Progress of a long step, for the person who waits: a bar on a terminal, two lines elsewhere.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// One step under way.
pub(crate) struct Progress {
    bar: ProgressBar,
    title: String,
    started: Instant,
}

impl Progress {
    /// A step of unknown length.
    pub(crate) fn spinner(title: impl Into<String>) -> Self {
        Self::new(title.into(), ProgressBar::new_spinner(), "{spinner} {prefix} ({elapsed})")
    }

    /// A step that is announced nowhere but on a terminal: its caller prints the line that stays.
    pub(crate) fn quiet_spinner(title: impl Into<String>) -> Self {
        let template = "{spinner} {prefix} ({elapsed}) {wide_msg:.dim}";
        Self::on_terminal(title.into(), ProgressBar::new_spinner(), template)
    }

    /// A download, or another step measured in bytes.
    pub(crate) fn bytes(title: impl Into<String>, total: u64) -> Self {
        let template = "{prefix} {bar:30} {bytes}/{total_bytes}, {eta} left";
        Self::new(title.into(), ProgressBar::new(total), template)
    }

    /// A step made of equal parts.
    pub(crate) fn parts(title: impl Into<String>, total: u64) -> Self {
        Self::new(
            title.into(),
            ProgressBar::new(total),
            "{prefix} {bar:30} {pos}/{len} ({elapsed})",
        )
    }

    /// Bar of parts which take so long that one wants to know when the last will be done.
    pub(crate) fn parts_with_time_left(title: impl Into<String>, total: u64) -> Self {
        let template = "{prefix} {bar:30} {pos}/{len}, {eta} left {wide_msg:.dim}";
        Self::new(title.into(), ProgressBar::new(total), template)
    }

    fn new(title: String, bar: ProgressBar, template: &str) -> Self {
        if !io::stderr().is_terminal() {
            eprintln!("{title} ...");
        }
        Self::on_terminal(title, bar, template)
    }

    fn on_terminal(title: String, bar: ProgressBar, template: &str) -> Self {
        let style = ProgressStyle::with_template(template).expect("the templates are literals");
        bar.set_style(style);
        bar.set_prefix(title.clone());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, title, started: Instant::now() }
    }

    /// Shows what the step is at.
    pub(crate) fn detail(&self, detail: impl Into<String>) {
        self.bar.set_message(detail.into());
    }

    /// Prints a line that stays, above the bar.
    pub(crate) fn line(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// Starts with so many parts done, which the time left is not computed from.
    pub(crate) fn begin_at(&self, position: u64) {
        self.bar.set_position(position);
        self.bar.reset_eta();
    }

    pub(crate) fn set(&self, position: u64) {
        self.bar.set_position(position);
    }

    pub(crate) fn advance(&self) {
        self.bar.inc(1);
    }

    /// Replaces the bar by one line that stays.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
        eprintln!("{}: {}", self.title, seconds(self.started.elapsed()));
    }
}

impl Drop for Progress {
    /// A step that failed leaves no half bar behind.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A number of things: `1 guest`, `18 guests`.
pub(crate) fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// A time as people say it: `0.4 s`, `12 s`, `3 min 20 s`.
pub(crate) fn seconds(time: Duration) -> String {
    let whole = time.as_secs();
    match whole {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{whole} s"),
        _ => format!("{} min {} s", whole / 60, whole % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_counts_read_well() {
        let times = [0.42, 12.9, 59.9, 200.0].map(Duration::from_secs_f64).map(seconds);
        assert_eq!(times, ["0.4 s", "12 s", "59 s", "3 min 20 s"]);
        assert_eq!([counted(1, "guest"), counted(0, "guest")], ["1 guest", "0 guests"]);
    }
}
