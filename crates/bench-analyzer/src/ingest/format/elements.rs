//! JSON documents whose bulk is one array, read an element at a time.

use std::cell::RefCell;
use std::fmt;
use std::io::BufRead;
use std::marker::PhantomData;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::{Complaint, cut_off_or_wrong};

/// Reads an object. Every element of its array `field` goes to `take` as soon as it is read; of
/// the other fields, those that `others` names are kept for `O`.
pub(super) fn each_in_field<T: DeserializeOwned, O: DeserializeOwned>(
    input: &mut dyn BufRead,
    field: &'static str,
    others: &'static [&'static str],
    take: impl FnMut(T) -> Result<(), Complaint>,
) -> Result<O, Complaint> {
    let mut reader = serde_json::Deserializer::from_reader(input);
    let take = RefCell::new(take);
    let document = Document { field, others, take: &take, element: PhantomData };
    let kept = reader.deserialize_map(document).map_err(cut_off_or_wrong)?;
    reader.end().map_err(cut_off_or_wrong)?;
    Ok(serde_json::from_value(Value::Object(kept))?)
}

/// Reads an array. Every element goes to `take` as soon as it is read.
pub(super) fn each<T: DeserializeOwned>(
    input: &mut dyn BufRead,
    take: impl FnMut(T) -> Result<(), Complaint>,
) -> Result<(), Complaint> {
    let mut reader = serde_json::Deserializer::from_reader(input);
    let take = RefCell::new(take);
    reader
        .deserialize_seq(Elements { take: &take, element: PhantomData })
        .map_err(cut_off_or_wrong)?;
    reader.end().map_err(cut_off_or_wrong)
}

struct Document<'t, F, T> {
    field: &'static str,
    others: &'static [&'static str],
    take: &'t RefCell<F>,
    element: PhantomData<T>,
}

impl<'de, F, T> Visitor<'de> for Document<'_, F, T>
where
    T: Deserialize<'de>,
    F: FnMut(T) -> Result<(), Complaint>,
{
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with an array `{}`", self.field)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut kept = Map::new();
        let mut found = false;
        while let Some(key) = map.next_key::<String>()? {
            if key == self.field {
                if found {
                    return Err(A::Error::custom(format!("there are two fields `{key}`")));
                }
                found = true;
                map.next_value_seed(Elements { take: self.take, element: PhantomData })?;
            } else if self.others.contains(&key.as_str()) {
                kept.insert(key, map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if found { Ok(kept) } else { Err(A::Error::missing_field(self.field)) }
    }
}

struct Elements<'t, F, T> {
    take: &'t RefCell<F>,
    element: PhantomData<T>,
}

impl<'de, F, T> DeserializeSeed<'de> for Elements<'_, F, T>
where
    T: Deserialize<'de>,
    F: FnMut(T) -> Result<(), Complaint>,
{
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_seq(self)
    }
}

impl<'de, F, T> Visitor<'de> for Elements<'_, F, T>
where
    T: Deserialize<'de>,
    F: FnMut(T) -> Result<(), Complaint>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of results")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while let Some(element) = sequence.next_element::<T>()? {
            let mut take = self.take.borrow_mut();
            (*take)(element).map_err(|Complaint(reason)| A::Error::custom(reason))?;
        }
        Ok(())
    }
}
