//! Compression as in zlib and PNG.

use std::error::Error;

/// The level that zlib's own tools default to.
const LEVEL: u8 = 6;

/// Compresses bytes, and decompresses them again to see that nothing was lost.
///
/// # Errors
/// If something was, which would be an error of the compressor.
pub fn run(input: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let compressed = miniz_oxide::deflate::compress_to_vec_zlib(input, LEVEL);
    let restored = miniz_oxide::inflate::decompress_to_vec_zlib(&compressed)
        .map_err(|error| format!("what was compressed cannot be decompressed: {error}"))?;
    if restored != input {
        return Err("what was decompressed is not what was compressed".into());
    }
    Ok(compressed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_smaller() {
        let text = b"to be, or not to be: ".repeat(100);
        let compressed = run(&text).unwrap();
        assert!(compressed.len() < text.len() / 10);
        // The two bytes that every zlib stream of this level begins with.
        assert_eq!(compressed[..2], [0x78, 0x9c]);
    }
}
