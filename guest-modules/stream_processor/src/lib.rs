//! Transforms a stream: every byte by its place in the whole stream, and a checksum at the end. A chunk
//! that is lost, doubled or out of order changes the rest.

use std::cell::Cell;

use sandbox_guest::export;

thread_local!(static STATE: Cell<State> = const { Cell::new(State::new()) });

/// State that is kept from chunk to chunk.
#[derive(Clone, Copy, Debug)]
pub struct State {
    place: u8,
    sum: u64,
}

/// Masks the next chunk; at the end, returns the checksum of all that was returned, as eight
/// little-endian bytes.
#[export]
#[must_use]
pub fn process_stream(chunk: Option<&[u8]>) -> Vec<u8> {
    let mut state = STATE.get();
    let output = match chunk {
        Some(bytes) => state.mask(bytes),
        None => state.sum.to_le_bytes().to_vec(),
    };
    STATE.set(state);
    output
}

impl State {
    /// Before the first chunk.
    #[must_use]
    pub const fn new() -> Self {
        Self { place: 0, sum: 0 }
    }

    /// Adds to each byte its place, around 256, and takes the result into the checksum.
    pub fn mask(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut masked = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            masked.push(byte.wrapping_add(self.place));
            self.place = self.place.wrapping_add(1);
        }
        for &byte in &masked {
            self.sum = self.sum.rotate_left(1).wrapping_add(u64::from(byte));
        }
        masked
    }

    /// The checksum so far.
    #[must_use]
    pub const fn sum(&self) -> u64 {
        self.sum
    }
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_do_not_change_the_result() {
        let data: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let mut whole = State::new();
        let expected = whole.mask(&data);
        let mut parts = State::new();
        let mut masked = Vec::new();
        for chunk in data.chunks(7) {
            masked.extend(parts.mask(chunk));
        }
        assert_eq!((masked, parts.sum()), (expected, whole.sum()));
    }

    #[test]
    fn a_swapped_pair_of_chunks_changes_the_sum() {
        let (mut one, mut two) = (State::new(), State::new());
        one.mask(&[1, 2, 3]);
        one.mask(&[9, 8, 7]);
        two.mask(&[9, 8, 7]);
        two.mask(&[1, 2, 3]);
        assert_ne!(one.sum(), two.sum());
    }
}
