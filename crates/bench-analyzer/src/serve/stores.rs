//! Stores that are open between two questions.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::Result;
use crate::store::{Location, Store};

/// Opens stores, and keeps connections to a server for the next question: to be let in by a server
/// takes longer than most answers. A file is opened anew every time, because another may have taken
/// its place.
#[derive(Debug)]
pub(super) struct Stores {
    database: Location,
    idle: Mutex<Vec<Store>>,
}

/// How many connections wait for questions; a browser asks six at once at the most.
const KEPT: usize = 4;

impl Stores {
    pub(super) fn new(database: &Location) -> Self {
        Self { database: database.clone(), idle: Mutex::default() }
    }

    /// A store to ask, which comes back here when it is dropped.
    pub(super) async fn lend(&self) -> Result<Lent<'_>> {
        let idle = self.idle().pop();
        let store = match idle {
            Some(store) => store,
            None => Store::open(&self.database).await?,
        };
        Ok(Lent { store: Some(store), home: self })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Store>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_back(&self, store: Store) {
        let mut idle = self.idle();
        if self.database.file().is_none() && idle.len() < KEPT {
            idle.push(store);
        }
    }
}

/// A store for one answer.
#[derive(Debug)]
pub(super) struct Lent<'s> {
    /// There until it is dropped.
    store: Option<Store>,
    home: &'s Stores,
}

const THERE: &str = "a lent store goes back when it is dropped, and not before";

impl Deref for Lent<'_> {
    type Target = Store;

    fn deref(&self) -> &Store {
        self.store.as_ref().expect(THERE)
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut Store {
        self.store.as_mut().expect(THERE)
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(store) = self.store.take() {
            self.home.take_back(store);
        }
    }
}
