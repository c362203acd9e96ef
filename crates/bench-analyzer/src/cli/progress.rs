//! What takes long shows how far it is, to somebody who watches.

use std::time::Duration;

use bench_analyzer::store::StoreProgress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work in phases. Draws on stderr, and only if that is a terminal; what is over before anybody
/// would wonder draws nothing.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
}

/// How long it may take without a word.
const PATIENCE: Duration = Duration::from_millis(400);

/// How often it moves.
const TICK: Duration = Duration::from_millis(120);

impl Progress {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let appearing = bar.downgrade();
        // The drawing thread ends with the bar: a weak handle keeps nothing alive.
        // Where there is no thread for it, nothing is drawn.
        let _ = std::thread::Builder::new().spawn(move || {
            std::thread::sleep(PATIENCE);
            if let Some(bar) = appearing.upgrade()
                && !bar.is_finished()
            {
                bar.set_draw_target(ProgressDrawTarget::stderr());
                bar.enable_steady_tick(TICK);
            }
        });
        Self { bar }
    }

    /// Begins work of unknown length.
    pub(super) fn phase(&mut self, what: &'static str) {
        self.bar.set_style(style("{spinner} {msg} {elapsed}"));
        self.bar.unset_length();
        self.bar.set_message(what);
    }

    /// Begins work of so many steps, which tells how much time is left.
    pub(super) fn count(&mut self, what: &'static str, steps: usize) -> Counter {
        if steps < 2 {
            self.phase(what);
        } else {
            self.bar.set_style(style("{msg} {wide_bar} {pos}/{len}, {eta} left"));
            self.bar.set_length(u64::try_from(steps).unwrap_or(u64::MAX));
            self.bar.set_position(0);
            self.bar.reset_eta();
            self.bar.set_message(what);
        }
        Counter { bar: self.bar.clone() }
    }

    /// Follows work whose length is known once it has begun.
    pub(super) fn follow(&mut self, what: &'static str) -> impl FnMut(StoreProgress) {
        let mut begun = false;
        move |at| {
            if !begun {
                begun = true;
                self.count(what, at.total);
            }
            self.bar.set_position(u64::try_from(at.done).unwrap_or(u64::MAX));
        }
    }

    /// Takes away what was drawn, before anything else is written.
    pub(super) fn finish(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Counts the steps of one phase.
#[derive(Debug)]
pub(super) struct Counter {
    bar: ProgressBar,
}

impl Counter {
    pub(super) fn advance(&mut self) {
        self.bar.inc(1);
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
