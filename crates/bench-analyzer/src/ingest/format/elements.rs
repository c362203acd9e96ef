//! JSON documents whose bulk is one array, read an element at a time.
//!
//! Elements are found by their brackets alone and understood one by one. So a document needs no more
//! memory than its largest element, one bad element costs no other, and of a document that was cut
//! off, everything before the cut is kept.

use std::io::{self, BufRead};

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::{Complaint, stream_ended};
use crate::ingest::collector::Collector;

/// No element of results is nearly as long.
const LONGEST: usize = 256 << 20;

/// The fields of a document beside its array.
#[derive(Debug, Default)]
pub(super) struct Others(Map<String, Value>);

impl Others {
    /// Reads a field, and keeps it if it is wanted.
    fn keep(
        &mut self,
        scanner: &mut Scanner<'_>,
        key: &str,
        wanted: &[&str],
        results: &mut Collector,
    ) -> Result<Option<Cut>, Complaint> {
        let Some(raw) = scanner.value()? else { return Ok(Some(Cut::Ended)) };
        if wanted.contains(&key) {
            match parse(raw) {
                Ok(value) => {
                    self.0.insert(key.to_owned(), value);
                }
                Err(error) => results.remarks.leave_out(format!("`{key}`: {error}")),
            }
        }
        Ok(None)
    }

    /// What stands at the end of a path of keys.
    pub(super) fn get(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.0.get(*first)?, |value, key| value.get(key))
    }

    /// A text that stands there and is not empty.
    pub(super) fn text(&self, path: &[&str]) -> Option<String> {
        let text = self.get(path)?.as_str()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// A whole number that stands there.
    pub(super) fn count(&self, path: &[&str]) -> Option<u32> {
        u32::try_from(self.get(path)?.as_u64()?).ok()
    }
}

/// Reads an object. Every element of its array `field` goes to `take` as soon as it is read; the
/// fields that `others` names are kept.
pub(super) fn each_in_field<T: DeserializeOwned>(
    input: &mut dyn BufRead,
    field: &'static str,
    others: &'static [&'static str],
    results: &mut Collector,
    mut take: impl FnMut(T, &mut Collector) -> Result<(), Complaint>,
) -> Result<Others, Complaint> {
    let mut scanner = Scanner::new(input);
    let mut kept = Others::default();
    let mut seen = None;
    let end = scanner.object(results, &mut |scanner, key, results| {
        if key == field {
            if seen.is_some() {
                return Ok(Some(Cut::Broken(format!("there are two fields `{field}`"))));
            }
            let counted = seen.insert(0);
            return scanner.array(field, counted, results, &mut take);
        }
        kept.keep(scanner, key, others, results)
    })?;
    end_of(end, seen, results)?;
    if seen.is_none() {
        return Err(Complaint(format!("missing field `{field}`")));
    }
    Ok(kept)
}

/// Reads an object of one field after the other, each of which goes to `take` as soon as it is read.
pub(super) fn each_field<T: DeserializeOwned>(
    input: &mut dyn BufRead,
    results: &mut Collector,
    mut take: impl FnMut(&str, T, &mut Collector) -> Result<(), Complaint>,
) -> Result<(), Complaint> {
    let mut seen = 0;
    let end = Scanner::new(input).object(results, &mut |scanner, key, results| {
        scanner.field(key, &mut seen, results, &mut take)
    })?;
    end_of(end, Some(seen), results)
}

/// [`each_in_field`], where `field` is an object: its fields go to `take` with their names.
pub(super) fn each_in_fields<T: DeserializeOwned>(
    input: &mut dyn BufRead,
    field: &'static str,
    others: &'static [&'static str],
    results: &mut Collector,
    mut take: impl FnMut(&str, T, &mut Collector) -> Result<(), Complaint>,
) -> Result<Others, Complaint> {
    let mut kept = Others::default();
    let mut seen = None;
    let end = Scanner::new(input).object(results, &mut |scanner, key, results| {
        if key == field && seen.is_none() {
            let counted = seen.insert(0);
            return scanner.object(results, &mut |scanner, key, results| {
                scanner.field(key, counted, results, &mut take)
            });
        }
        kept.keep(scanner, key, others, results)
    })?;
    end_of(end, seen, results)?;
    if seen.is_none() {
        return Err(Complaint(format!("missing field `{field}`")));
    }
    Ok(kept)
}

/// Reads an array. Every element goes to `take` as soon as it is read.
pub(super) fn each<T: DeserializeOwned>(
    input: &mut dyn BufRead,
    results: &mut Collector,
    mut take: impl FnMut(T, &mut Collector) -> Result<(), Complaint>,
) -> Result<(), Complaint> {
    let mut seen = 0;
    let end = Scanner::new(input).array("result", &mut seen, results, &mut take)?;
    end_of(end, Some(seen), results)
}

/// Understands one element. Python writes `NaN` and `Infinity`, which JSON does not have: they become
/// null, so that they harm only who wants to read them.
pub(in crate::ingest) fn parse<T: DeserializeOwned>(
    mut raw: Vec<u8>,
) -> Result<T, serde_json::Error> {
    replace_non_finite(&mut raw);
    serde_json::from_slice(&raw)
}

/// Understands a list of numbers. What is none of them was not measured, and costs no other; a list that is
/// missing is empty.
pub(in crate::ingest) fn numbers<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Option<f64>>, D::Error> {
    let all = Option::<Vec<Element>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(all
        .into_iter()
        .map(|one| match one {
            Element::Number(value) => Some(value),
            Element::Other(IgnoredAny) => None,
        })
        .collect())
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Element {
    Number(f64),
    Other(IgnoredAny),
}

/// Says how a document ended, if it did not end as it should.
fn end_of(end: Option<Cut>, seen: Option<usize>, results: &mut Collector) -> Result<(), Complaint> {
    let reason = match end {
        None => return Ok(()),
        Some(Cut::Ended) => "it ends too early".to_owned(),
        Some(Cut::Broken(reason)) => reason,
    };
    if seen.unwrap_or(0) == 0 {
        return Err(Complaint(reason));
    }
    results.remarks.leave_out(format!("{reason}: only what came before that is used"));
    Ok(())
}

/// Why a document is not read to its end.
enum Cut {
    /// There is no more of it.
    Ended,
    /// What follows is not what has to follow.
    Broken(String),
}

type Field<'f> =
    dyn FnMut(&mut Scanner<'_>, &str, &mut Collector) -> Result<Option<Cut>, Complaint> + 'f;

/// Finds where values of a document begin and end.
struct Scanner<'i> {
    input: &'i mut dyn BufRead,
    place: u64,
}

impl<'i> Scanner<'i> {
    fn new(input: &'i mut dyn BufRead) -> Self {
        Self { input, place: 0 }
    }

    fn peek(&mut self) -> Result<Option<u8>, Complaint> {
        loop {
            return match self.input.fill_buf() {
                Ok(bytes) => Ok(bytes.first().copied()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => stream_ended(error).map(|()| None),
            };
        }
    }

    fn next(&mut self) -> Result<Option<u8>, Complaint> {
        let byte = self.peek()?;
        if byte.is_some() {
            self.input.consume(1);
            self.place += 1;
        }
        Ok(byte)
    }

    /// The next byte that is no space, which stays where it is.
    fn token(&mut self) -> Result<Option<u8>, Complaint> {
        while let Some(byte) = self.peek()? {
            if !byte.is_ascii_whitespace() {
                return Ok(Some(byte));
            }
            self.next()?;
        }
        Ok(None)
    }

    fn broken(&self, expected: &str) -> Cut {
        Cut::Broken(format!("{expected} is missing at byte {}", self.place))
    }

    /// Reads an object, handing every key to `field`, which reads the value.
    fn object(
        &mut self,
        results: &mut Collector,
        field: &mut Field<'_>,
    ) -> Result<Option<Cut>, Complaint> {
        match self.token()? {
            Some(b'{') => self.next()?,
            Some(_) => return Err(Complaint("it is no JSON object".to_owned())),
            None => return Ok(Some(Cut::Ended)),
        };
        loop {
            match self.token()? {
                Some(b'}') => {
                    self.next()?;
                    return Ok(None);
                }
                Some(b',') => {
                    self.next()?;
                    continue;
                }
                Some(b'"') => {}
                Some(_) => return Ok(Some(self.broken("the name of a field"))),
                None => return Ok(Some(Cut::Ended)),
            }
            let Some(raw) = self.value()? else { return Ok(Some(Cut::Ended)) };
            let Ok(key) = parse::<String>(raw) else {
                return Ok(Some(self.broken("the name of a field")));
            };
            match self.token()? {
                Some(b':') => self.next()?,
                Some(_) => return Ok(Some(self.broken("`:`"))),
                None => return Ok(Some(Cut::Ended)),
            };
            if let Some(cut) = field(self, &key, results)? {
                return Ok(Some(cut));
            }
        }
    }

    /// Reads an array, handing every element that can be understood to `take`.
    fn array<T: DeserializeOwned>(
        &mut self,
        name: &str,
        seen: &mut usize,
        results: &mut Collector,
        take: &mut impl FnMut(T, &mut Collector) -> Result<(), Complaint>,
    ) -> Result<Option<Cut>, Complaint> {
        match self.token()? {
            Some(b'[') => self.next()?,
            Some(_) => return Ok(Some(self.broken(&format!("the array `{name}`")))),
            None => return Ok(Some(Cut::Ended)),
        };
        loop {
            match self.token()? {
                Some(b']') => {
                    self.next()?;
                    return Ok(None);
                }
                Some(b',') => {
                    self.next()?;
                    continue;
                }
                Some(b'}' | b':') => return Ok(Some(self.broken("an element"))),
                Some(_) => {}
                None => return Ok(Some(Cut::Ended)),
            }
            let Some(raw) = self.value()? else { return Ok(Some(Cut::Ended)) };
            *seen += 1;
            let taken = parse(raw).map_err(Complaint::from).and_then(|one| take(one, results));
            if let Err(Complaint(reason)) = taken {
                results.remarks.leave_out(format!("`{name}` number {seen}: {reason}"));
            }
        }
    }

    /// Reads the value of a field, handing it to `take` if it can be understood.
    fn field<T: DeserializeOwned>(
        &mut self,
        key: &str,
        seen: &mut usize,
        results: &mut Collector,
        take: &mut impl FnMut(&str, T, &mut Collector) -> Result<(), Complaint>,
    ) -> Result<Option<Cut>, Complaint> {
        let Some(raw) = self.value()? else { return Ok(Some(Cut::Ended)) };
        *seen += 1;
        let taken = parse(raw).map_err(Complaint::from).and_then(|one| take(key, one, results));
        if let Err(Complaint(reason)) = taken {
            results.remarks.leave_out(format!("`{key}`: {reason}"));
        }
        Ok(None)
    }

    /// Reads a value to its end; `None` if that does not come.
    fn value(&mut self) -> Result<Option<Vec<u8>>, Complaint> {
        let mut raw = Vec::new();
        let mut depth = 0_usize;
        let mut string = InString::No;
        let Some(first) = self.token()? else { return Ok(None) };
        if !matches!(first, b'{' | b'[' | b'"') {
            while let Some(byte) = self.peek()? {
                if matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace() {
                    return Ok(Some(raw));
                }
                raw.push(byte);
                self.next()?;
            }
            return Ok(None);
        }
        while let Some(byte) = self.next()? {
            raw.push(byte);
            if raw.len() > LONGEST {
                return Err(Complaint("a value of it is longer than 256 MiB".to_owned()));
            }
            match (&string, byte) {
                (InString::Escaped, _) => string = InString::Yes,
                (InString::Yes, b'\\') => string = InString::Escaped,
                (InString::Yes, b'"') => string = InString::No,
                (InString::Yes, _) => {}
                (InString::No, b'"') => string = InString::Yes,
                (InString::No, b'{' | b'[') => depth += 1,
                (InString::No, b'}' | b']') => depth = depth.saturating_sub(1),
                (InString::No, _) => {}
            }
            if depth == 0 && matches!(string, InString::No) {
                return Ok(Some(raw));
            }
        }
        Ok(None)
    }
}

enum InString {
    No,
    Yes,
    Escaped,
}

/// Puts `null` in place of `NaN`, `Infinity` and `-Infinity` outside strings.
fn replace_non_finite(raw: &mut Vec<u8>) {
    const WORDS: [&[u8]; 3] = [b"NaN", b"-Infinity", b"Infinity"];
    if !raw.iter().any(|byte| matches!(byte, b'N' | b'I')) {
        return;
    }
    let mut replaced = Vec::with_capacity(raw.len() + 8);
    let mut string = InString::No;
    let mut place = 0;
    while let Some(&byte) = raw.get(place) {
        let word = WORDS
            .iter()
            .find(|word| matches!(string, InString::No) && raw[place..].starts_with(word));
        if let Some(word) = word {
            replaced.extend(b"null");
            place += word.len();
            continue;
        }
        string = match (string, byte) {
            (InString::Yes, b'\\') => InString::Escaped,
            (InString::Yes, b'"') => InString::No,
            (InString::Yes | InString::Escaped, _) | (InString::No, b'"') => InString::Yes,
            (InString::No, _) => InString::No,
        };
        replaced.push(byte);
        place += 1;
    }
    *raw = replaced;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `results` of a document as numbers, and says what was remarked.
    fn numbers(text: &str) -> (Result<Vec<u64>, String>, Vec<String>) {
        let mut results = Collector::default();
        let mut found = Vec::new();
        let read = each_in_field(
            &mut text.as_bytes(),
            "results",
            &["context"],
            &mut results,
            |one: u64, _| {
                found.push(one);
                Ok(())
            },
        );
        let remarks = std::mem::take(&mut results.remarks).finish();
        let remarks = remarks.iter().map(ToString::to_string).collect();
        (read.map(|_| found).map_err(|Complaint(reason)| reason), remarks)
    }

    #[test]
    fn one_bad_element_costs_no_other() {
        let (found, remarks) = numbers(r#"{"a": "]}", "results": [1, "x", {"y": [2]}, 3]}"#);
        assert_eq!(found.unwrap(), [1, 3]);
        assert_eq!(remarks.len(), 2, "{remarks:?}");
        assert!(remarks[0].contains("`results` number 2"), "{remarks:?}");
    }

    #[test]
    fn what_comes_before_a_cut_is_kept() {
        let (found, remarks) = numbers(r#"{"results": [1, 2, 34"#);
        assert_eq!(found.unwrap(), [1, 2]);
        assert!(remarks[0].contains("it ends too early"), "{remarks:?}");
        assert!(numbers(r#"{"results": ["#).0.unwrap_err().contains("ends too early"));
        assert!(numbers(r#"{"other": []}"#).0.unwrap_err().contains("missing field `results`"));
    }

    #[test]
    fn words_for_no_number_are_null_outside_strings() {
        let mut raw = br#"{"NaN": "Infinity \" NaN", "b": [NaN, -Infinity, Infinity]}"#.to_vec();
        replace_non_finite(&mut raw);
        let text = String::from_utf8(raw).unwrap();
        assert_eq!(text, r#"{"NaN": "Infinity \" NaN", "b": [null, null, null]}"#);
    }
}
