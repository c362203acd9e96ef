//! Compiled modules kept in memory, by the content they were compiled from.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::Module;
use crate::error::Result;
use crate::policy::SecurityPolicy;

/// The Wasm bytes whose compiled form is kept. Native code is three to five times as large.
const LIMIT_WASM_BYTES: usize = 64 * 1024 * 1024;

/// The module, compiled now or earlier by this process.
///
/// Builders that ask for the same module at once compile it once; the others wait.
///
/// # Errors
/// As [`Module::compile`]. A failure is not kept.
pub(crate) fn compile_cached(wasm: &[u8], policy: &SecurityPolicy) -> Result<Module> {
    static CACHE: LazyLock<Mutex<Cache>> = LazyLock::new(Mutex::default);
    let key = *blake3::hash(wasm).as_bytes();
    let cell = CACHE.lock().unwrap_or_else(PoisonError::into_inner).cell(key, wasm.len());
    let mut module = cell.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = &*module {
        // The policy may accept less than the one that the module was compiled under.
        super::validation::check_size(wasm, policy)?;
        return Ok(module.clone());
    }
    let compiled = Module::compile(wasm, policy)?;
    *module = Some(compiled.clone());
    Ok(compiled)
}

/// A module, or its place while it is being compiled.
type Cell = Arc<Mutex<Option<Module>>>;

#[derive(Default)]
struct Cache {
    entries: HashMap<[u8; 32], Entry>,
    wasm_bytes: usize,
    clock: u64,
}

struct Entry {
    cell: Cell,
    wasm_bytes: usize,
    used: u64,
}

impl Cache {
    /// The cell of that key, made if it is new. What was not used for longest makes room.
    fn cell(&mut self, key: [u8; 32], wasm_bytes: usize) -> Cell {
        self.clock += 1;
        let clock = self.clock;
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.used = clock;
            return Arc::clone(&entry.cell);
        }
        self.make_room(wasm_bytes);
        let cell = Cell::default();
        self.wasm_bytes += wasm_bytes;
        self.entries.insert(key, Entry { cell: Arc::clone(&cell), wasm_bytes, used: clock });
        cell
    }

    fn make_room(&mut self, wasm_bytes: usize) {
        while self.wasm_bytes + wasm_bytes > LIMIT_WASM_BYTES {
            let Some(oldest) =
                self.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| *key)
            else {
                return;
            };
            if let Some(entry) = self.entries.remove(&oldest) {
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
        let mut cache = Cache::default();
        let half = LIMIT_WASM_BYTES / 2;
        cache.cell([1; 32], half);
        cache.cell([2; 32], half);
        cache.cell([1; 32], half);
        cache.cell([3; 32], half);
        let mut kept: Vec<u8> = cache.entries.keys().map(|key| key[0]).collect();
        kept.sort_unstable();
        assert_eq!(kept, [1, 3]);
        assert_eq!(cache.wasm_bytes, 2 * half);
    }

    #[test]
    fn ten_builders_at_once_compile_once() {
        let wasm = wat::parse_str(r#"(module (func (export "only_here")))"#).unwrap();
        let modules: Vec<Module> = std::thread::scope(|scope| {
            let builders: Vec<_> = (0..10)
                .map(|_| scope.spawn(|| compile_cached(&wasm, &SecurityPolicy::basic()).unwrap()))
                .collect();
            builders.into_iter().map(|builder| builder.join().unwrap()).collect()
        });
        assert!(modules.iter().all(|module| Arc::ptr_eq(&module.inner, &modules[0].inner)));
    }

    #[test]
    fn a_cached_module_is_still_too_large_for_a_smaller_limit() {
        let wasm = wat::parse_str(r#"(module (func (export "also_only_here")))"#).unwrap();
        compile_cached(&wasm, &SecurityPolicy::basic()).unwrap();
        let policy = SecurityPolicy::basic().with_module_limit(8);
        assert!(compile_cached(&wasm, &policy).is_err());
    }
}
