//! The notes and where they are kept.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Given by the application.
    #[serde(default)]
    pub id: u32,
    /// Must not be empty.
    pub title: String,
    /// May be.
    #[serde(default)]
    pub text: String,
    /// To find it by.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// All notes.
#[derive(Default)]
pub(crate) struct Notes {
    notes: BTreeMap<u32, Note>,
    last_id: u32,
}

thread_local! {
    static NOTES: RefCell<Notes> = RefCell::default();
}

impl Notes {
    /// Works with the notes of this instance.
    pub(crate) fn with<T>(work: impl FnOnce(&mut Self) -> T) -> T {
        NOTES.with_borrow_mut(work)
    }

    pub(crate) fn insert(&mut self, note: Note) -> u32 {
        self.last_id += 1;
        let id = self.last_id;
        self.notes.insert(id, Note { id, ..note });
        id
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Note> {
        self.notes.get(&id)
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<Note> {
        self.notes.remove(&id)
    }

    /// The notes that have a tag, or all of them.
    pub(crate) fn tagged(&self, tag: Option<&str>) -> Vec<&Note> {
        let matches = |note: &&Note| match tag {
            Some(tag) => note.tags.iter().any(|own| own == tag),
            None => true,
        };
        self.notes.values().filter(matches).collect()
    }
}
