//! A change with its interval, beside the changes that are of no interest.

use plotters::element::{Circle, PathElement, Rectangle, Text};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor, ShapeStyle};

use super::{Area, Drawn, LABEL, font, palette};
use crate::report::format_change;
use bench_stats::detect::verdict::Comparison;

/// The relative changes that an axis covers; they lie on it by their log ratios, so that twice and
/// half are equally far from no change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
    left: i32,
    right: i32,
}

impl Axis {
    /// An axis between two places that holds `low` and `high`, both log ratios, and no change.
    pub(crate) fn new((low, high): (f64, f64), (left, right): (i32, i32)) -> Self {
        /// A thousandfold change leaves any other a dot.
        const FAR: f64 = 6.9;
        let (low, high) = (low.clamp(-FAR, 0.0), high.clamp(0.0, FAR));
        let margin = ((high - low) * 0.08).max(0.005);
        Self { low: low - margin, high: high + margin, left, right }
    }

    /// Whether a log ratio lies on it.
    pub(crate) fn holds(&self, log: f64) -> bool {
        (self.low..=self.high).contains(&log)
    }

    /// The place of a log ratio, at an end if it lies beyond.
    pub(crate) fn at(&self, log: f64) -> i32 {
        let across = ((log - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        #[expect(clippy::cast_possible_truncation, reason = "between two places of the picture")]
        let offset = (across * f64::from(self.right - self.left)).round() as i32;
        self.left + offset
    }

    /// Round relative changes along the axis, three to seven of them.
    pub(crate) fn ticks(&self) -> Vec<f64> {
        let (low, high) = (self.low.exp_m1(), self.high.exp_m1());
        let rough = (high - low) / 5.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|one| one * power)
            .find(|step| *step >= rough)
            .unwrap_or(rough);
        let mut ticks = Vec::new();
        let mut tick = (low / step).ceil() * step;
        while tick <= high && ticks.len() < 12 {
            // A tick at zero should not read as a tiny number.
            ticks.push(if tick.abs() < step / 1e6 { 0.0 } else { tick });
            tick += step;
        }
        ticks
    }
}

/// Draws the interval and the point. An end that lies beyond the axis is an arrow, and a point beyond it is not drawn.
pub(crate) fn mark(
    area: &Area<'_>,
    axis: &Axis,
    comparison: &Comparison,
    color: RGBColor,
    y: i32,
) -> Drawn {
    let interval = comparison.interval;
    let (from, to) = (axis.at(interval.low.ln()), axis.at(interval.high.ln()));
    let style = color.stroke_width(4);
    area.draw(&PathElement::new([(from, y), (to, y)], style))?;
    for (end, ratio, inwards) in [(from, interval.low, 14), (to, interval.high, -14)] {
        let shape = if axis.holds(ratio.ln()) {
            vec![(end, y - 8), (end, y + 8)]
        } else {
            vec![(end + inwards, y - 10), (end, y), (end + inwards, y + 10)]
        };
        area.draw(&PathElement::new(shape, style))?;
    }
    if !axis.holds(comparison.ratio.ln()) {
        return Ok(());
    }
    let center = (axis.at(comparison.ratio.ln()), y);
    area.draw(&Circle::new(center, 9, ShapeStyle::from(color).filled()))
}

/// Draws the zone of no interest, the line of no change and the ticks.
pub(crate) fn backdrop(
    area: &Area<'_>,
    axis: &Axis,
    threshold: f64,
    (top, bottom): (i32, i32),
) -> Drawn {
    let zone = [(axis.at(-threshold), top), (axis.at(threshold), bottom)];
    area.draw(&Rectangle::new(zone, ShapeStyle::from(palette::BAND).filled()))?;
    let mut free_from = i32::MIN;
    for tick in axis.ticks() {
        let x = axis.at(tick.ln_1p());
        let color = if tick == 0.0 { palette::MUTED } else { palette::GRID };
        let style = color.stroke_width(if tick == 0.0 { 3 } else { 2 });
        area.draw(&PathElement::new([(x, top), (x, bottom)], style))?;
        // On a log scale ticks crowd to the right; a label needs its room.
        if x >= free_from {
            let style = font(LABEL, palette::MUTED, HPos::Center, VPos::Top);
            area.draw(&Text::new(label(tick), (x, bottom + 8), style))?;
            free_from = x + 110;
        }
    }
    Ok(())
}

fn label(tick: f64) -> String {
    if tick == 0.0 { "no change".to_owned() } else { short(&format_change(tick)) }
}

/// `+10.0%` as `+10%`.
fn short(change: &str) -> String {
    change.replace(".0%", "%")
}

/// The comparison of one series as a picture of its own.
pub(crate) fn draw(area: &Area<'_>, comparison: &Comparison, threshold: f64) -> Drawn {
    let (width, height) = area.dim_in_pixel();
    let (width, height) = (i32::try_from(width).unwrap_or(0), i32::try_from(height).unwrap_or(0));
    let interval = comparison.interval;
    let ends = [interval.low.ln(), interval.high.ln(), -1.5 * threshold, 1.5 * threshold];
    let low = ends.iter().copied().fold(f64::INFINITY, f64::min);
    let high = ends.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let axis = Axis::new((low, high), (40, width - 40));
    let bottom = height - 50;
    backdrop(area, &axis, threshold, (10, bottom))?;
    mark(area, &axis, comparison, palette::of(comparison.verdict), bottom / 2)
}
