//! Progress of a long step, for the person who waits: a bar on a terminal, two lines elsewhere.

use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// One step under way.
pub(crate) struct Progress {
    bar: ProgressBar,
    title: String,
    started: Instant,
    /// Lines about the time left, for a step of which that is told and nobody sees the bar.
    lines: Option<Mutex<Lines>>,
}

/// Times from which lines about the time left are made.
#[derive(Debug, Clone, Copy)]
struct Lines {
    /// When the last was printed.
    printed: Instant,
    /// When the first part was begun that is now measured.
    since: Instant,
    /// Parts that were done then.
    begun_at: u64,
}

/// Time between two lines where there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(60);

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
        let template = "{prefix} {bar:30} {percent}%, {eta} left {wide_msg:.dim}";
        let mut progress = Self::new(title.into(), ProgressBar::new(total), template);
        if !io::stderr().is_terminal() {
            let now = Instant::now();
            progress.lines = Some(Mutex::new(Lines { printed: now, since: now, begun_at: 0 }));
        }
        progress
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
        Self { bar, title, started: Instant::now(), lines: None }
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
        if let Some(lines) = &self.lines {
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            *lines = Lines { since: Instant::now(), begun_at: position, ..*lines };
        }
    }

    pub(crate) fn position(&self) -> u64 {
        self.bar.position()
    }

    pub(crate) fn set(&self, position: u64) {
        self.bar.set_position(position);
        self.tell_time_left();
    }

    pub(crate) fn advance(&self) {
        self.bar.inc(1);
        self.tell_time_left();
    }

    /// Prints a line now and then where nobody sees the bar.
    fn tell_time_left(&self) {
        let (Some(lines), Some(total)) = (&self.lines, self.bar.length()) else { return };
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.printed.elapsed() < BETWEEN_LINES {
            return;
        }
        lines.printed = Instant::now();
        let position = self.bar.position();
        let done = position.saturating_sub(lines.begun_at);
        let left = time_left(lines.since.elapsed(), done, total.saturating_sub(position));
        let left = left.map(|left| format!(", about {} left", seconds(left))).unwrap_or_default();
        let elapsed = seconds(self.started.elapsed());
        let percent = 100 * position / total.max(1);
        eprintln!("        ... {percent}% after {elapsed}{left}");
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

/// The time that some parts will take if so many others took so long.
fn time_left(elapsed: Duration, done: u64, left: u64) -> Option<Duration> {
    let left = u32::try_from(left).ok()?;
    let done = u32::try_from(done).ok().filter(|done| *done > 0)?;
    Some(elapsed / done * left)
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
    fn time_left_is_that_of_as_many_parts() {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        assert_eq!(time_left(minutes(2), 100, 300), Some(minutes(6)));
        assert_eq!(time_left(minutes(2), 100, 0), Some(Duration::ZERO));
        assert_eq!(time_left(minutes(2), 0, 300), None);
    }

    #[test]
    fn times_and_counts_read_well() {
        let times = [0.42, 12.9, 59.9, 200.0].map(Duration::from_secs_f64).map(seconds);
        assert_eq!(times, ["0.4 s", "12 s", "59 s", "3 min 20 s"]);
        assert_eq!([counted(1, "guest"), counted(0, "guest")], ["1 guest", "0 guests"]);
    }
}
