//! Pictures, drawn by plotters as SVG.
//!
//! Every plot draws with the colours of [`palette`] and nothing else. A page that wants to be
//! dark overrides them by attribute, as CSS wins over the attributes of an SVG; so the same
//! picture serves on a page, alone, and rasterised.
//!
//! Coordinates of plotters' SVG are whole numbers, so plots are drawn on twice as many points as
//! they are shown on.

pub(crate) mod distribution;
pub(crate) mod history;
pub(crate) mod interval;
pub(crate) mod overview;
pub(crate) mod palette;
pub(crate) mod scaling;
pub(crate) mod sparkline;
mod violin;

use std::io;

use maud::html;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind};
use plotters::prelude::{IntoDrawingArea, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontFamily, IntoFont, RGBColor, TextStyle};

/// Where plots draw.
pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Drawing into memory fails only where a plot was given an impossible area.
pub(crate) type Drawn<T = ()> = Result<T, DrawingAreaErrorKind<io::Error>>;

/// Width and height, in points of which two make a pixel.
pub(crate) type Size = (u32, u32);

/// What stands for the picture where it is not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Words {
    /// View that is shown.
    pub(crate) title: String,
    /// What it shows.
    pub(crate) description: String,
}

/// Draws an SVG that names and describes itself to those who do not see it.
pub(crate) fn svg(
    size: Size,
    words: &Words,
    draw: impl FnOnce(&Area<'_>) -> Drawn,
) -> io::Result<String> {
    let mut drawn = String::new();
    {
        let root = SVGBackend::with_string(&mut drawn, size).into_drawing_area();
        draw(&root).and_then(|()| root.present()).map_err(failed)?;
    }
    let body = drawn.split_once('>').map_or("", |(_, body)| body);
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{}" height="{}" viewBox="0 0 {} {}" role="img">"#,
        size.0 / 2,
        size.1 / 2,
        size.0,
        size.1
    );
    let described = html! {
        title { (words.title) }
        desc { (words.description) }
    };
    svg.push_str(&described.into_string());
    svg.push_str(&compact(body));
    Ok(svg)
}

/// Leaves out what says nothing. Quotes in texts are escaped, so no text is mistaken for an attribute.
fn compact(body: &str) -> String {
    body.replace(" opacity=\"1\"", "").replace(" stroke=\"none\"", "").replace('\n', "")
}

fn failed(error: DrawingAreaErrorKind<io::Error>) -> io::Error {
    io::Error::other(format!("failed to draw a plot: {error:?}"))
}

/// Text of a size and colour, anchored at its place.
pub(crate) fn font(size: u32, color: RGBColor, h: HPos, v: VPos) -> TextStyle<'static> {
    let style = (FontFamily::SansSerif, size).into_font().color(&color);
    style.pos(Pos::new(h, v))
}

/// The sizes of labels and headings, in points of which two make a pixel.
pub(crate) const LABEL: u32 = 27;
