//! How the values of a family grow with its number: both sides on logarithmic axes.

use plotters::element::{Circle, PathElement, Text};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor, ShapeStyle};

use super::{Area, Drawn, LABEL, font, palette};
use crate::report::format_quantity;
use crate::report::rows::{FamilyRow, number};
use bench_stats::detect::scaling::Exponent;
use bench_stats::stats::mean::to_f64;

/// Where the axes end: left, top, and what is left free at the right and below.
const LEFT: i32 = 150;
const TOP: i32 = 70;
const RIGHT: i32 = 40;
const BELOW: i32 = 70;

/// A logarithmic axis between two places.
struct Axis {
    low: f64,
    high: f64,
    from: i32,
    to: i32,
}

impl Axis {
    fn of(values: impl Iterator<Item = f64>, (from, to): (i32, i32)) -> Self {
        let (low, high) =
            values.map(f64::ln).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), log| {
                (low.min(log), high.max(log))
            });
        let margin = ((high - low) * 0.06).max(0.02);
        Self { low: low - margin, high: high + margin, from, to }
    }

    fn at(&self, value: f64) -> i32 {
        let across = ((value.ln() - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        #[expect(clippy::cast_possible_truncation, reason = "between two places of the picture")]
        let offset = (across * f64::from(self.to - self.from)).round() as i32;
        self.from + offset
    }

    /// Values at even distances.
    fn ticks(&self, count: usize) -> impl Iterator<Item = f64> {
        let (low, high) = (self.low, self.high);
        (0..count).map(move |at| (low + (high - low) * (to_f64(at) + 0.5) / to_f64(count)).exp())
    }
}

/// Draws a point for each member of either side, and the line that was fitted to them.
pub(crate) fn draw(area: &Area<'_>, row: &FamilyRow<'_>) -> Drawn {
    let (width, height) = area.dim_in_pixel();
    let (width, height) = (i32::try_from(width).unwrap_or(0), i32::try_from(height).unwrap_or(0));
    let numbers: Vec<f64> = row.family.members.iter().map(|one| one.parameter).collect();
    let side = |of: fn(&bench_stats::Comparison) -> f64| -> Vec<f64> {
        row.members.iter().map(|one| of(one)).collect()
    };
    let (old, new) = (side(|one| one.baseline.value), side(|one| one.current.value));
    let across = Axis::of(numbers.iter().copied(), (LEFT, width - RIGHT));
    let up = Axis::of(old.iter().chain(&new).copied(), (height - BELOW, TOP));
    for tick in up.ticks(4) {
        let y = up.at(tick);
        let line = [(LEFT, y), (width - RIGHT, y)];
        area.draw(&PathElement::new(line, palette::GRID.stroke_width(2)))?;
        let style = font(LABEL, palette::MUTED, HPos::Right, VPos::Center);
        area.draw(&Text::new(format_quantity(tick, &row.family.unit), (LEFT - 14, y), style))?;
    }
    let mut free_from = i32::MIN;
    for &value in &numbers {
        let x = across.at(value);
        let ends = [(x, height - BELOW), (x, height - BELOW + 8)];
        area.draw(&PathElement::new(ends, palette::MUTED.stroke_width(2)))?;
        if x >= free_from {
            let style = font(LABEL, palette::MUTED, HPos::Center, VPos::Top);
            area.draw(&Text::new(number(value), (x, height - BELOW + 14), style))?;
            free_from = x + 90;
        }
    }
    let scaling = row.family.scaling;
    let sides = [
        ("baseline", palette::BASELINE, old, scaling.map(|one| one.baseline)),
        ("current", palette::CURRENT, new, scaling.map(|one| one.current)),
    ];
    for (column, (name, color, values, exponent)) in (0..).zip(&sides) {
        let points: Vec<(i32, i32)> = numbers
            .iter()
            .zip(values)
            .map(|(number, value)| (across.at(*number), up.at(*value)))
            .collect();
        area.draw(&PathElement::new(points.clone(), color.stroke_width(3)))?;
        for point in points {
            area.draw(&Circle::new(point, 7, ShapeStyle::from(color).filled()))?;
        }
        legend(area, 30 + column * width / 2, *color, &grows(name, *exponent))?;
    }
    Ok(())
}

fn legend(area: &Area<'_>, x: i32, color: RGBColor, text: &str) -> Drawn {
    area.draw(&PathElement::new([(x, 26), (x + 30, 26)], color.stroke_width(8)))?;
    let style = font(LABEL, palette::INK, HPos::Left, VPos::Center);
    area.draw(&Text::new(text.to_owned(), (x + 42, 26), style))
}

/// How a side grows: `baseline: ~n^1.02 (1.01 to 1.03)`.
pub(crate) fn grows(name: &str, exponent: Option<Exponent>) -> String {
    let Some(Exponent { exponent, interval }) = exponent else { return name.to_owned() };
    match interval {
        Some((low, high)) => format!("{name}: ~n^{exponent:.2} ({low:.2} to {high:.2})"),
        None => format!("{name}: ~n^{exponent:.2}"),
    }
}
