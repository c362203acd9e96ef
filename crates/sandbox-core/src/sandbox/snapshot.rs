//! State of a guest between two calls, for others to begin as.

mod file;

use std::fmt;
use std::sync::Arc;

use crate::error::{Result, SandboxError, SnapshotFault};
use crate::instance::Template;
use crate::module::Module;
use crate::policy::{InstanceMode, SecurityPolicy};
use crate::signing::{KeyRing, Sealer};
use crate::sys::memory::ResetMethod;

/// State of a guest between two calls, which any number of other instances can begin as: in this process, or saved and
/// loaded in another.
///
/// A guest that takes long to warm up (an interpreter that reads its library, an index that is built) is warmed up once. A
/// [session](crate::Session::snapshot) takes the snapshot, and sandboxes [begin there](crate::WasmSandboxBuilder::snapshot)
/// without running any code. They map its memory copy-on-write: each has pages of its own only where its calls write.
///
/// - **Is in it**: linear memories and globals; of WASI the files in memory, the open descriptors with their positions,
///   the rest of standard input, and the position in [seeded](crate::Randomness::Seeded) random numbers.
/// - **Is not in it**: what host functions keep, output that was written, usage, files in granted folders (they are granted anew,
///   by the policy), and clocks, which begin anew. The host gives each sandbox the host functions and the
///   [context](crate::WasmSandboxBuilder::context) that it is to have.
/// - **Secrets**: all that begins there knows what the guest knew. If it drew random bytes of the system, for keys or for
///   hash tables, all share what was made of those; [`has_drawn_secrets`](Self::has_drawn_secrets) tells. A saved snapshot is
///   sealed and not encrypted: who can read the file can read the guest's memory.
/// - **Cannot be taken** of a module that changes tables or drops segments, under a policy that grants hosts of the network,
///   of a guest that has something open within a granted folder or that changed one, nor of a session that has ended.
///   [`SnapshotFault`] lists the reasons.
///
/// Clones are the same snapshot. Its image takes as much memory as the guest has written to, once, for as long as the
/// snapshot or a sandbox that began there lives. To take, save and load one blocks the thread in proportion to that.
///
/// ```
/// use sandbox_core::{SealingKey, Snapshot, WasmSandbox};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let wasm = wat::parse_str(r#"(module
/// #     (memory 1)
/// #     (func (export "count") (result i32)
/// #         (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
/// #         (i32.load (i32.const 0))))"#)?;
/// let sandbox = WasmSandbox::builder().source_bytes(&wasm).build_blocking()?;
/// let mut session = sandbox.session_blocking()?;
/// for _ in 0..3 {
///     session.call_blocking::<i32>("count", ())?;
/// }
/// let warm = session.snapshot()?;
/// // Others go on from there, and do not see each other.
/// for _ in 0..10 {
///     let fork = WasmSandbox::builder().snapshot(&warm).build_blocking()?;
///     assert_eq!(fork.call_blocking::<i32>("count", ())?, 4);
/// }
/// // In another process, which has the module too:
/// let key = SealingKey::generate()?;
/// let saved = warm.save(&key)?;
/// let loaded = Snapshot::load(&saved, sandbox.module(), sandbox.policy(), &key.verifying_key())?;
/// let fork = WasmSandbox::builder().snapshot(&loaded).build_blocking()?;
/// assert_eq!(fork.call_blocking::<i32>("count", ())?, 4);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Snapshot {
    template: Template,
    module: Module,
    policy: Arc<SecurityPolicy>,
}

impl Snapshot {
    pub(super) fn new(template: Template, module: Module, policy: Arc<SecurityPolicy>) -> Self {
        Self { template, module, policy }
    }

    /// Writes the snapshot to bytes that only a holder of the key can make, to be [loaded](Self::load) later or elsewhere.
    /// Neither module nor policy are in them: whoever loads the snapshot has both.
    ///
    /// Memory is written in the pieces of 64 KiB that are not all zeros. The bytes are not encrypted.
    ///
    /// # Errors
    /// [`SandboxError::Snapshot`] with [`SnapshotFault::PolicyOfProcess`], and [`SandboxError::SystemRefused`].
    pub fn save<'a>(&self, key: impl Into<Sealer<'a>>) -> Result<Vec<u8>> {
        file::save(self, key.into())
    }

    /// Loads what [`Snapshot::save`] returned, with a key or a [ring](KeyRing) of them, for the module and the policy that
    /// it was taken of. In the policy only instance mode and number of instances may differ.
    ///
    /// All of it is authenticated before any of it is interpreted. Who can seal snapshots decides what guests
    /// begin as, and no more than that: sizes are held against policy and module, so that no guest has more than it could
    /// have had by itself.
    ///
    /// # Errors
    /// [`SandboxError::Snapshot`] with the reason and what to do about it, [`SandboxError::SystemRefused`], and those of
    /// starting the module under that policy.
    pub fn load(
        saved: &[u8],
        module: &Module,
        policy: &SecurityPolicy,
        keys: impl Into<KeyRing>,
    ) -> Result<Self> {
        module.require_allowed(policy)?;
        let template = file::load(saved, module, policy, &keys.into())?;
        Ok(Self::new(template, module.clone().under(policy), Arc::new(policy.clone())))
    }

    /// The module that it was taken of.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// The policy that it was taken under.
    pub fn policy(&self) -> &SecurityPolicy {
        &self.policy
    }

    /// The size of the guest's linear memory, in bytes. Where that is zeros it takes none of the host's.
    pub fn memory_bytes(&self) -> u64 {
        self.template.memory_bytes()
    }

    /// Whether the guest had drawn random bytes of the system, whatever it made of them: all that begin here share that.
    pub fn has_drawn_secrets(&self) -> bool {
        self.template.has_secrets()
    }

    pub(super) fn template(&self) -> &Template {
        &self.template
    }

    /// Finds out whether instances under that policy that are put back by that method can begin here.
    pub(super) fn require_suits(&self, policy: &SecurityPolicy, method: ResetMethod) -> Result<()> {
        if comparable(policy) != comparable(&self.policy) {
            return Err(SandboxError::Snapshot(SnapshotFault::OtherPolicy));
        }
        if !self.template.suits(&self.module, method) {
            return Err(SandboxError::Snapshot(SnapshotFault::GrownMemory));
        }
        Ok(())
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("module", &self.module)
            .field("memory_bytes", &self.memory_bytes())
            .finish_non_exhaustive()
    }
}

/// The policy but for how many instances there are and how long they live, which no guest can tell.
fn comparable(policy: &SecurityPolicy) -> SecurityPolicy {
    policy.clone().with_instances(InstanceMode::Fresh).with_max_instances(1)
}
