//! A series through time in the room of a word.

use std::io;

use plotters::element::{Circle, PathElement};
use plotters::style::{Color, ShapeStyle};

use super::{Size, Words, palette, svg};
use crate::report::text::thinned;
use bench_stats::stats::mean::to_f64;

const SIZE: Size = (240, 48);
const MARGIN: i32 = 6;
/// Points of the line; more would not be seen.
const MOST: usize = 60;

/// Draws the values, oldest first, with a dot for the newest.
pub(crate) fn draw(values: &[f64], words: &Words) -> io::Result<String> {
    let values = thinned(values, MOST);
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (width, height) = (f64::from(SIZE.0) - 12.0, f64::from(SIZE.1) - 12.0);
    let place = |(index, value): (usize, &f64)| {
        let across = to_f64(index) / to_f64(values.len().saturating_sub(1).max(1));
        let up = if high > low { (value - low) / (high - low) } else { 0.5 };
        #[expect(clippy::cast_possible_truncation, reason = "inside the picture by construction")]
        let point = (
            MARGIN + (across * width).round() as i32,
            MARGIN + ((1.0 - up) * height).round() as i32,
        );
        point
    };
    let line: Vec<(i32, i32)> = values.iter().enumerate().map(place).collect();
    svg(SIZE, words, |area| {
        if let Some(&newest) = line.last() {
            area.draw(&PathElement::new(line.clone(), palette::CURRENT.stroke_width(3)))?;
            area.draw(&Circle::new(newest, 5, ShapeStyle::from(palette::CURRENT).filled()))?;
        }
        Ok(())
    })
}
