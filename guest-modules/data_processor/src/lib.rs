//! Turns bytes into other bytes of the same length: differences, and back.

use sandbox_guest::export;

/// Replaces each byte by its difference to the one before it, folded so that small differences of
/// either sign become small numbers: what compressors of samples and pictures do first.
#[export]
#[must_use]
pub fn process_data(mut data: Vec<u8>) -> Vec<u8> {
    let mut before = 0;
    for byte in &mut data {
        let difference = byte.wrapping_sub(before).cast_signed();
        before = *byte;
        *byte = (difference << 1 ^ difference >> 7).cast_unsigned();
    }
    data
}

/// Undoes [`process_data`].
#[export]
#[must_use]
pub fn restore_data(mut data: Vec<u8>) -> Vec<u8> {
    let mut before = 0_u8;
    for byte in &mut data {
        let difference = *byte >> 1 ^ (*byte & 1).wrapping_neg();
        before = before.wrapping_add(difference);
        *byte = before;
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_differences_become_small_numbers() {
        assert_eq!(process_data(vec![10, 11, 10, 10, 12]), [20, 2, 1, 0, 4]);
    }

    #[test]
    fn every_pair_of_bytes_survives() {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let data = vec![first, second];
                assert_eq!(restore_data(process_data(data.clone())), data);
            }
        }
    }
}
