//! A small program: checksums of its input.

use sandbox_guest::export;

/// Result of [`run`], before it is written as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksums {
    /// CRC-32 as in ZIP and PNG: polynomial `0xedb88320`, reflected.
    pub crc32: u32,
    /// Adler-32 as in zlib.
    pub adler32: u32,
    /// FNV-1a with 64 bits.
    pub fnv1a: u64,
}

/// Returns the three checksums of the input, little-endian, one after the other: 16 bytes.
#[export]
#[must_use]
pub fn run(input: &[u8]) -> Vec<u8> {
    let Checksums { crc32, adler32, fnv1a } = Checksums::of(input);
    let mut output = Vec::with_capacity(16);
    output.extend(crc32.to_le_bytes());
    output.extend(adler32.to_le_bytes());
    output.extend(fnv1a.to_le_bytes());
    output
}

impl Checksums {
    /// Computes the checksums of bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self { crc32: crc32(bytes), adler32: adler32(bytes), fnv1a: fnv1a(bytes) }
    }
}

/// The remainders of all single bytes, so that the loop over the input takes a byte at a time.
const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            let carry = remainder & 1;
            remainder >>= 1;
            if carry == 1 {
                remainder ^= 0xedb8_8320;
            }
            bit += 1;
        }
        table[byte] = remainder;
        byte += 1;
    }
    table
};

fn crc32(bytes: &[u8]) -> u32 {
    let remainder = bytes.iter().fold(!0, |remainder: u32, byte| {
        let [low, ..] = remainder.to_le_bytes();
        CRC_TABLE[usize::from(low ^ byte)] ^ (remainder >> 8)
    });
    !remainder
}

fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    // As many bytes as can be added up before 32 bits overflow.
    const RUN: usize = 5552;
    let (mut low, mut high) = (1, 0);
    for run in bytes.chunks(RUN) {
        for &byte in run {
            low += u32::from(byte);
            high += low;
        }
        low %= MODULUS;
        high %= MODULUS;
    }
    high << 16 | low
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_the_published_ones() {
        let of_digits =
            Checksums { crc32: 0xcbf4_3926, adler32: 0x091e_01de, fnv1a: 0x06d5_5739_23c6_cdfc };
        assert_eq!(Checksums::of(b"123456789"), of_digits);
        assert_eq!(
            Checksums::of(b""),
            Checksums { crc32: 0, adler32: 1, fnv1a: 0xcbf2_9ce4_8422_2325 }
        );
    }

    #[test]
    fn long_inputs_do_not_overflow() {
        assert_eq!(adler32(&[0xff; 100_000]), 0x149a_302c);
    }

    #[test]
    fn the_output_is_the_checksums_in_order() {
        let output = run(b"123456789");
        assert_eq!((output.len(), &output[..4]), (16, &[0x26, 0x39, 0xf4, 0xcb][..]));
    }
}
