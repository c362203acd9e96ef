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

/// A scale that the histories of a page share: by how much values may lie above or below their middle, as a log ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Reach(f64);

impl Reach {
    /// Wide enough for most of some histories: what lies beyond is drawn at the edge.
    pub(crate) fn of<'v>(histories: impl Iterator<Item = &'v [f64]>) -> Self {
        /// Five percent, so that noise looks like noise; fourfold.
        const BOUNDS: (f64, f64) = (0.05, 1.386);
        let mut reaches: Vec<f64> = histories.map(reach).collect();
        reaches.sort_by(f64::total_cmp);
        let most = reaches.get(reaches.len() * 9 / 10).copied().unwrap_or(BOUNDS.0);
        Self(most.clamp(BOUNDS.0, BOUNDS.1))
    }
}

/// How far values lie from the middle between the lowest and the highest.
fn reach(values: &[f64]) -> f64 {
    let (low, high) = ends(values);
    if low > 0.0 && high > low { (high / low).ln() / 2.0 } else { 0.0 }
}

fn ends(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    (low, values.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

/// Draws the values, oldest first, with a dot for the newest.
pub(crate) fn draw(values: &[f64], reach: Reach, words: &Words) -> io::Result<String> {
    let values = thinned(values, MOST);
    let (low, high) = ends(&values);
    let middle = if low > 0.0 { (low.ln() + high.ln()) / 2.0 } else { 0.0 };
    let (width, height) = (f64::from(SIZE.0) - 12.0, f64::from(SIZE.1) - 12.0);
    let place = |(index, value): (usize, &f64)| {
        let across = to_f64(index) / to_f64(values.len().saturating_sub(1).max(1));
        let up = if low > 0.0 {
            (0.5 + (value.ln() - middle) / (2.0 * reach.0)).clamp(0.0, 1.0)
        } else if high > low {
            (value - low) / (high - low)
        } else {
            0.5
        };
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
