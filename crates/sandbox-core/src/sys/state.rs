//! The state of an instance that its native code works on: memories and globals.
//!
//! Wasmer tells the tunables where in an instance each of them lies. Noted there, all of them can be saved and
//! put back, exported or not. What a reset does not cover (tables, dropped segments) no module may change
//! whose instances are reset; [`crate::module::Behaviour`] knows.
#![expect(unsafe_code, reason = "reads and writes globals by their address")]

use std::io;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

use wasmer::sys::vm::VMGlobalDefinition;
use wasmer::{GlobalType, Mutability, Type};
use wasmer_types::ModuleInfo;

use super::memory::{Contents, Effort, Image, NotRestored, ResetMethod, RestorableMemory, Writes};

/// State that all instances of a template begin with.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// In the order of the module's memories.
    images: Box<[Arc<Image>]>,
    /// In the order of the module's globals that can change.
    globals: Box<[u128]>,
}

impl Snapshot {
    /// Makes what instances need to begin with it, if that is not there yet.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        self.images.iter().try_for_each(|image| image.prepare())
    }

    /// Whether that is there already.
    pub(crate) fn is_prepared(&self) -> bool {
        self.images.iter().all(|image| image.is_prepared())
    }

    /// A snapshot that was taken out of a process.
    ///
    /// # Errors
    /// When the system has no file for the image of a memory.
    pub(crate) fn of(memories: &[SparseMemory<'_>], globals: Vec<u128>) -> io::Result<Self> {
        let images = memories
            .iter()
            .map(|SparseMemory { len, parts }| Image::of_parts(*len, parts).map(Arc::new));
        Ok(Self { images: images.collect::<io::Result<_>>()?, globals: globals.into() })
    }

    /// The images of the memories, in the order of the module.
    pub(crate) fn images(&self) -> &[Arc<Image>] {
        &self.images
    }

    /// The values of the globals that can change, in the order of the module.
    pub(crate) fn globals(&self) -> &[u128] {
        &self.globals
    }
}

/// Contents of a memory outside of a process.
#[derive(Debug)]
pub(crate) struct SparseMemory<'a> {
    /// Its size, in bytes.
    pub(crate) len: usize,
    /// The parts that are not all zeros, by their numbers: [`PART_BYTES`](super::memory::PART_BYTES) each, and all of them within the size.
    pub(crate) parts: Vec<(usize, &'a [u8])>,
}

/// Number of globals of a module that a snapshot of its instances holds.
pub(crate) fn changing_globals(module: &ModuleInfo) -> usize {
    module.globals.values().skip(module.num_imported_globals).filter(|ty| is_kept(**ty)).count()
}

/// Whether a global's value can change, and be moved from instance to instance: references cannot, and no module has changing
/// ones whose instances are reset.
fn is_kept(ty: GlobalType) -> bool {
    let is_number = matches!(ty.ty, Type::I32 | Type::I64 | Type::F32 | Type::F64 | Type::V128);
    ty.mutability == Mutability::Var && is_number
}

/// Where one instance keeps its state.
///
/// All its addresses point into the store of the instance, or to memories that belong to it.
#[derive(Debug, Default)]
pub(crate) struct State {
    memories: Vec<RestorableMemory>,
    globals: Vec<NonNull<VMGlobalDefinition>>,
}

// SAFETY: the addresses point into a store, and are only used through methods whose callers own that store.
unsafe impl Send for State {}

impl State {
    /// Saves the state, and lets the instance begin from what was saved.
    ///
    /// # Safety
    /// The store lives, and no guest in it runs.
    pub(super) unsafe fn snapshot(&mut self) -> io::Result<Snapshot> {
        // SAFETY: the same contract.
        let images = self.memories.iter_mut().map(|memory| unsafe { memory.snapshot() });
        let images = images.collect::<io::Result<_>>()?;
        // SAFETY: the definitions live in the store, and Wasmer initialised all of their sixteen bytes.
        let globals = self.globals.iter().map(|global| unsafe { global.as_ref().val.u128 });
        Ok(Snapshot { images, globals: globals.collect() })
    }

    /// Saves the state, and leaves the instance as it is.
    ///
    /// # Safety
    /// As [`Self::snapshot`].
    pub(super) unsafe fn capture(&self) -> io::Result<Snapshot> {
        // SAFETY: the same contract.
        let images = self.memories.iter().map(|memory| unsafe { memory.capture() });
        let images = images.collect::<io::Result<_>>()?;
        // SAFETY: as in `snapshot`.
        let globals = self.globals.iter().map(|global| unsafe { global.as_ref().val.u128 });
        Ok(Snapshot { images, globals: globals.collect() })
    }

    /// Gives the instance the state that was saved, whatever it had. The snapshot is one of the same module.
    ///
    /// # Safety
    /// As [`Self::snapshot`].
    pub(super) unsafe fn adopt(&mut self, snapshot: &Snapshot) -> Result<(), NotRestored> {
        self.check_fits(snapshot)?;
        for (memory, image) in self.memories.iter_mut().zip(&snapshot.images) {
            // SAFETY: the same contract.
            unsafe { memory.adopt(image) }?;
        }
        // SAFETY: the same contract.
        unsafe { self.restore_globals(snapshot) };
        Ok(())
    }

    /// Undoes what a guest did since its instance adopted the snapshot.
    ///
    /// # Safety
    /// As [`Self::snapshot`].
    pub(super) unsafe fn restore(
        &mut self,
        snapshot: &Snapshot,
        writes: Writes,
        effort: Effort,
    ) -> Result<(), NotRestored> {
        self.check_fits(snapshot)?;
        for (memory, image) in self.memories.iter_mut().zip(&snapshot.images) {
            // SAFETY: the same contract.
            unsafe { memory.restore(image, writes, effort) }?;
        }
        // SAFETY: the same contract.
        unsafe { self.restore_globals(snapshot) };
        Ok(())
    }

    fn check_fits(&self, snapshot: &Snapshot) -> Result<(), NotRestored> {
        let fits = self.memories.len() == snapshot.images.len()
            && self.globals.len() == snapshot.globals.len();
        if fits { Ok(()) } else { Err(NotRestored::Impossible) }
    }

    unsafe fn restore_globals(&mut self, snapshot: &Snapshot) {
        for (global, value) in self.globals.iter_mut().zip(&snapshot.globals) {
            // SAFETY: the definition lives in the store, nobody else uses it now, and any bits are a value of a
            // global that is no reference.
            unsafe { global.as_mut().val.u128 = *value };
        }
    }
}

/// Notes where an instance keeps its state, while Wasmer creates it.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    method: ResetMethod,
    contents: Contents,
    state: Arc<Mutex<State>>,
}

impl Recorder {
    pub(crate) fn new(method: ResetMethod, contents: Contents) -> Self {
        Self { method, contents, state: Arc::default() }
    }

    pub(super) fn contents(&self) -> Contents {
        self.contents
    }

    pub(super) fn method(&self) -> ResetMethod {
        self.method
    }

    pub(super) fn note_memory(&self, memory: RestorableMemory) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).memories.push(memory);
    }

    /// Notes a global that is kept.
    pub(super) fn note_global(&self, ty: GlobalType, location: NonNull<VMGlobalDefinition>) {
        if is_kept(ty) {
            self.state.lock().unwrap_or_else(PoisonError::into_inner).globals.push(location);
        }
    }

    /// State that was noted.
    pub(super) fn take(&self) -> State {
        std::mem::take(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
