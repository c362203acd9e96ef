//! State that alike sandboxes share: those of one module and one policy.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use crate::module::Module;

/// Number of things of one module that are known at once. Whoever looks for one compares policies with all of them,
/// and a service may well have a policy for each of its users. Of more, the oldest are not found any longer.
const MOST_KNOWN: usize = 256;

/// By the address of the module. What is listed keeps its module, so while it lives no other module has that address.
type ByModule<T> = HashMap<usize, Vec<Weak<T>>>;

/// A list of things that can be shared, which live as long as somebody uses them.
pub(crate) struct SharedByModule<T>(LazyLock<Mutex<ByModule<T>>>);

impl<T> SharedByModule<T> {
    pub(crate) const fn new() -> Self {
        Self(LazyLock::new(Mutex::default))
    }

    /// The first that is alike.
    pub(crate) fn find(&self, module: &Module, is_alike: impl Fn(&T) -> bool) -> Option<Arc<T>> {
        // Collected, since one of them may turn out to be the last handle, whose end takes the lock.
        let known: Vec<Arc<T>> =
            self.lock().get(&module.address())?.iter().filter_map(Weak::upgrade).collect();
        known.into_iter().find(|known| is_alike(known))
    }

    /// Lets others find it.
    pub(crate) fn list(&self, module: &Module, shared: &Arc<T>) {
        let mut all = self.lock();
        let known = all.entry(module.address()).or_default();
        known.retain(|known| known.strong_count() > 0);
        if known.len() >= MOST_KNOWN {
            known.remove(0);
        }
        known.push(Arc::downgrade(shared));
    }

    /// Forgets what of the module nobody uses any more. To be called where the last handle ends.
    pub(crate) fn forget(&self, module: &Module) {
        let mut all = self.lock();
        if let Some(known) = all.get_mut(&module.address()) {
            known.retain(|known| known.strong_count() > 0);
            if known.is_empty() {
                all.remove(&module.address());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, ByModule<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
