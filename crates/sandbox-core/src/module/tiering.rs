//! Beginning with code that is quickly made, and moving to code that runs quickly.
//!
//! ```text
//! never seen Wasm --Singlepass--> first tier: runs at once
//!                 \--queue--> worker --Cranelift--> successor: runs in instances that are made from then on
//! ```
//!
//! What an instance begins with it keeps, since native code cannot be exchanged beneath a guest. But a
//! template is state in terms of WebAssembly, and the same for all code of one module. So an instance of the successor
//! begins from the template that one of the first tier left, and nothing is initialised twice.
//!
//! A queued compilation belongs to the modules that wait for it: when the last of them is dropped, it is not made, and one
//! that has begun stops at the next function.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Instant;

use async_lock::OnceCell;

use super::{Module, Wanted};
use crate::error::{Result, SandboxError};
use crate::policy::Compiler;
use crate::threads::runtime;

/// Whether a module that was never seen starts on code that is quickly made.
///
/// It is the choice of who builds a sandbox, and off unless it is chosen, because it can be noticed: code of
/// the first tier runs slower, two to three times where it computes most, and a persistent instance keeps it; it
/// takes more of the Wasm stack for each call, so a recursion can reach the limit sooner; and where NaNs are
/// [native](crate::NanBits::Native), their bits can differ between calls. Results, errors and fuel are the same
/// otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tiering {
    /// The sandbox is built when the chosen compiler is done. The default.
    #[default]
    Off,
    /// The first time that a module is seen, it is compiled with Singlepass, which takes about a tenth of the time. Without
    /// the feature `singlepass` there is no first tier, so this is as [`Tiering::Off`].
    ///
    /// The chosen compiler then works on a thread of the library, and takes its turn with those of other sandboxes: at
    /// most one at a time in a process. When it is done, new instances run its code: each
    /// call in the mode [`Fresh`](crate::InstanceMode::Fresh), and in the mode
    /// [`Persistent`](crate::InstanceMode::Persistent) the instance that replaces one that was stopped.
    ///
    /// A module that is in a cache already, and one that needs what Singlepass lacks (SIMD, exceptions), starts on the
    /// chosen compiler's code. The caches on disk keep only that. If the compiler fails in the background, the sandbox
    /// stays with what it has, and a `tracing` event of level `WARN` says why.
    Auto,
}

/// The digest of the identity that the successor will have.
pub(super) type Key = [u8; 32];

/// Successor of a module of the first tier: the better code that it gives way to.
pub(crate) struct Successor {
    /// The first tier, without a successor of its own.
    first: Module,
    order: Order,
    /// Under which others find it while it is made, if it is shared.
    key: Option<Key>,
    /// Better code, once it was made. It holds `None` if it could not be made.
    found: OnceLock<Option<Module>>,
    hooks: Mutex<Hooks>,
    /// Set when the hooks have run too.
    settled: OnceCell<()>,
}

/// Function that makes the better code, while it is wanted.
type Compile = dyn Fn(&Wanted) -> Result<Module> + Send + Sync;

/// Order to compile better code.
pub(super) struct Order {
    compiler: Compiler,
    compile: Box<Compile>,
}

impl Order {
    /// An order for code of that compiler, which is made by `compile`: once, or again if somebody comes to want it just after it was
    /// given up.
    pub(super) fn new(
        compiler: Compiler,
        compile: impl Fn(&Wanted) -> Result<Module> + Send + Sync + 'static,
    ) -> Self {
        Self { compiler, compile: Box::new(compile) }
    }
}

type Hook = Box<dyn FnOnce() + Send>;

enum Hooks {
    Waiting(Vec<Hook>),
    /// The successor is there, or will never be.
    Over,
}

impl Successor {
    /// The successor that all modules wait for which want the same code, put in the queue if it is new.
    ///
    /// Without a key it is not shared.
    pub(super) fn of(first: &Module, key: Option<Key>, order: Order) -> Arc<Self> {
        let make = || {
            Arc::new(Self {
                first: first.clone(),
                order,
                key,
                found: OnceLock::new(),
                hooks: Mutex::new(Hooks::Waiting(Vec::new())),
                settled: OnceCell::new(),
            })
        };
        let successor = match key {
            None => make(),
            Some(key) => {
                let mut shared = shared();
                if let Some(known) = shared.get(&key).and_then(Weak::upgrade) {
                    drop(shared);
                    return known;
                }
                let made = make();
                shared.insert(key, Arc::downgrade(&made));
                made
            }
        };
        QUEUE.add(&successor);
        successor
    }

    /// The better code, once it is there.
    pub(super) fn found(&self) -> Option<&Module> {
        self.found.get()?.as_ref()
    }

    /// Waits until it is there, or will never be.
    pub(super) async fn settled(&self) {
        self.settled.wait().await;
    }

    /// Has something done when the better code is there, on the thread that made it; at once if it is there.
    pub(super) fn when_found(&self, hook: Hook) {
        let mut hooks = lock(&self.hooks);
        match &mut *hooks {
            Hooks::Waiting(waiting) => waiting.push(hook),
            Hooks::Over => {
                drop(hooks);
                if self.found().is_some() {
                    hook();
                }
            }
        }
    }

    /// Compiles it, as long as somebody has it beside the thread that does.
    fn make(self: &Arc<Self>) {
        let started = Instant::now();
        let Order { compiler, compile } = &self.order;
        let weak = Arc::downgrade(self);
        let wanted = Wanted::while_true(move || weak.strong_count() > 1);
        let made = loop {
            let made = catch_unwind(AssertUnwindSafe(|| compile(&wanted)));
            // Somebody may have joined those who wait just after the last of them had gone.
            let is_wanted = Arc::strong_count(self) > 1;
            if !(is_wanted && matches!(made, Ok(Err(SandboxError::Cancelled { .. })))) {
                break made;
            }
        };
        let module = self.first.wasm_hash();
        let found = match made {
            Ok(Ok(made)) if !self.first.has_the_exports_of(&made) => {
                tracing::warn!(module, %compiler,
                    "a module got other exports from another compiler, and stays on the first tier");
                None
            }
            Ok(Ok(made)) => {
                tracing::debug!(module, %compiler, elapsed = ?started.elapsed(),
                    "a module has left the first tier");
                Some(made)
            }
            Ok(Err(SandboxError::Cancelled { .. })) => {
                tracing::debug!(module, %compiler, "nobody waits for a module's better code any longer");
                None
            }
            Ok(Err(error)) => {
                tracing::warn!(module, %compiler, %error,
                    "a module could not be compiled in the background, and stays on the first tier");
                None
            }
            Err(_) => {
                tracing::warn!(module, %compiler,
                    "a compiler panicked in the background, and its module stays on the first tier");
                None
            }
        };
        self.settle(found);
    }

    fn settle(&self, found: Option<Module>) {
        let is_found = found.is_some();
        // Nobody else sets it: the queue hands a successor out once.
        let _ = self.found.set(found);
        let hooks = std::mem::replace(&mut *lock(&self.hooks), Hooks::Over);
        if let (true, Hooks::Waiting(waiting)) = (is_found, hooks) {
            // Whatever one of them panics over, the others are called, and the queue is served.
            for hook in waiting {
                if catch_unwind(AssertUnwindSafe(hook)).is_err() {
                    tracing::warn!("the host panicked as new code was put to use");
                }
            }
        }
        let _ = self.settled.set_blocking(());
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let mut shared = shared();
            // It may be that of somebody who came between.
            if shared.get(&key).is_some_and(|known| known.strong_count() == 0) {
                shared.remove(&key);
            }
        }
    }
}

/// The successors that somebody waits for, or has got, and which others can join.
fn shared() -> MutexGuard<'static, HashMap<Key, Weak<Successor>>> {
    static SHARED: LazyLock<Mutex<HashMap<Key, Weak<Successor>>>> = LazyLock::new(Mutex::default);
    lock(&SHARED)
}

/// The one queue of this process.
static QUEUE: Queue = Queue(Mutex::new(Line { waiting: VecDeque::new(), is_served: false }));

/// Successors that are to be made, one at a time.
struct Queue(Mutex<Line>);

struct Line {
    waiting: VecDeque<Weak<Successor>>,
    /// Whether a thread is busy with them.
    is_served: bool,
}

impl Queue {
    fn add(&'static self, successor: &Arc<Successor>) {
        {
            let mut line = lock(&self.0);
            line.waiting.push_back(Arc::downgrade(successor));
            if std::mem::replace(&mut line.is_served, true) {
                return;
            }
        }
        let make_all = || {
            while let Some(next) = self.next() {
                next.make();
            }
        };
        if let Err(error) = runtime::spawn_blocking(make_all) {
            tracing::warn!(%error, "nothing is compiled in the background");
            while let Some(next) = self.next() {
                next.settle(None);
            }
        }
    }

    /// The next one that somebody still wants. With none, the thread that asks is done.
    fn next(&self) -> Option<Arc<Successor>> {
        let mut line = lock(&self.0);
        while let Some(next) = line.waiting.pop_front() {
            if let Some(wanted) = next.upgrade() {
                return Some(wanted);
            }
        }
        line.is_served = false;
        None
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
