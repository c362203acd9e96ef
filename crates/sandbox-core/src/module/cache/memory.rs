//! Compiled modules kept in memory, by their identity.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, TryLockError};

use crate::error::Result;
use crate::module::{Module, ModuleOrigin};

/// The Wasm bytes whose compiled form is kept. Native code is three to five times as large.
const LIMIT_WASM_BYTES: usize = 64 * 1024 * 1024;

/// The digest of an identity.
type Key = [u8; 32];

/// A module, or its place while it is being made.
type Cell = Arc<Mutex<Option<Module>>>;

/// The modules that this process has compiled or read.
#[derive(Default)]
pub(in crate::module) struct MemoryCache(Mutex<Entries>);

impl MemoryCache {
    /// The one that all builders of this process share.
    pub(in crate::module) fn of_process() -> &'static Self {
        static CACHE: LazyLock<MemoryCache> = LazyLock::new(MemoryCache::default);
        &CACHE
    }

    /// The module of that key, made if there is none.
    ///
    /// Who asks for a module that is being made waits for it.
    pub(in crate::module) fn get_or_make(
        &self,
        key: Key,
        wasm_bytes: usize,
        make: impl FnOnce() -> Result<Module>,
    ) -> Result<Module> {
        let cell = self.0.lock().unwrap_or_else(PoisonError::into_inner).cell(key, wasm_bytes);
        let mut kept = cell.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = &*kept {
            return Ok(module.with_origin(ModuleOrigin::MemoryCache));
        }
        let made = make()?;
        *kept = Some(made.clone());
        Ok(made)
    }
}

impl MemoryCache {
    /// The module of that key, if it is there or can be found. Nobody is waited for: a module that is being made
    /// is not there.
    pub(super) fn get_or_find(
        &self,
        key: Key,
        wasm_bytes: usize,
        find: impl FnOnce() -> Option<Module>,
    ) -> Option<Module> {
        let cell = self.0.lock().unwrap_or_else(PoisonError::into_inner).cell(key, wasm_bytes);
        let mut kept = match cell.try_lock() {
            Ok(kept) => kept,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        if let Some(module) = &*kept {
            return Some(module.with_origin(ModuleOrigin::MemoryCache));
        }
        let found = find()?;
        *kept = Some(found.clone());
        Some(found)
    }
}

#[derive(Default)]
struct Entries {
    by_key: HashMap<Key, Entry>,
    wasm_bytes: usize,
    clock: u64,
}

struct Entry {
    cell: Cell,
    wasm_bytes: usize,
    used: u64,
}

impl Entries {
    /// The cell of that key, made if it is new. What was not used for longest makes room.
    fn cell(&mut self, key: Key, wasm_bytes: usize) -> Cell {
        self.clock += 1;
        let clock = self.clock;
        if let Some(entry) = self.by_key.get_mut(&key) {
            entry.used = clock;
            return Arc::clone(&entry.cell);
        }
        self.make_room(wasm_bytes);
        let cell = Cell::default();
        self.wasm_bytes += wasm_bytes;
        self.by_key.insert(key, Entry { cell: Arc::clone(&cell), wasm_bytes, used: clock });
        cell
    }

    fn make_room(&mut self, wasm_bytes: usize) {
        while self.wasm_bytes + wasm_bytes > LIMIT_WASM_BYTES {
            let Some(oldest) =
                self.by_key.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| *key)
            else {
                return;
            };
            if let Some(entry) = self.by_key.remove(&oldest) {
                self.wasm_bytes -= entry.wasm_bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_unused_for_longest_makes_room() {
        let mut entries = Entries::default();
        let half = LIMIT_WASM_BYTES / 2;
        for key in [1, 2, 1, 3] {
            entries.cell([key; 32], half);
        }
        let mut kept: Vec<u8> = entries.by_key.keys().map(|key| key[0]).collect();
        kept.sort_unstable();
        assert_eq!(kept, [1, 3]);
        assert_eq!(entries.wasm_bytes, 2 * half);
    }
}
