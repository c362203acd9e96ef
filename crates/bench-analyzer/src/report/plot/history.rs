//! A series through time: its points, its levels, and where they change.

use plotters::chart::ChartBuilder;
use plotters::element::{Circle, PathElement, Text};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor, ShapeStyle};

use super::{Area, Drawn, LABEL, font, palette};
use crate::report::format_change;
use crate::report::quantity::AxisScale;
use bench_stats::detect::changes::{ChangePoint, SeriesChanges};
use bench_stats::detect::verdict::Verdict;
use bench_stats::stats::mean::to_f64;
use bench_stats::stats::quantile::{Weighted, median};

/// Beyond this many points each is drawn without a dot of its own.
const DOTTED: usize = 120;

/// Draws the series by order of its points, because suites run at uneven times.
pub(crate) fn draw(area: &Area<'_>, history: &SeriesChanges) -> Drawn {
    let points = &history.timeline.points;
    let values: Vec<f64> = points.iter().map(|point| point.value).collect();
    if values.is_empty() {
        return Ok(());
    }
    let (low, high) = range(history, &values);
    let scale = AxisScale::new(low, high, &history.timeline.series.unit);
    let factor = scale.factor;
    let last = to_f64(values.len() - 1).max(1.0);
    let mut chart = ChartBuilder::on(area)
        .margin_right(34)
        .margin_top(54)
        .x_label_area_size(56)
        .y_label_area_size(132)
        .build_cartesian_2d(-0.02 * last..1.02 * last, low / factor..high / factor)?;
    let days = |at: &f64| day(history, *at);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(3)
        .y_labels(5)
        .light_line_style(palette::PAPER.mix(0.0))
        .bold_line_style(palette::GRID.stroke_width(2))
        .axis_style(palette::GRID.stroke_width(2))
        .x_label_formatter(&days)
        .y_label_formatter(&|value| scale.label(*value))
        .x_label_style(font(LABEL, palette::MUTED, HPos::Center, VPos::Top))
        .y_label_style(font(LABEL, palette::MUTED, HPos::Right, VPos::Center))
        .draw()?;

    // What lies outside is drawn at the edge it lies beyond.
    let place = |(index, &value): (usize, &f64)| (to_f64(index), value.clamp(low, high) / factor);
    let line: Vec<(f64, f64)> = values.iter().enumerate().map(place).collect();
    chart.draw_series([PathElement::new(line, palette::CURRENT.mix(0.55).stroke_width(2))])?;
    if values.len() <= DOTTED {
        let style = ShapeStyle::from(palette::CURRENT).filled();
        let dots = values.iter().enumerate().map(place);
        chart.draw_series(dots.map(|point| Circle::new(point, 4, style)))?;
    }
    let spikes = history.spikes.iter().map(|spike| place((spike.index, &spike.value)));
    chart.draw_series(spikes.map(|at| Circle::new(at, 10, palette::OPEN.stroke_width(3))))?;
    let mut machines = Vec::new();
    for &epoch in history.epochs.iter().filter(|epoch| **epoch > 0) {
        let at = to_f64(epoch) - 0.5;
        let style = palette::MUTED.stroke_width(2);
        chart.draw_series([PathElement::new([(at, low / factor), (at, high / factor)], style)])?;
        machines.push(chart.backend_coord(&(at, low / factor)));
    }
    for (from, to) in levels(history, values.len()) {
        let mut stretch = values[from..to].to_vec();
        let level = median(&mut stretch).clamp(low, high) / factor;
        let ends = [(to_f64(from) - 0.4, level), (to_f64(to) - 0.6, level)];
        chart.draw_series([PathElement::new(ends, palette::INK.stroke_width(4))])?;
    }
    let mut labels = Vec::new();
    for change in &history.change_points {
        let color = color(change);
        let at = to_f64(change.index) - 0.5;
        let ends = [(at, low / factor), (at, high / factor)];
        chart.draw_series([PathElement::new(ends, color.stroke_width(3))])?;
        labels.push((chart.backend_coord(&(at, high / factor)).0, change));
    }
    write_machines(area, &machines)?;
    write_labels(area, &labels)
}

/// Writes at each line where another machine or compiler goes on that it does, where there is room.
fn write_machines(area: &Area<'_>, machines: &[(i32, i32)]) -> Drawn {
    let width = i32::try_from(area.dim_in_pixel().0).unwrap_or(i32::MAX);
    let origin = area.get_base_pixel();
    let mut free_from = i32::MIN;
    for (x, y) in machines {
        let (x, y) = (x - origin.0, y - origin.1 - 18);
        if x < free_from {
            continue;
        }
        let (place, side) = if x > width / 2 { (x - 8, HPos::Right) } else { (x + 8, HPos::Left) };
        let style = font(LABEL, palette::MUTED, side, VPos::Center);
        area.draw(&Text::new("other machine", (place, y), style))?;
        free_from = x + 190;
    }
    Ok(())
}

/// Writes how much changed above each change, where there is room.
fn write_labels(area: &Area<'_>, labels: &[(i32, &ChangePoint)]) -> Drawn {
    let width = i32::try_from(area.dim_in_pixel().0).unwrap_or(i32::MAX);
    let (origin, _) = area.get_base_pixel();
    let mut free_from = i32::MIN;
    for (x, change) in labels {
        let x = (x - origin).clamp(190, width - 70);
        if x < free_from {
            continue;
        }
        let mark = if change.provisional { "?" } else { "" };
        let text = format!("{}{mark}", format_change(change.change));
        let style = font(LABEL, color(change), HPos::Center, VPos::Center);
        area.draw(&Text::new(text, (x, 32), style))?;
        free_from = x + 130;
    }
    Ok(())
}

fn color(change: &ChangePoint) -> RGBColor {
    match change.verdict {
        Verdict::Regression => palette::BAD,
        Verdict::Improvement => palette::GOOD,
        Verdict::Inconclusive | Verdict::NoChangeSeen | Verdict::Unchanged => palette::MUTED,
    }
}

/// The stretches between changes of level or machine.
fn levels(history: &SeriesChanges, length: usize) -> Vec<(usize, usize)> {
    let mut bounds: Vec<usize> = history.epochs.clone();
    bounds.extend(history.change_points.iter().map(|change| change.index));
    bounds.extend([0, length]);
    bounds.sort_unstable();
    bounds.dedup();
    bounds.windows(2).map(|pair| (pair[0], pair[1])).collect()
}

/// What is shown: nearly all points and all levels, and no wider than that.
fn range(history: &SeriesChanges, values: &[f64]) -> (f64, f64) {
    let sorted = Weighted::new(values.iter().map(|&value| (value, 1.0)).collect());
    let (mut low, mut high) = (sorted.quantile(0.01), sorted.quantile(0.99));
    for (from, to) in levels(history, values.len()) {
        let level = median(&mut values[from..to].to_vec());
        (low, high) = (low.min(level), high.max(level));
    }
    // The newest value is what the reader came for.
    if let Some(&newest) = values.last() {
        (low, high) = (low.min(newest), high.max(newest));
    }
    // Noise should look like noise, not like mountains.
    let least = 0.04 * high.abs();
    let margin = ((high - low) * 0.12).max((least - (high - low)) / 2.0).max(1e-9);
    ((low - margin).max(0.0), high + margin)
}

fn day(history: &SeriesChanges, at: f64) -> String {
    let points = &history.timeline.points;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place between the first and the last point"
    )]
    let index = at.round().max(0.0) as usize;
    let same_day = points.first().zip(points.last()).is_some_and(|(first, last)| {
        first.measured_at.strftime("%Y-%m-%d").to_string()
            == last.measured_at.strftime("%Y-%m-%d").to_string()
    });
    let format = if same_day { "%H:%M" } else { "%Y-%m-%d" };
    match points.get(index) {
        Some(point) => point.measured_at.strftime(format).to_string(),
        None => String::new(),
    }
}
