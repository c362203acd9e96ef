//! The hash that most things are named by.

use std::error::Error;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// Returns the hash of the input in hexadecimal.
///
/// # Errors
/// None; the signature is that of all programs.
pub fn run(input: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut text = String::new();
    for byte in Sha256::digest(input) {
        write!(text, "{byte:02x}")?;
    }
    Ok(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(run(b"abc").unwrap(), expected.as_bytes());
    }
}
