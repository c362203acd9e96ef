//! Raw samples as bytes: a tag, then the samples.
//!
//! Benchmarks mostly give whole nanoseconds over slowly growing iteration counts, so whole
//! numbers are stored as differences to their predecessor in variable-length form (LEB128 of the
//! zigzagged difference): about five bytes a sample instead of sixteen. Anything else is stored as
//! it is, so that nothing is ever rounded.
//!
//! A checksum comes first, because a disk may return other bytes than were written, and another number
//! is worse than none. What earlier versions stored has none; it has to fit its stored summary.

use sha2::{Digest as _, Sha256};

use crate::ingest::Digest;
use bench_stats::model::{Exactness, InvalidSamples, Sample, Samples};
use bench_stats::stats::summary::Summary;

const WHOLE: u8 = 1;
const EXACT: u8 = 2;
/// Far from the others, so that no flipped bit makes one of them of it.
const SUMMED: u8 = b'S';

/// How many bytes of a hash tell whether anything changed.
const SUM: usize = 8;

/// Below this, 2^53, a float holds every whole number exactly.
const MAX_WHOLE: u64 = 1 << 53;

/// Why stored samples could not be read.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub(super) enum CodecError {
    #[error("samples in a form that is not known")]
    UnknownTag,
    #[error("samples that end in the middle")]
    Truncated,
    #[error("samples that are impossible ({0})")]
    Invalid(#[from] InvalidSamples),
    #[error("samples that are not those that were stored")]
    Changed,
}

/// Summary that is stored beside samples.
#[derive(Debug, Clone, Copy)]
pub(super) struct Summarised {
    pub(super) count: i64,
    pub(super) median: f64,
    pub(super) minimum: f64,
}

pub(super) fn encode(samples: &Samples) -> Vec<u8> {
    let samples = samples.as_slice();
    let whole = samples.iter().all(|sample| {
        sample.total.fract() == 0.0
            && sample.total < MAX_WHOLE as f64
            && sample.iterations < MAX_WHOLE
    });
    let encoded = if whole { encode_whole(samples) } else { encode_exact(samples) };
    [&[SUMMED][..], &sum(&encoded), &encoded].concat()
}

fn sum(encoded: &[u8]) -> [u8; SUM] {
    let mut sum = [0; SUM];
    sum.copy_from_slice(&Sha256::digest(encoded)[..SUM]);
    sum
}

/// Reads samples of which it is known what they are like.
pub(super) fn decode_known(bytes: &[u8], known: Summarised) -> Result<Samples, CodecError> {
    let samples = decode(bytes)?;
    if bytes.first() != Some(&SUMMED) {
        let summary = Summary::of(&samples);
        let same = |one: f64, other: f64| (one - other).abs() <= 1e-9 * one.abs().max(other.abs());
        let count = i64::try_from(summary.sample_count).unwrap_or(i64::MAX);
        let fits = count == known.count
            && same(summary.median, known.median)
            && same(summary.minimum, known.minimum);
        if !fits {
            return Err(CodecError::Changed);
        }
    }
    Ok(samples)
}

pub(super) fn decode(bytes: &[u8]) -> Result<Samples, CodecError> {
    let (&tag, mut rest) = bytes.split_first().ok_or(CodecError::Truncated)?;
    let mut tag = tag;
    if tag == SUMMED {
        let (found, encoded) = rest.split_at_checked(SUM).ok_or(CodecError::Truncated)?;
        if sum(encoded) != found {
            return Err(CodecError::Changed);
        }
        let (&inner, of_inner) = encoded.split_first().ok_or(CodecError::Truncated)?;
        (tag, rest) = (inner, of_inner);
    }
    let samples = match tag {
        WHOLE => decode_whole(rest)?,
        EXACT => decode_exact(rest)?,
        _ => return Err(CodecError::UnknownTag),
    };
    Ok(Samples::new(samples)?)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the caller checked that all numbers are whole and below 2^53"
)]
fn encode_whole(samples: &[Sample]) -> Vec<u8> {
    let mut bytes = vec![WHOLE];
    let (mut iterations, mut step, mut total) = (0_i64, 0_i64, 0_i64);
    for sample in samples {
        // Iterations of linear sampling grow by the same step: its difference is zero.
        let next_step = sample.iterations as i64 - iterations;
        push_varint(&mut bytes, next_step - step);
        (iterations, step) = (sample.iterations as i64, next_step);
        push_varint(&mut bytes, sample.total as i64 - total);
        total = sample.total as i64;
    }
    bytes
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "numbers below 2^53 are exact, and Samples refuses negative ones"
)]
fn decode_whole(mut bytes: &[u8]) -> Result<Vec<Sample>, CodecError> {
    let mut samples = Vec::new();
    let (mut iterations, mut step, mut total) = (0_i64, 0_i64, 0_i64);
    while !bytes.is_empty() {
        step = step.wrapping_add(take_varint(&mut bytes)?);
        iterations = iterations.wrapping_add(step);
        total = total.wrapping_add(take_varint(&mut bytes)?);
        samples.push(Sample { iterations: iterations.max(0) as u64, total: total as f64 });
    }
    Ok(samples)
}

fn encode_exact(samples: &[Sample]) -> Vec<u8> {
    let mut bytes = vec![EXACT];
    for sample in samples {
        bytes.extend(sample.iterations.to_le_bytes());
        bytes.extend(sample.total.to_le_bytes());
    }
    bytes
}

fn decode_exact(bytes: &[u8]) -> Result<Vec<Sample>, CodecError> {
    let (pairs, rest) = bytes.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(CodecError::Truncated);
    }
    let sample = |pair: &[u8; 16]| {
        let (words, _) = pair.as_chunks::<8>();
        Sample { iterations: u64::from_le_bytes(words[0]), total: f64::from_le_bytes(words[1]) }
    };
    Ok(pairs.iter().map(sample).collect())
}

fn push_varint(bytes: &mut Vec<u8>, value: i64) {
    let mut zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while zigzag >= 0x80 {
        bytes.push((zigzag & 0x7f) as u8 | 0x80);
        zigzag >>= 7;
    }
    bytes.push((zigzag & 0x7f) as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Result<i64, CodecError> {
    let mut zigzag = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(CodecError::Truncated)?;
        *bytes = rest;
        zigzag |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok((zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed()));
        }
    }
    Err(CodecError::UnknownTag)
}

/// What was declared of a measurement, as the column `exact` has it.
pub(super) fn exactness(column: i64) -> Exactness {
    if column == 0 { Exactness::Sampled } else { Exactness::Exact }
}

/// Digests as JSON, for queries: `[["00ff..."],...]`.
pub(super) fn list_of<'d>(digests: impl Iterator<Item = &'d Digest>) -> String {
    let quoted: Vec<String> = digests.map(|digest| format!("[\"{digest}\"]")).collect();
    format!("[{}]", quoted.join(","))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn linear_whole_samples_take_few_bytes() {
        let samples: Vec<Sample> = (1..=100)
            .map(|index| Sample { iterations: index * 50, total: (index * 50 * 83) as f64 })
            .collect();
        let encoded = encode(&Samples::new(samples).unwrap());
        assert!(encoded.len() < 100 * 5, "{} bytes", encoded.len());
    }

    #[test]
    fn damaged_bytes_are_refused() {
        assert_eq!(decode(&[]), Err(CodecError::Truncated));
        assert_eq!(decode(&[9, 1]), Err(CodecError::UnknownTag));
        assert_eq!(decode(&[WHOLE, 0x80]), Err(CodecError::Truncated));
        assert_eq!(decode(&[EXACT, 1, 2, 3]), Err(CodecError::Truncated));
        assert_eq!(decode(&[WHOLE]), Err(CodecError::Invalid(InvalidSamples::Empty)));
    }

    #[test]
    fn changed_bytes_are_refused() {
        let samples: Vec<Sample> =
            (1..=9).map(|n| Sample { iterations: n, total: (n * 83) as f64 }).collect();
        let samples = Samples::new(samples).unwrap();
        let encoded = encode(&samples);
        for at in 0..encoded.len() {
            for bit in 0..8 {
                let mut changed = encoded.clone();
                changed[at] ^= 1 << bit;
                assert!(decode(&changed).is_err(), "bit {bit} of byte {at}");
            }
        }
        // As earlier versions stored it.
        let summary = Summary::of(&samples);
        let (count, median, minimum) = (9, summary.median, summary.minimum);
        let known = Summarised { count, median, minimum };
        let mut old = encode_whole(samples.as_slice());
        assert_eq!(decode_known(&old, known).as_ref(), Ok(&samples));
        old[2] ^= 2;
        assert!(decode_known(&old, known).is_err());
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back_exactly(
            whole in proptest::collection::vec((1_u64..1 << 52, 0_u64..1 << 52), 1..50),
            exact in proptest::collection::vec((1_u64.., 0.0_f64..1e300), 1..50),
        ) {
            let whole = whole.into_iter().map(|(iterations, total)| Sample { iterations, total: total as f64 });
            let exact = exact.into_iter().map(|(iterations, total)| Sample { iterations, total });
            for samples in [whole.collect::<Vec<_>>(), exact.collect()] {
                let samples = Samples::new(samples).unwrap();
                prop_assert_eq!(decode(&encode(&samples)), Ok(samples));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }
    }
}
