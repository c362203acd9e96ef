//! The colours of all plots. No two roles share one, so that a page can give each role another.

use plotters::style::RGBColor;

use bench_stats::detect::verdict::Verdict;

/// What is behind everything.
pub(crate) const PAPER: RGBColor = RGBColor(255, 255, 255);
/// Text.
pub(crate) const INK: RGBColor = RGBColor(31, 35, 40);
/// Text of less weight, and axes.
pub(crate) const MUTED: RGBColor = RGBColor(89, 99, 110);
/// Lines that guide the eye.
pub(crate) const GRID: RGBColor = RGBColor(216, 222, 228);
/// Changes too small to matter.
pub(crate) const BAND: RGBColor = RGBColor(234, 238, 242);
/// The old side.
pub(crate) const BASELINE: RGBColor = RGBColor(54, 97, 160);
/// The new side, and the series through time.
pub(crate) const CURRENT: RGBColor = RGBColor(188, 92, 0);
/// Benchmarks that got worse.
pub(crate) const BAD: RGBColor = RGBColor(190, 30, 45);
/// Benchmarks that got better.
pub(crate) const GOOD: RGBColor = RGBColor(26, 127, 55);
/// What is undecided.
pub(crate) const OPEN: RGBColor = RGBColor(138, 98, 0);

/// The colour that goes with the word of a verdict.
pub(crate) fn of(verdict: Verdict) -> RGBColor {
    match verdict {
        Verdict::Regression => BAD,
        Verdict::Improvement => GOOD,
        Verdict::Inconclusive => OPEN,
        Verdict::NoChangeSeen | Verdict::Unchanged => MUTED,
    }
}

/// Each colour and what takes its place on a dark page.
pub(crate) const DARK: [(RGBColor, &str); 10] = [
    (PAPER, "#0d1117"),
    (INK, "#e6edf3"),
    (MUTED, "#9198a1"),
    (GRID, "#30363d"),
    (BAND, "#21262d"),
    (BASELINE, "#79b8ff"),
    (CURRENT, "#ffa657"),
    (BAD, "#ff7b72"),
    (GOOD, "#56d364"),
    (OPEN, "#e3b341"),
];

/// Rules that darken every plot inside of `scope`.
pub(crate) fn dark_rules(scope: &str) -> String {
    let mut rules = String::new();
    for (RGBColor(red, green, blue), dark) in DARK {
        for property in ["fill", "stroke"] {
            rules.push_str(&format!(
                "{scope}[{property}=\"#{red:02X}{green:02X}{blue:02X}\"]{{{property}:{dark}}}"
            ));
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_a_colour_of_its_own() {
        for (index, (color, dark)) in DARK.iter().enumerate() {
            for (other, other_dark) in &DARK[index + 1..] {
                assert_ne!(color, other);
                assert_ne!(dark, other_dark);
            }
        }
    }
}
