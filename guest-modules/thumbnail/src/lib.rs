//! Pictures made small.

use std::error::Error;

use resize::{Pixel, Type};
use rgb::RGB8;

/// The longest side of what comes out, in pixels.
const SIDE: usize = 160;

/// A picture in the simplest format there is: binary PPM.
struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<RGB8>,
}

/// Makes a PPM picture fit into a square, keeping its shape, with a Lanczos filter.
///
/// # Errors
/// If the input is no such picture.
pub fn run(input: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let large = Picture::decode(input)?;
    let longest = large.width.max(large.height);
    let scaled = |side: usize| (side * SIDE / longest).max(1);
    let (width, height) = (scaled(large.width), scaled(large.height));
    let mut resizer =
        resize::new(large.width, large.height, width, height, Pixel::RGB8, Type::Lanczos3)?;
    let mut pixels = vec![RGB8::default(); width * height];
    resizer.resize(&large.pixels, &mut pixels)?;
    Ok(Picture { width, height, pixels }.encode())
}

/// A square picture that is smooth here and rough there, for those who need an input.
#[must_use]
pub fn example(side: u32) -> Vec<u8> {
    let pixel = |x: u32, y: u32| {
        let rough = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(2_246_822_519)) >> 28;
        let colours = [x * 255 / side, y * 255 / side, (x * y / side + rough) % 256];
        RGB8::from(colours.map(|value| u8::try_from(value).unwrap_or(u8::MAX)))
    };
    let pixels = (0..side).flat_map(|y| (0..side).map(move |x| pixel(x, y))).collect();
    let side = usize::try_from(side).unwrap_or(usize::MAX);
    Picture { width: side, height: side, pixels }.encode()
}

impl Picture {
    fn decode(bytes: &[u8]) -> Result<Self, Box<dyn Error>> {
        let mut rest = bytes;
        let mut header = [""; 4];
        for word in &mut header {
            let end =
                rest.iter().position(u8::is_ascii_whitespace).ok_or("the header is cut off")?;
            *word = str::from_utf8(&rest[..end])?;
            rest = &rest[end + 1..];
        }
        let ["P6", width, height, "255"] = header else { return Err("not a binary PPM".into()) };
        let (width, height): (usize, usize) = (width.parse()?, height.parse()?);
        let (pixels, _) = rest.as_chunks();
        let pixels: Vec<RGB8> = pixels.iter().map(|&pixel: &[u8; 3]| pixel.into()).collect();
        if pixels.is_empty() || width.checked_mul(height) != Some(pixels.len()) {
            return Err("the picture has another size than its header says".into());
        }
        Ok(Self { width, height, pixels })
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = format!("P6 {} {} 255\n", self.width, self.height).into_bytes();
        bytes.extend(self.pixels.iter().flat_map(|pixel| [pixel.r, pixel.g, pixel.b]));
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_smaller_and_has_the_same_colours() {
        let small = Picture::decode(&run(&example(320)).unwrap()).unwrap();
        assert_eq!((small.width, small.height), (SIDE, SIDE));
        let pixel = small.pixels[SIDE / 4 * SIDE + SIDE / 2];
        assert!(pixel.r.abs_diff(127) < 4 && pixel.g.abs_diff(63) < 4, "{pixel:?}");
    }

    #[test]
    fn what_is_no_picture_is_an_error() {
        for wrong in [&b"no picture"[..], b"P6 2 2 255\n123", b"P6 0 0 255\n", b"P5 1 1 255\n1"] {
            assert!(run(wrong).is_err());
        }
    }
}
