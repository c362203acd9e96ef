//! The whole report at a glance: every change with its interval, worst first.

use plotters::element::{Rectangle, Text};
use plotters::style::ShapeStyle;
use plotters::style::text_anchor::{HPos, VPos};

use super::interval::{Axis, backdrop, mark};
use super::{Area, Drawn, LABEL, Size, font, palette};
use crate::report::text::clipped;
use crate::report::words::{
    WORST_FIRST, describe_side, headline, row_remark, since, values, worst_first,
};
use crate::report::{format_change, text};
use bench_stats::analysis::AnalysisReport;
use bench_stats::detect::verdict::{Comparison, Verdict};

/// How many comparisons fit.
const ROWS: usize = 30;
const WIDTH: u32 = 2000;
const HEAD: i32 = 150;
const ROW: i32 = 52;
const FOOT: i32 = 110;
/// The size of what stands below a name.
const SMALL: u32 = 21;
/// Where the columns are.
const NAMES: i32 = 230;
const BARS: (i32, i32) = (810, 1450);
const VALUES: i32 = 1490;

/// The comparisons that are shown, and how many are not.
pub(crate) fn chosen(report: &AnalysisReport) -> (Vec<&Comparison>, usize) {
    let mut all: Vec<&Comparison> =
        WORST_FIRST.iter().flat_map(|&verdict| worst_first(report, verdict)).collect();
    let rest = all.len().saturating_sub(ROWS);
    all.truncate(ROWS);
    (all, rest)
}

/// How large the picture of a report is.
pub(crate) fn size(report: &AnalysisReport) -> Size {
    let rows = i32::try_from(chosen(report).0.len().max(1)).unwrap_or(1);
    (WIDTH, u32::try_from(HEAD + rows * ROW + FOOT).unwrap_or(WIDTH))
}

/// Draws the picture.
pub(crate) fn draw(area: &Area<'_>, report: &AnalysisReport) -> Drawn {
    let (shown, rest) = chosen(report);
    let (_, height) = area.dim_in_pixel();
    let bottom = i32::try_from(height).unwrap_or(0) - FOOT;
    let whole = [(0, 0), (i32::try_from(WIDTH).unwrap_or(0), bottom + FOOT)];
    area.draw(&Rectangle::new(whole, ShapeStyle::from(palette::PAPER).filled()))?;
    let heading = font(36, palette::INK, HPos::Left, VPos::Top);
    area.draw(&Text::new(clipped(&headline(report), 118), (40, 30), heading))?;
    let sides = match &report.baseline {
        Some(baseline) => {
            format!("{}  ->  {}", describe_side(baseline), describe_side(&report.current))
        }
        None => describe_side(&report.current),
    };
    let small = || font(LABEL, palette::MUTED, HPos::Left, VPos::Top);
    area.draw(&Text::new(clipped(&sides, 125), (40, 86), small()))?;

    let log = |change: f64| change.ln();
    let reach = |one: &&Comparison| {
        let changed = matches!(one.verdict, Verdict::Regression | Verdict::Improvement);
        let far = if changed { 2.3 } else { 0.7 };
        (log(one.interval.low).max(-far), log(one.interval.high).min(far))
    };
    let (low, high) = shown
        .iter()
        .map(reach)
        .fold((-0.02_f64, 0.02_f64), |all, one| (all.0.min(one.0), all.1.max(one.1)));
    let axis = Axis::new((low, high), BARS);
    let threshold = report.settings.relative_threshold.ln_1p();
    backdrop(area, &axis, threshold, (HEAD - 6, bottom))?;
    for (index, one) in (0..).zip(&shown) {
        let y = HEAD + index * ROW + ROW / 2;
        let color = palette::of(one.verdict);
        let label = |x, h| ((x, y), font(LABEL, palette::INK, h, VPos::Center));
        let (place, style) = label(40, HPos::Left);
        area.draw(&Text::new(one.verdict.to_string(), place, style.color(&color)))?;
        let remark = Some(row_remark(one, report)).filter(|remark| !remark.is_empty());
        let below = report.onset(&one.series).map(since).or(remark);
        let name_at = if below.is_some() { y - 11 } else { y };
        let style = font(LABEL, palette::INK, HPos::Left, VPos::Center);
        area.draw(&Text::new(clipped(&text::name(&one.series), 40), (NAMES, name_at), style))?;
        if let Some(below) = below {
            let style = font(SMALL, palette::MUTED, HPos::Left, VPos::Center);
            area.draw(&Text::new(clipped(&below, 54), (NAMES, y + 16), style))?;
        }
        mark(area, &axis, one, color, y)?;
        let (place, style) = label(VALUES, HPos::Left);
        area.draw(&Text::new(values(one), place, style))?;
        let (place, style) = label(i32::try_from(WIDTH).unwrap_or(0) - 40, HPos::Right);
        area.draw(&Text::new(format_change(one.change()), place, style.color(&color)))?;
    }
    let mut legend = format!(
        "bars: {:.0}% intervals, arrows lead beyond the scale; shaded: too small to matter",
        report.settings.level * 100.0
    );
    if rest > 0 {
        legend.push_str(&format!("; {rest} more are not shown"));
    }
    area.draw(&Text::new(legend, (40, bottom + 62), small()))
}
