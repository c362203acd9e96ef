//! Values sorted by run and series: in memory while they are few, in temporary files beyond.
//!
//! A file of results may be larger than the memory there is, and lists its values in any order.
//! They are sorted as databases do it (Knuth, *The Art of Computer Programming*, volume 3, section
//! 5.4): full buffers are sorted and written, and merged at the end. However long the input is, no
//! more than one buffer is held while it is read.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::sync::{Mutex, PoisonError};

use bench_stats::model::Sample;

/// One value, with the numbers of its run and series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Value {
    pub(super) run: u32,
    pub(super) series: u32,
    pub(super) sample: Sample,
}

/// A value's size in a file.
const RECORD: usize = 24;

impl Value {
    fn to_bytes(self) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        bytes[..4].copy_from_slice(&self.run.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.series.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.sample.iterations.to_le_bytes());
        bytes[16..].copy_from_slice(&self.sample.total.to_le_bytes());
        bytes
    }

    fn of_bytes(bytes: &[u8; RECORD]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        let (numbers, _) = words[0].as_chunks::<4>();
        Self {
            run: u32::from_le_bytes(numbers[0]),
            series: u32::from_le_bytes(numbers[1]),
            sample: Sample {
                iterations: u64::from_le_bytes(words[1]),
                total: f64::from_le_bytes(words[2]),
            },
        }
    }

    fn key(&self) -> (u32, u32) {
        (self.run, self.series)
    }
}

/// Takes values in any order.
#[derive(Debug)]
pub(super) struct Spool {
    buffer: Vec<Value>,
    capacity: usize,
    spilled: Option<File>,
    /// How many values each sorted part of the file has.
    parts: Vec<u64>,
    /// Runs and series whose values are not wanted any more.
    forgotten: HashSet<(u32, u32)>,
}

/// Three megabytes: most files fit, and larger ones need few parts.
const CAPACITY: usize = 1 << 17;

impl Default for Spool {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl Spool {
    fn with_capacity(capacity: usize) -> Self {
        Self {
            buffer: Vec::new(),
            capacity,
            spilled: None,
            parts: Vec::new(),
            forgotten: HashSet::new(),
        }
    }

    pub(super) fn push(&mut self, value: Value) -> io::Result<()> {
        self.buffer.push(value);
        if self.buffer.len() >= self.capacity { self.spill() } else { Ok(()) }
    }

    /// Leaves out all values of some runs and series.
    pub(super) fn forget(&mut self, places: HashSet<(u32, u32)>) {
        self.buffer.retain(|value| !places.contains(&value.key()));
        self.forgotten = places;
    }

    fn spill(&mut self) -> io::Result<()> {
        // Stable, because samples keep the order they were taken in.
        self.buffer.sort_by_key(Value::key);
        let file = match &mut self.spilled {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        let mut writer = BufWriter::new(file);
        for value in &self.buffer {
            writer.write_all(&value.to_bytes())?;
        }
        writer.flush()?;
        self.parts.push(count(self.buffer.len()));
        self.buffer.clear();
        Ok(())
    }

    /// Puts everything in order.
    pub(super) fn sorted(mut self) -> io::Result<Sorted> {
        if self.spilled.is_none() {
            self.buffer.sort_by_key(Value::key);
            return Ok(Sorted {
                length: count(self.buffer.len()),
                place: Place::Memory(self.buffer),
            });
        }
        if !self.buffer.is_empty() {
            self.spill()?;
        }
        let Self { spilled, parts, forgotten, .. } = self;
        let Some(file) = spilled else { return Ok(Sorted::default()) };
        let length = parts.iter().sum();
        let unsorted = Sorted { place: Place::File(Mutex::new(file)), length };
        let mut start = 0;
        let mut readers: Vec<Values<'_>> = Vec::with_capacity(parts.len());
        for length in parts {
            readers.push(unsorted.values(start, length));
            start += length;
        }
        let mut merged = tempfile::tempfile()?;
        let length = merge(&mut readers, &forgotten, &mut BufWriter::new(&mut merged))?;
        drop(readers);
        Ok(Sorted { place: Place::File(Mutex::new(merged)), length })
    }
}

/// Merges sorted parts; among equal keys, earlier parts come first. Says how many values are left.
fn merge(
    parts: &mut [Values<'_>],
    forgotten: &HashSet<(u32, u32)>,
    output: &mut impl Write,
) -> io::Result<u64> {
    let mut written = 0;
    let mut heads: Vec<Option<Value>> = Vec::with_capacity(parts.len());
    let mut order = BinaryHeap::with_capacity(parts.len());
    for (index, part) in parts.iter_mut().enumerate() {
        let head = part.next().transpose()?;
        order.extend(head.map(|value| Reverse((value.key(), index))));
        heads.push(head);
    }
    while let Some(Reverse((_, index))) = order.pop() {
        let next = parts[index].next().transpose()?;
        order.extend(next.map(|value| Reverse((value.key(), index))));
        if let Some(value) = std::mem::replace(&mut heads[index], next)
            && !forgotten.contains(&value.key())
        {
            output.write_all(&value.to_bytes())?;
            written += 1;
        }
    }
    output.flush()?;
    Ok(written)
}

/// Values in the order of their runs and series.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    place: Place,
    length: u64,
}

#[derive(Debug)]
enum Place {
    Memory(Vec<Value>),
    File(Mutex<File>),
}

impl Default for Place {
    fn default() -> Self {
        Self::Memory(Vec::new())
    }
}

impl Sorted {
    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// So many of them from `start` on.
    pub(super) fn values(&self, start: u64, count: u64) -> Values<'_> {
        let end = start.saturating_add(count).min(self.length);
        Values { sorted: self, next: start, end, block: Vec::new(), taken: 0 }
    }

    /// Replaces `block` by what follows `start`.
    fn fill(&self, start: u64, end: u64, block: &mut Vec<u8>) -> io::Result<()> {
        /// Small, because a merge holds one for every part.
        const BLOCK: u64 = 1024;
        block.clear();
        let length = usize::try_from((end - start).min(BLOCK)).unwrap_or(0);
        match &self.place {
            Place::Memory(values) => {
                let start = usize::try_from(start).unwrap_or(usize::MAX);
                for value in values.iter().skip(start).take(length) {
                    block.extend(value.to_bytes());
                }
                Ok(())
            }
            Place::File(file) => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                block.resize(length * RECORD, 0);
                file.seek(SeekFrom::Start(start * count(RECORD)))?;
                file.read_exact(block)
            }
        }
    }
}

/// Reads sorted values.
#[derive(Debug)]
pub(super) struct Values<'s> {
    sorted: &'s Sorted,
    next: u64,
    end: u64,
    block: Vec<u8>,
    taken: usize,
}

impl Iterator for Values<'_> {
    type Item = io::Result<Value>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let (records, _) = self.block.as_chunks::<RECORD>();
        let value = match records.get(self.taken) {
            Some(record) => Value::of_bytes(record),
            None => {
                if let Err(error) = self.sorted.fill(self.next, self.end, &mut self.block) {
                    self.end = self.next;
                    return Some(Err(error));
                }
                self.taken = 0;
                Value::of_bytes(self.block.first_chunk::<RECORD>()?)
            }
        };
        self.taken += 1;
        self.next += 1;
        Some(Ok(value))
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value((run, series, total): (u32, u32, f64)) -> Value {
        Value { run, series, sample: Sample { iterations: u64::from(run) + 1, total } }
    }

    proptest! {
        #[test]
        fn values_come_back_in_order_wherever_they_were_kept(
            values in proptest::collection::vec((0_u32..4, 0_u32..5, 0.0_f64..1e9), 0..200),
            capacity in 1_usize..40,
        ) {
            let values: Vec<Value> = values.into_iter().map(value).collect();
            let mut spool = Spool::with_capacity(capacity);
            for value in &values {
                spool.push(*value).unwrap();
            }
            let sorted = spool.sorted().unwrap();
            let found: io::Result<Vec<Value>> = sorted.values(0, sorted.len()).collect();
            let mut expected = values;
            expected.sort_by_key(Value::key);
            prop_assert_eq!(found.unwrap(), expected);
        }
    }

    #[test]
    fn what_is_forgotten_does_not_come_back() {
        for capacity in [3, 100] {
            let mut spool = Spool::with_capacity(capacity);
            for index in 0..20 {
                spool.push(value((index % 2, index % 5, f64::from(index)))).unwrap();
            }
            spool.forget(HashSet::from([(1, 3)]));
            let sorted = spool.sorted().unwrap();
            assert_eq!(sorted.len(), 18);
            assert!(sorted.values(0, 18).all(|one| one.unwrap().key() != (1, 3)));
        }
    }

    #[test]
    fn any_stretch_can_be_read_again() {
        let mut spool = Spool::with_capacity(100);
        for index in (0..5000).rev() {
            spool.push(value((index, 0, 1.0))).unwrap();
        }
        let sorted = spool.sorted().unwrap();
        for (start, count) in [(0, 10), (1000, 2000), (4990, 100), (5000, 1)] {
            let runs: Vec<u64> =
                sorted.values(start, count).map(|one| u64::from(one.unwrap().run)).collect();
            assert_eq!(runs, (start..(start + count).min(5000)).collect::<Vec<_>>());
        }
    }
}
