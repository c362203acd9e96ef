//! Compiled modules kept in memory, by their identity.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, TryLockError};

use crate::error::Result;
use crate::module::{Module, ModuleOrigin};

/// The Wasm bytes whose compiled form is kept, with [`ENTRY_BYTES`] for each module. Native code is three to five times as large.
const LIMIT_BYTES: usize = 64 * 1024 * 1024;

/// Bytes that a module takes beside its code, however small it is: pages that it shares with no other, two mappings, of which a process
/// has some 65,000, and what is known of it. So at most 2,048 modules are kept.
const ENTRY_BYTES: usize = 32 * 1024;

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
    /// The bytes of all entries.
    bytes: usize,
    clock: u64,
}

struct Entry {
    cell: Cell,
    /// The Wasm bytes, and [`ENTRY_BYTES`].
    bytes: usize,
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
        let bytes = wasm_bytes.saturating_add(ENTRY_BYTES);
        self.make_room(bytes);
        let cell = Cell::default();
        self.bytes = self.bytes.saturating_add(bytes);
        self.by_key.insert(key, Entry { cell: Arc::clone(&cell), bytes, used: clock });
        cell
    }

    fn make_room(&mut self, bytes: usize) {
        while self.bytes.saturating_add(bytes) > LIMIT_BYTES {
            let Some(oldest) =
                self.by_key.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| *key)
            else {
                return;
            };
            if let Some(entry) = self.by_key.remove(&oldest) {
                self.bytes -= entry.bytes;
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
        let half = LIMIT_BYTES / 2 - ENTRY_BYTES;
        for key in [1, 2, 1, 3] {
            entries.cell([key; 32], half);
        }
        let mut kept: Vec<u8> = entries.by_key.keys().map(|key| key[0]).collect();
        kept.sort_unstable();
        assert_eq!(kept, [1, 3]);
        assert_eq!(entries.bytes, LIMIT_BYTES);
    }

    #[test]
    fn many_small_modules_make_room_too() {
        let mut entries = Entries::default();
        for number in 0..10_000_u16 {
            let mut key = [0; 32];
            key[..2].copy_from_slice(&number.to_le_bytes());
            entries.cell(key, 50);
        }
        assert!(entries.by_key.len() <= LIMIT_BYTES / ENTRY_BYTES, "{}", entries.by_key.len());
        assert!(entries.by_key.len() > 2_000, "{}", entries.by_key.len());
    }
}
