//! Where the samples of both sides lie, and the medians of their runs: as curves, and as violins beside them.

use plotters::chart::ChartBuilder;
use plotters::element::{Circle, PathElement, Polygon, Text};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor, ShapeStyle};

use super::violin::{self, Violin};
use super::{Area, Drawn, LABEL, font, palette};
use crate::report::quantity::AxisScale;
use crate::report::text::plural;
use bench_stats::model::BenchmarkResult;
use bench_stats::stats::mean::to_f64;
use bench_stats::stats::quantile::Weighted;

/// The samples of one side.
struct Side {
    name: &'static str,
    color: RGBColor,
    samples: Vec<f64>,
    medians: Vec<f64>,
    /// The density at every point of the grid; none for too few samples.
    density: Vec<f64>,
}

/// Points at which densities are shown.
const GRID: usize = 128;

/// Fewer samples have no shape to show.
const SHAPELY: usize = 8;

/// Draws both sides, or the one that there is.
pub(crate) fn draw(
    area: &Area<'_>,
    baseline: Option<&BenchmarkResult>,
    current: Option<&BenchmarkResult>,
) -> Drawn {
    let mut sides: Vec<Side> = [
        baseline.map(|one| Side::of(one, "baseline", palette::BASELINE)),
        current.map(|one| Side::of(one, "current", palette::CURRENT)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let Some(unit) = current.or(baseline).map(|one| &one.series.unit) else { return Ok(()) };
    let (low, high) = range(&sides);
    let grid: Vec<f64> =
        (0..GRID).map(|index| low + (high - low) * to_f64(index) / to_f64(GRID - 1)).collect();
    for side in &mut sides {
        side.density = density(&side.samples, &grid);
    }
    let top = sides.iter().flat_map(|side| &side.density).copied().fold(0.0, f64::max).max(1e-300);
    let scale = AxisScale::new(low, high, unit);
    let factor = scale.factor;
    // With both sides there is something to hold against each other, and violins stand beside the curves.
    let (width, _) = area.dim_in_pixel();
    let (curves, beside) =
        area.split_horizontally(if sides.len() > 1 { width * 2 / 3 } else { width });
    if sides.len() > 1 {
        let violins: Vec<Violin<'_>> = sides.iter().map(|side| side.violin(&grid, top)).collect();
        violin::draw(&beside, &violins, (low, high), &scale)?;
    }

    // Below zero there is a strip for the medians of the runs.
    let rows = to_f64(sides.len());
    let floor = -0.14 * rows - 0.06;
    // Above the curves there is room for the word about what is not shown.
    let beyond = beyond(&sides, low, high);
    let ceiling = if beyond > 0 { 1.24 } else { 1.08 };
    let mut chart = ChartBuilder::on(&curves)
        .margin_left(30)
        .margin_right(30)
        .margin_top(54)
        .x_label_area_size(56)
        .build_cartesian_2d(low / factor..high / factor, floor..ceiling)?;
    chart
        .configure_mesh()
        .disable_y_axis()
        .disable_y_mesh()
        .x_labels(if sides.len() > 1 { 3 } else { 5 })
        .light_line_style(palette::PAPER.mix(0.0))
        .bold_line_style(palette::GRID.stroke_width(2))
        .axis_style(palette::GRID.stroke_width(2))
        .x_label_formatter(&|value| scale.label(*value))
        .label_style(font(LABEL, palette::MUTED, HPos::Center, VPos::Top))
        .draw()?;
    for (row, side) in (0_u32..).zip(&sides) {
        let curve: Vec<(f64, f64)> = grid
            .iter()
            .zip(&side.density)
            .map(|(value, density)| (value / factor, density / top))
            .collect();
        if !curve.is_empty() {
            let mut outline = curve.clone();
            outline.extend([(high / factor, 0.0), (low / factor, 0.0)]);
            let fill = ShapeStyle::from(side.color.mix(0.22)).filled();
            chart.draw_series([Polygon::new(outline, fill)])?;
            chart.draw_series([PathElement::new(curve, side.color.stroke_width(3))])?;
        }
        let y = -0.12 - 0.14 * f64::from(row);
        let inside = side.medians.iter().filter(|median| (low..=high).contains(*median));
        let style = ShapeStyle::from(side.color).filled();
        chart.draw_series(inside.map(|median| Circle::new((median / factor, y), 7, style)))?;
    }
    legend(area, &sides, beyond)
}

/// How many samples lie outside of what is shown.
fn beyond(sides: &[Side], low: f64, high: f64) -> usize {
    let samples = sides.iter().flat_map(|side| &side.samples);
    samples.filter(|one| !(low..=high).contains(*one)).count()
}

fn legend(area: &Area<'_>, sides: &[Side], beyond: usize) -> Drawn {
    let width = i32::try_from(area.dim_in_pixel().0).unwrap_or(i32::MAX);
    for (column, side) in (0..).zip(sides) {
        let x = 30 + column * width / 2;
        let style = side.color.stroke_width(8);
        area.draw(&PathElement::new([(x, 26), (x + 30, 26)], style))?;
        let text = format!(
            "{}: {}, {}",
            side.name,
            plural(side.samples.len(), "sample", "samples"),
            plural(side.medians.len(), "run", "runs")
        );
        let style = font(LABEL, palette::INK, HPos::Left, VPos::Center);
        area.draw(&Text::new(text, (x + 42, 26), style))?;
    }
    if beyond > 0 {
        let text = format!("{} farther out", plural(beyond, "sample", "samples"));
        let style = font(LABEL, palette::MUTED, HPos::Right, VPos::Center);
        area.draw(&Text::new(text, (width - 30, 74), style))?;
    }
    Ok(())
}

impl Side {
    fn violin(&self, grid: &[f64], top: f64) -> Violin<'_> {
        let outline = grid
            .iter()
            .zip(&self.density)
            .map(|(value, density)| (*value, density / top))
            .collect();
        Violin { name: self.name, color: self.color, outline, medians: &self.medians }
    }

    fn of(result: &BenchmarkResult, name: &'static str, color: RGBColor) -> Self {
        let samples = result
            .measurements
            .iter()
            .flat_map(|measurement| measurement.samples.per_iteration())
            .collect();
        Self { name, color, samples, medians: result.medians(), density: Vec::new() }
    }
}

/// The values that are shown: all but the farthest hundredth of each side, and every run's median.
fn range(sides: &[Side]) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for side in sides {
        let pairs = side.samples.iter().map(|&one| (one, 1.0)).collect();
        let sorted = Weighted::new(pairs);
        // A long tail is counted, not shown: it would squeeze everything else.
        let (first, third) = (sorted.quantile(0.25), sorted.quantile(0.75));
        let reach = 4.0 * (third - first);
        low = low.min(sorted.quantile(0.005).max(first - reach));
        high = high.max(sorted.quantile(0.99).min(third + reach));
        for &median in &side.medians {
            (low, high) = (low.min(median), high.max(median));
        }
    }
    if !low.is_finite() || !high.is_finite() {
        return (0.0, 1.0);
    }
    let margin = if high > low { (high - low) * 0.06 } else { high.abs().max(1.0) * 0.01 };
    ((low - margin).max(0.0), high + margin)
}

/// A kernel density estimate with Silverman's rule of thumb (*Density Estimation for Statistics
/// and Data Analysis*, 1986, equation 3.31). Samples are counted in fine bins first, so that the
/// time it takes does not grow with samples times points.
fn density(samples: &[f64], grid: &[f64]) -> Vec<f64> {
    const BINS: usize = 1024;
    if samples.len() < SHAPELY {
        return Vec::new();
    }
    let (Some(&low), Some(&high)) = (grid.first(), grid.last()) else { return Vec::new() };
    let sorted = Weighted::new(samples.iter().map(|&one| (one, 1.0)).collect());
    let quartiles = (sorted.quantile(0.75) - sorted.quantile(0.25)) / 1.34;
    let deviation = bench_stats::stats::mean::variance(samples).sqrt();
    let spread = if quartiles > 0.0 { quartiles.min(deviation) } else { deviation };
    let rule = 0.9 * spread * to_f64(samples.len()).powf(-0.2);
    let cell = (high - low) / to_f64(BINS);
    if cell <= 0.0 {
        return Vec::new();
    }
    // Not narrower than what can be seen.
    let bandwidth = rule.max((high - low) / 200.0);
    let mut bins = vec![0.0_f64; BINS];
    for &sample in samples.iter().filter(|one| (low..high).contains(*one)) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "inside the bins, by the filter"
        )]
        let bin = ((sample - low) / cell) as usize;
        bins[bin.min(BINS - 1)] += 1.0;
    }
    let filled: Vec<(f64, f64)> = bins
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0.0)
        .map(|(index, &count)| (low + cell * (to_f64(index) + 0.5), count))
        .collect();
    let at = |point: &f64| -> f64 {
        let kernel = |(center, count): &(f64, f64)| {
            let distance = (point - center) / bandwidth;
            count * (-0.5 * distance * distance).exp()
        };
        filled.iter().map(kernel).sum::<f64>() / (to_f64(samples.len()) * bandwidth)
    };
    grid.iter().map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_density_peaks_where_the_samples_are() {
        let samples: Vec<f64> = (0..100_u8).map(|one| 50.0 + f64::from(one % 10) / 10.0).collect();
        let grid: Vec<f64> = (0..101_u8).map(f64::from).collect();
        let density = density(&samples, &grid);
        assert!(density[50] > 0.1 && density[51] > 0.1, "{density:?}");
        assert!(density[40] < 1e-6 && density[60] < 1e-6);
    }

    #[test]
    fn a_few_samples_have_no_shape() {
        assert!(density(&[1.0, 2.0], &[0.0, 3.0]).is_empty());
    }
}
