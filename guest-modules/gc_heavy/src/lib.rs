//! Allocates and frees many objects of many sizes.
//!
//! Wasm guests written in Rust have no garbage collector; what plays its part is the allocator, which
//! has to find room among what is left, and give back what is gone.

use std::collections::{BTreeMap, VecDeque};

use sandbox_guest::export;

/// Number of objects that live at the same time.
const ALIVE: usize = 512;

/// An object that owns others.
struct Node {
    name: String,
    payload: Vec<u8>,
    children: Vec<Node>,
}

/// Makes `count` small trees, of which only the youngest live on, and an index of their names.
/// Returns a sum over every object that ever lived.
#[export]
#[must_use]
pub fn allocation_pressure(count: u32) -> u64 {
    let mut young = VecDeque::with_capacity(ALIVE);
    let mut names = BTreeMap::new();
    let mut sum = 0;
    for number in 0..count {
        let node = Node::new(number, 2);
        names.insert(node.name.clone(), node.size());
        young.push_back(node);
        if young.len() > ALIVE
            && let Some(old) = young.pop_front()
        {
            sum += names.remove(&old.name).unwrap_or(0) + old.weight();
        }
    }
    sum + names.values().sum::<u64>() + young.iter().map(Node::weight).sum::<u64>()
}

/// Result of [`allocation_pressure`], computed without keeping anything.
#[must_use]
pub fn expected(count: u32) -> u64 {
    let nodes = (0..count).map(|number| Node::new(number, 2));
    nodes.map(|node| node.size() + node.weight()).sum()
}

impl Node {
    fn new(number: u32, depth: u32) -> Self {
        // Sizes from nothing to a few kilobytes, most of them small.
        let size = usize::try_from(number.wrapping_mul(2_654_435_761) >> 20).unwrap_or(0) / 4;
        let children = if depth == 0 { 0 } else { number % 4 };
        Self {
            name: format!("node-{number}-{depth}"),
            payload: vec![number.to_le_bytes()[0]; size],
            children: (0..children).map(|child| Self::new(number + child, depth - 1)).collect(),
        }
    }

    /// Number of objects that hang together here.
    fn size(&self) -> u64 {
        1 + self.children.iter().map(Self::size).sum::<u64>()
    }

    /// A sum over all bytes that hang together here.
    fn weight(&self) -> u64 {
        let own: u64 = self.payload.iter().map(|&byte| u64::from(byte)).sum();
        own + self.name.len() as u64 + self.children.iter().map(Self::weight).sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_died_and_what_lives_add_up() {
        for count in [0, 1, 511, 513, 2000] {
            assert_eq!(allocation_pressure(count), expected(count), "{count} trees");
        }
        assert!(expected(2000) > expected(1999));
    }
}
