//! What is shown: by verdict without a script, by name with one.

use maud::{Markup, html};

use crate::report::series_summary::SeriesSummary;
use crate::report::words;
use bench_stats::detect::verdict::Verdict;

/// The groups of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Compared, with this result.
    Compared(Verdict),
    /// Only measured.
    Measured,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Compared(Verdict::Regression),
        Self::Compared(Verdict::Improvement),
        Self::Compared(Verdict::Inconclusive),
        Self::Compared(Verdict::NoChangeSeen),
        Self::Compared(Verdict::Unchanged),
        Self::Measured,
    ];

    pub(super) fn of(series_summary: &SeriesSummary<'_>) -> Self {
        series_summary.verdict().map_or(Self::Measured, Self::Compared)
    }

    /// The name in the page's style.
    pub(super) fn id(self) -> String {
        match self {
            Self::Compared(verdict) => verdict.id().replace('_', "-"),
            Self::Measured => "measured".to_owned(),
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Compared(verdict) => words::title(verdict),
            Self::Measured => "Measured",
        }
    }

    /// The sign and the word of a single benchmark.
    pub(super) fn label(self) -> String {
        match self {
            Self::Compared(verdict) => format!("{} {verdict}", words::sign(verdict)),
            Self::Measured => "measured".to_owned(),
        }
    }

    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Compared(verdict) => words::sign(verdict),
            Self::Measured => "·",
        }
    }
}

/// The controls. Those that need the script stay hidden without it.
pub(super) fn render(summaries: &[SeriesSummary<'_>]) -> Markup {
    let count = |kind: Kind| summaries.iter().filter(|one| Kind::of(one) == kind).count();
    let present = Kind::ALL.into_iter().filter(|kind| count(*kind) > 0);
    html! {
        form.filters aria-label="What to show" {
            @for kind in present {
                label class={ "chip v-" (kind.id()) } {
                    input type="checkbox" checked id={ "f-" (kind.id()) };
                    " " (kind.sign()) " " (kind.title()) " " b { (count(kind)) }
                }
            }
            span.scripted hidden {
                label { "Search " input #search type="search" placeholder="part of a name" autocomplete="off"; }
                label { "Sort " select #sort autocomplete="off" {
                    option value="worst" { "worst first" }
                    option value="name" { "by name" }
                } }
                button #open type="button" { "Open what changed" }
            }
        }
    }
}
