//! The report as one picture, as SVG or PNG.

use std::io;
#[cfg(feature = "png")]
use std::sync::Arc;

use plotters::element::{Rectangle, Text};
use plotters::style::ShapeStyle;
use plotters::style::text_anchor::{HPos, VPos};
#[cfg(feature = "png")]
use resvg::{tiny_skia, usvg};

use super::plot::{self, Area, Drawn, LABEL, Words, font, palette};
use super::series_summary::SeriesSummary;
use super::words::{self, describe_side, summary};
use super::{Reporter, format_change, format_quantity, text};
use crate::analysis::Evidence;
use bench_stats::analysis::AnalysisReport;

/// Writes a picture: every change with its interval, worst first; or, of a report about a single
/// benchmark, its interval, samples and history.
#[derive(Debug, Clone, Copy)]
pub struct PictureReporter<'e> {
    /// Evidence that the report was made from.
    pub evidence: &'e Evidence,
    /// The kind of file.
    pub format: PictureFormat,
}

/// The kind of file that a picture becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureFormat {
    /// Scalable, with text as text, light or dark as its reader prefers.
    Svg,
    /// Points, at twice the size in pixels, light.
    Png,
}

impl Reporter for PictureReporter<'_> {
    fn write(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
        let svg = draw(report, self.evidence)?;
        match self.format {
            PictureFormat::Svg => writeln!(output, "{svg}"),
            PictureFormat::Png => output.write_all(&png(&svg)?),
        }
    }
}

fn draw(report: &AnalysisReport, evidence: &Evidence) -> io::Result<String> {
    let summaries = SeriesSummary::collect(report, evidence);
    let svg = match summaries.as_slice() {
        [only] => one(report, only)?,
        _ => {
            let words = Words { title: summary(report), description: describe(report) };
            plot::svg(plot::overview::size(report), &words, |area| {
                plot::overview::draw(area, report)
            })?
        }
    };
    let dark = palette::dark_rules("");
    let style = format!(
        "<style>text{{font-family:system-ui,sans-serif}}\
         @media (prefers-color-scheme:dark){{{dark}}}</style>"
    );
    let (head, body) = svg.split_at(svg.find("<title>").unwrap_or(svg.len()));
    Ok(format!("{head}{style}{body}"))
}

fn describe(report: &AnalysisReport) -> String {
    let (shown, _) = plot::overview::chosen(report);
    let lines: Vec<String> = shown
        .iter()
        .map(|one| {
            format!("{} {} {}", text::name(&one.series), one.verdict, format_change(one.change()))
        })
        .collect();
    lines.join("; ")
}

/// The picture of a single benchmark: heading, interval, samples, history.
fn one(report: &AnalysisReport, series_summary: &SeriesSummary<'_>) -> io::Result<String> {
    const WIDTH: u32 = 1200;
    const HEAD: u32 = 190;
    const INTERVAL: u32 = 190;
    const PLOT: u32 = 480;
    let interval = if series_summary.comparison.is_some() { INTERVAL } else { 0 };
    let past = series_summary.history.filter(|one| one.timeline.points.len() > 1);
    let history = if past.is_some() { PLOT } else { 0 };
    let height = HEAD + interval + PLOT + history;
    let name = text::name(series_summary.series);
    let said = match series_summary.comparison {
        Some(one) => {
            let size = words::size(one, &report.settings);
            let first = format!("{}: {size}, {}", one.verdict, words::values(one));
            let second =
                [series_summary.onset.map(words::since).unwrap_or_default(), words::remark(one)];
            let second: Vec<String> = second.into_iter().filter(|part| !part.is_empty()).collect();
            [first, second.join(", ")]
        }
        None => {
            let value = format_quantity(series_summary.measured.value, &series_summary.series.unit);
            [format!("{value} in {}", describe_side(&report.current)), String::new()]
        }
    };
    let words = Words { title: name.clone(), description: said.join("; ") };
    plot::svg((WIDTH, height), &words, |area: &Area<'_>| -> Drawn {
        let (width, tall) = (to_i32(WIDTH), to_i32(height));
        let paper = ShapeStyle::from(palette::PAPER).filled();
        area.draw(&Rectangle::new([(0, 0), (width, tall)], paper))?;
        let heading = font(38, palette::INK, HPos::Left, VPos::Top);
        area.draw(&Text::new(text::clipped(&name, 58), (30, 30), heading))?;
        for (line, y) in said.iter().zip([90, 130]) {
            let small = font(LABEL, palette::MUTED, HPos::Left, VPos::Top);
            area.draw(&Text::new(text::clipped(line, 88), (30, y), small))?;
        }
        let (_, rest) = area.split_vertically(HEAD);
        let (top, rest) = rest.split_vertically(interval);
        if let Some(comparison) = series_summary.comparison {
            let value = comparison.baseline.value.min(comparison.current.value);
            let threshold = report.settings.threshold(series_summary.series, value);
            plot::interval::draw(&top, comparison, threshold)?;
        }
        let (middle, bottom) = rest.split_vertically(PLOT);
        plot::distribution::draw(&middle, series_summary.baseline, series_summary.current)?;
        match past {
            Some(past) => plot::history::draw(&bottom, past),
            None => Ok(()),
        }
    })
}

fn to_i32(size: u32) -> i32 {
    i32::try_from(size).unwrap_or(i32::MAX)
}

/// Refuses to rasterise.
#[cfg(not(feature = "png"))]
fn png(_svg: &str) -> io::Result<Vec<u8>> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "this bench-analyzer was compiled without its feature `png`: write SVG, or compile it with the feature",
    ))
}

/// Rasterises a picture with the font that comes along, so that it is the same on every machine.
#[cfg(feature = "png")]
fn png(svg: &str) -> io::Result<Vec<u8>> {
    let mut fonts = usvg::fontdb::Database::new();
    fonts.load_font_data(epaint_default_fonts::UBUNTU_LIGHT.to_vec());
    fonts.load_font_data(epaint_default_fonts::HACK_REGULAR.to_vec());
    fonts.set_sans_serif_family("Ubuntu");
    let options = usvg::Options {
        fontdb: Arc::new(fonts),
        font_family: "Ubuntu".to_owned(),
        ..usvg::Options::default()
    };
    let tree = usvg::Tree::from_str(svg, &options).map_err(io::Error::other)?;
    /// Dots for each pixel, so that text is sharp on fine screens.
    const DENSITY: f32 = 2.0;
    let size = tree.size().to_int_size().scale_by(DENSITY);
    let size = size.ok_or_else(|| io::Error::other("the picture has no size"))?;
    let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height())
        .ok_or_else(|| io::Error::other("the picture is too large for memory"))?;
    let scale = tiny_skia::Transform::from_scale(DENSITY, DENSITY);
    resvg::render(&tree, scale, &mut pixels.as_mut());
    pixels.encode_png().map_err(io::Error::other)
}
