//! The samples of both sides as violins: upright, each mirrored, with a dot for the median of every run.

use plotters::chart::ChartBuilder;
use plotters::element::{Circle, Polygon, Text};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor, ShapeStyle};

use super::{Area, Drawn, LABEL, font, palette};
use crate::report::quantity::AxisScale;

/// One side as a violin.
pub(super) struct Violin<'s> {
    pub(super) name: &'s str,
    pub(super) color: RGBColor,
    /// Values, and how dense samples are there; at most 1.
    pub(super) outline: Vec<(f64, f64)>,
    /// The medians of the runs.
    pub(super) medians: &'s [f64],
}

/// Draws violins between two values.
pub(super) fn draw(
    area: &Area<'_>,
    violins: &[Violin<'_>],
    (low, high): (f64, f64),
    scale: &AxisScale,
) -> Drawn {
    /// How much of its column a violin takes to either side.
    const HALF: f64 = 0.42;
    let factor = scale.factor;
    let mut chart = ChartBuilder::on(area)
        .margin_top(54)
        .margin_right(20)
        .margin_bottom(56)
        .y_label_area_size(110)
        .build_cartesian_2d(
            0.0..f64::from(u32::try_from(violins.len()).unwrap_or(1)),
            low / factor..high / factor,
        )?;
    chart
        .configure_mesh()
        .disable_x_axis()
        .disable_x_mesh()
        .y_labels(5)
        .light_line_style(palette::PAPER.mix(0.0))
        .bold_line_style(palette::GRID.stroke_width(2))
        .axis_style(palette::GRID.stroke_width(2))
        .y_label_formatter(&|value| scale.label(*value))
        .y_label_style(font(LABEL, palette::MUTED, HPos::Right, VPos::Center))
        .draw()?;
    for (column, violin) in (0_u32..).zip(violins) {
        let middle = f64::from(column) + 0.5;
        let side = |sign: f64| {
            violin
                .outline
                .iter()
                .map(move |(value, density)| (middle + sign * HALF * density, value / factor))
        };
        if !violin.outline.is_empty() {
            let shape: Vec<(f64, f64)> = side(1.0).chain(side(-1.0).rev()).collect();
            let fill = ShapeStyle::from(violin.color.mix(0.3)).filled();
            chart.draw_series([Polygon::new(shape, fill)])?;
        }
        let inside = violin.medians.iter().filter(|median| (low..=high).contains(*median));
        let style = ShapeStyle::from(violin.color).filled();
        chart.draw_series(inside.map(|median| Circle::new((middle, median / factor), 6, style)))?;
        let below = chart.backend_coord(&(middle, low / factor));
        let origin = area.get_base_pixel();
        let style = font(LABEL, palette::MUTED, HPos::Center, VPos::Top);
        let place = (below.0 - origin.0, below.1 - origin.1 + 12);
        area.draw(&Text::new(violin.name.to_owned(), place, style))?;
    }
    Ok(())
}
