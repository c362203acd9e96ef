use super::*;

const KIB: u64 = 1024;

struct Pot {
    used: u64,
    limit: u64,
}

impl Pot {
    fn budget(&mut self) -> Budget<'_> {
        Budget { used_bytes: &mut self.used, limit_bytes: self.limit }
    }

    fn write(&mut self, contents: &mut Contents, offset: u64, bytes: &[u8]) -> Result<usize> {
        contents.write(&[IoSlice::new(bytes)], offset, &mut self.budget())
    }
}

fn pot(limit: u64) -> Pot {
    Pot { used: 0, limit }
}

fn read(contents: &Contents, offset: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![9; len];
    let count = contents.read(&mut [IoSliceMut::new(&mut bytes)], offset);
    bytes.truncate(count);
    bytes
}

#[test]
fn what_is_written_is_read_back() {
    let (mut pot, mut contents) = (pot(64 * KIB), Contents::default());
    assert_eq!(pot.write(&mut contents, 3, b"text"), Ok(4));
    assert_eq!(read(&contents, 0, 16), b"\0\0\0text");
    assert_eq!(read(&contents, u64::MAX, 16), b"");
    let split = [IoSlice::new(b"a"), IoSlice::new(b""), IoSlice::new(b"bc")];
    assert_eq!(contents.write(&split, 6, &mut pot.budget()), Ok(3));
    assert_eq!(read(&contents, 3, 16), b"texabc");
}

#[test]
fn a_write_over_the_edge_of_a_chunk_is_whole() {
    let (mut pot, mut contents) = (pot(1024 * KIB), Contents::default());
    let edge = CHUNK_BYTES as u64 - 2;
    assert_eq!(pot.write(&mut contents, edge, b"abcd"), Ok(4));
    assert_eq!(read(&contents, edge - 1, 10), b"\0abcd");
    contents.set_len(edge + 1, &mut pot.budget()).unwrap();
    contents.set_len(edge + 4, &mut pot.budget()).unwrap();
    assert_eq!(read(&contents, edge, 10), b"a\0\0\0");
}

#[test]
fn a_file_fills_its_budget_to_the_last_byte() {
    for limit in [1, 100, 64 * KIB, 200 * KIB, 200 * KIB + 1] {
        let (mut pot, mut contents) = (pot(limit), Contents::default());
        let mut written = 0;
        while let Ok(count) = pot.write(&mut contents, written, &[7; 4000]) {
            written += count as u64;
        }
        // The rest is less than a chunk counts at least.
        assert!(written + LEAST_BYTES > limit && written <= limit, "{written} of {limit}");
        assert!(pot.used <= limit);
        assert_eq!(contents.charged(), pot.used);
        contents.set_len(0, &mut pot.budget()).unwrap();
        assert_eq!(pot.used, 0);
    }
}

#[test]
fn small_chunks_far_apart_are_not_free() {
    let (mut pot, mut contents) = (pot(1 << 30), Contents::default());
    for index in 1..=100 {
        pot.write(&mut contents, index * CHUNK_BYTES as u64, b"x").unwrap();
    }
    assert!(pot.used >= 100 * LEAST_BYTES);
}

#[test]
fn nothing_is_longer_than_the_budget() {
    let (mut pot, mut contents) = (pot(16 * KIB), Contents::default());
    for len in [u64::MAX, 1 << 63] {
        assert_eq!(contents.set_len(len, &mut pot.budget()), Err(Errno::FBig));
        assert_eq!(contents.allocate(0, len, &mut pot.budget()), Err(Errno::FBig));
        assert_eq!(pot.write(&mut contents, len, b"x"), Err(Errno::FBig));
    }
    for len in [(1 << 63) - 2, 1 << 40, 16 * KIB + 1] {
        assert_eq!(contents.set_len(len, &mut pot.budget()), Err(Errno::NoSpc));
        assert_eq!(contents.allocate(0, len, &mut pot.budget()), Err(Errno::NoSpc));
        assert_eq!(pot.write(&mut contents, len, b"x"), Err(Errno::NoSpc));
    }
    assert_eq!((contents.len(), pot.used), (0, 0));
    contents.set_len(16 * KIB, &mut pot.budget()).unwrap();
    assert_eq!(pot.used, 0);
    assert_eq!(read(&contents, 16 * KIB - 3, 9), [0; 3]);
}

#[test]
fn what_is_allocated_is_there_to_be_written() {
    let (mut pot, mut contents) = (pot(256 * KIB), Contents::default());
    contents.allocate(100, 200 * KIB, &mut pot.budget()).unwrap();
    assert_eq!(contents.len(), 200 * KIB + 100);
    let before = pot.used;
    for offset in (0..200 * KIB).step_by(4096) {
        assert_eq!(pot.write(&mut contents, offset, &[1; 100]), Ok(100));
    }
    assert_eq!(pot.used, before);
    assert_eq!(contents.allocate(0, 257 * KIB, &mut pot.budget()), Err(Errno::NoSpc));
}

#[test]
fn copies_share_what_neither_has_written() {
    let (mut pot, mut contents) = (pot(1 << 20), Contents::default());
    pot.write(&mut contents, 0, &vec![1; 3 * CHUNK_BYTES]).unwrap();
    let copy = contents.clone();
    pot.write(&mut contents, CHUNK_BYTES as u64, b"changed").unwrap();
    assert_eq!(read(&copy, CHUNK_BYTES as u64, 7), [1; 7]);
    assert!(Arc::ptr_eq(&copy.chunks[&0], &contents.chunks[&0]));
    assert!(!Arc::ptr_eq(&copy.chunks[&1], &contents.chunks[&1]));
}
