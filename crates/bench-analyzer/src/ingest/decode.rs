//! Text as it is found: packed with gzip, with a byte order mark, or in UTF-16, as PowerShell's `>` writes
//! it. Readers see UTF-8 without any of that.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// How much of a file is looked at to tell its format.
pub(super) const HEAD: usize = 64 * 1024;

/// What a file is packed with, where it cannot be read as it is.
const PACKED: [(&[u8], &str); 5] = [
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "zip"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
];

/// Opens a file as UTF-8 text.
///
/// # Errors
/// If it cannot be read, or is packed in a way that is not undone here: then with the kind
/// [`io::ErrorKind::Unsupported`] and a text that names it.
pub(super) fn open(file: impl Read + 'static) -> io::Result<Box<dyn BufRead>> {
    let mut input = BufReader::with_capacity(HEAD, file);
    if input.fill_buf()?.starts_with(b"\x1f\x8b") {
        return text(BufReader::with_capacity(HEAD, MultiGzDecoder::new(input)));
    }
    text(input)
}

fn text(mut input: impl BufRead + 'static) -> io::Result<Box<dyn BufRead>> {
    let head = input.fill_buf()?;
    if let Some((_, name)) = PACKED.iter().find(|(mark, _)| head.starts_with(mark)) {
        let text = format!("it is packed with {name}, which has to be undone first");
        return Err(io::Error::new(io::ErrorKind::Unsupported, text));
    }
    let (skipped, order) = match head {
        [0xef, 0xbb, 0xbf, ..] => (3, None),
        [0xff, 0xfe, ..] => (2, Some(Order::Little)),
        [0xfe, 0xff, ..] => (2, Some(Order::Big)),
        // No text in UTF-8 holds NUL; what starts with ASCII in UTF-16 has one at once.
        [1..=0x7f, 0, ..] => (0, Some(Order::Little)),
        [0, 1..=0x7f, ..] => (0, Some(Order::Big)),
        _ => (0, None),
    };
    input.consume(skipped);
    Ok(match order {
        None => Box::new(input),
        Some(order) => {
            let utf16 = Utf16 { input, order, ready: Vec::new(), taken: 0, high: None };
            Box::new(BufReader::with_capacity(HEAD, utf16))
        }
    })
}

/// Which byte of a UTF-16 unit comes first.
#[derive(Debug, Clone, Copy)]
enum Order {
    Little,
    Big,
}

/// Turns UTF-16 into UTF-8. What is no character becomes U+FFFD.
struct Utf16<R> {
    input: R,
    order: Order,
    ready: Vec<u8>,
    taken: usize,
    /// The first half of a pair, whose second half is not read yet.
    high: Option<u16>,
}

impl<R: Read> Utf16<R> {
    fn refill(&mut self) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(8192);
        (&mut self.input).take(8192).read_to_end(&mut bytes)?;
        let (units, rest) = bytes.as_chunks::<2>();
        let units = units.iter().map(|unit| match self.order {
            Order::Little => u16::from_le_bytes(*unit),
            Order::Big => u16::from_be_bytes(*unit),
        });
        let mut units: Vec<u16> = self.high.take().into_iter().chain(units).collect();
        let ended = bytes.len() < 8192;
        if !ended && let Some(0xd800..0xdc00) = units.last() {
            self.high = units.pop();
        }
        let mut text: String = char::decode_utf16(units)
            .map(|one| one.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        if !rest.is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
        self.ready = text.into_bytes();
        self.taken = 0;
        Ok(())
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.ready.len() {
            self.refill()?;
        }
        let mut left = &self.ready[self.taken..];
        let count = left.read(buffer)?;
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn read(bytes: Vec<u8>) -> String {
        let mut text = String::new();
        open(Cursor::new(bytes)).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    fn utf16(text: &str, to_bytes: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn every_encoding_reads_as_the_same_text() {
        // Longer than a block, with pairs wherever a block may end.
        let text = "test \u{b5}s \u{1f600} ... bench: 1 ns/iter\r\n".repeat(900);
        let mut marked = b"\xef\xbb\xbf".to_vec();
        marked.extend(text.bytes());
        assert_eq!(read(marked), text);
        for with_mark in [format!("\u{feff}{text}"), text.clone()] {
            assert_eq!(read(utf16(&with_mark, u16::to_le_bytes)), text);
            assert_eq!(read(utf16(&with_mark, u16::to_be_bytes)), text);
        }
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(&utf16(&text, u16::to_le_bytes)).unwrap();
        assert_eq!(read(packed.finish().unwrap()), text);
    }

    #[test]
    fn other_packers_are_named() {
        let error = open(Cursor::new(b"\x28\xb5\x2f\xfd....")).err().unwrap();
        assert!(error.to_string().contains("packed with zstd"), "{error}");
    }

    #[test]
    fn half_a_character_at_the_end_is_marked() {
        assert_eq!(read(b"\xff\xfea\0b".to_vec()), "a\u{fffd}");
    }
}
