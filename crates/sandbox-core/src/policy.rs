//! What a guest may use, and how much of it.

mod grants;
mod sources;

use std::path::PathBuf;
use std::time::Duration;

pub use grants::{Access, EnvironmentVariable, FolderGrant, GrantUse};
pub use sources::{Clock, Randomness};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const STACK_KIB: usize = 1024;

/// The size of a WebAssembly page, in bytes.
pub(crate) const PAGE_BYTES: u64 = 64 * KIB;

/// The limits of one sandbox. Every field is enforced.
///
/// A preset is a starting point; change fields with the `with_` methods.
///
/// ```
/// use std::time::Duration;
/// use sandbox_core::SecurityPolicy;
///
/// let policy = SecurityPolicy::strict().with_wall_clock(Duration::from_millis(250));
/// assert_eq!(policy.wall_clock, Some(Duration::from_millis(250)));
/// assert_eq!(policy.memory_limit_bytes, Some(64 * 1024 * 1024));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SecurityPolicy {
    /// The largest linear memory, in bytes, rounded down to whole pages of 64 KiB.
    /// `None` leaves the module's own maximum.
    pub memory_limit_bytes: Option<u64>,
    /// The largest table, in elements.
    pub table_limit_elements: u32,
    /// How long one call may take. Instantiation, with the module's start function and
    /// `_initialize`, counts as one call. `None` sets no limit.
    pub wall_clock: Option<Duration>,
    /// The stack that guest code may use, in bytes.
    pub stack_bytes: usize,
    /// The largest module that is accepted, in bytes.
    pub module_limit_bytes: u64,
    /// How much standard output and standard error are captured together, in bytes a call.
    pub output_limit_bytes: u64,
    /// How much a guest may write to files in its private in-memory folder, in bytes.
    pub scratch_limit_bytes: u64,
    /// Whether calls share an instance.
    pub instances: InstanceMode,
    /// How many fresh instances may run at once; further calls wait for their turn.
    pub max_instances: usize,
    /// How many files and folders the guest may have open at once, with its standard streams and the
    /// granted folders. An open file of a granted folder takes a file descriptor of this process.
    pub open_file_limit: u32,
    /// Whether folders, environment variables and arguments can be granted at all.
    pub grants: GrantUse,
    /// The folders of the host that the guest sees, beside its own in memory.
    pub folders: Vec<FolderGrant>,
    /// The guest's environment. Nothing of this process's environment is in it.
    pub environment: Vec<EnvironmentVariable>,
    /// The guest's command line, after the name of the program.
    pub arguments: Vec<String>,
    /// What the guest's clocks show.
    pub clock: Clock,
    /// What the guest's random bytes are.
    pub randomness: Randomness,
}

/// Whether calls share an instance, and with it the guest's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InstanceMode {
    /// One instance: the guest's state lives from call to call, and calls take turns.
    Persistent,
    /// Every call has an instance of its own, so no call sees what another left behind. Calls run side by side.
    ///
    /// A fresh instance begins where the module's initialisation ended: the start function and `_initialize` run
    /// when the sandbox is built, and what they computed, drew at random or were told by host functions is the same
    /// in every call. An instance is made anew only where a used one cannot be reset: where the module's code changes
    /// tables or drops segments, or its initialisation does something with WASI.
    Fresh,
}

/// How many fresh instances run at once unless the policy says otherwise: enough to keep many cores busy
/// with calls that also wait, far below what the address space can hold (8 GiB are reserved for each).
const MAX_INSTANCES: usize = 64;

impl SecurityPolicy {
    /// For guests that you wrote yourself.
    pub const fn permissive() -> Self {
        Self {
            memory_limit_bytes: None,
            table_limit_elements: 10_000_000,
            wall_clock: None,
            stack_bytes: 1024 * STACK_KIB,
            module_limit_bytes: 512 * MIB,
            output_limit_bytes: 16 * MIB,
            scratch_limit_bytes: 256 * MIB,
            instances: InstanceMode::Persistent,
            max_instances: MAX_INSTANCES,
            open_file_limit: 1024,
            grants: GrantUse::Accepted,
            folders: Vec::new(),
            environment: Vec::new(),
            arguments: Vec::new(),
            clock: Clock::Real,
            randomness: Randomness::Secure,
        }
    }

    /// For guests of people you know. The default.
    pub const fn basic() -> Self {
        Self {
            memory_limit_bytes: Some(256 * MIB),
            table_limit_elements: 1_000_000,
            wall_clock: Some(Duration::from_secs(30)),
            stack_bytes: 1024 * STACK_KIB,
            module_limit_bytes: 50 * MIB,
            output_limit_bytes: MIB,
            scratch_limit_bytes: 64 * MIB,
            instances: InstanceMode::Persistent,
            max_instances: MAX_INSTANCES,
            open_file_limit: 256,
            grants: GrantUse::Accepted,
            folders: Vec::new(),
            environment: Vec::new(),
            arguments: Vec::new(),
            clock: Clock::Real,
            randomness: Randomness::Secure,
        }
    }

    /// For guests of strangers.
    pub const fn strict() -> Self {
        Self {
            memory_limit_bytes: Some(64 * MIB),
            table_limit_elements: 100_000,
            wall_clock: Some(Duration::from_secs(5)),
            stack_bytes: 512 * STACK_KIB,
            module_limit_bytes: 10 * MIB,
            output_limit_bytes: 64 * KIB,
            scratch_limit_bytes: 16 * MIB,
            instances: InstanceMode::Persistent,
            max_instances: MAX_INSTANCES,
            open_file_limit: 64,
            grants: GrantUse::Accepted,
            folders: Vec::new(),
            environment: Vec::new(),
            arguments: Vec::new(),
            clock: Clock::Coarse,
            randomness: Randomness::Secure,
        }
    }

    /// For guests that are expected to attack.
    pub const fn paranoid() -> Self {
        Self {
            memory_limit_bytes: Some(16 * MIB),
            table_limit_elements: 10_000,
            wall_clock: Some(Duration::from_secs(1)),
            stack_bytes: 256 * STACK_KIB,
            module_limit_bytes: 5 * MIB,
            output_limit_bytes: 4 * KIB,
            scratch_limit_bytes: MIB,
            instances: InstanceMode::Fresh,
            max_instances: MAX_INSTANCES,
            open_file_limit: 32,
            grants: GrantUse::Refused,
            folders: Vec::new(),
            environment: Vec::new(),
            arguments: Vec::new(),
            clock: Clock::CoarseMonotonic,
            randomness: Randomness::Secure,
        }
    }

    /// Sets the largest linear memory, in bytes.
    #[must_use]
    pub const fn with_memory_limit(mut self, bytes: u64) -> Self {
        self.memory_limit_bytes = Some(bytes);
        self
    }

    /// Sets the largest table, in elements.
    #[must_use]
    pub const fn with_table_limit(mut self, elements: u32) -> Self {
        self.table_limit_elements = elements;
        self
    }

    /// Sets how long one call may take.
    #[must_use]
    pub const fn with_wall_clock(mut self, limit: Duration) -> Self {
        self.wall_clock = Some(limit);
        self
    }

    /// Sets the stack that guest code may use, in bytes.
    #[must_use]
    pub const fn with_stack(mut self, bytes: usize) -> Self {
        self.stack_bytes = bytes;
        self
    }

    /// Sets the largest module that is accepted, in bytes.
    #[must_use]
    pub const fn with_module_limit(mut self, bytes: u64) -> Self {
        self.module_limit_bytes = bytes;
        self
    }

    /// Sets how much output is captured, in bytes a call.
    #[must_use]
    pub const fn with_output_limit(mut self, bytes: u64) -> Self {
        self.output_limit_bytes = bytes;
        self
    }

    /// Sets how much a guest may write to its private in-memory folder, in bytes.
    #[must_use]
    pub const fn with_scratch_limit(mut self, bytes: u64) -> Self {
        self.scratch_limit_bytes = bytes;
        self
    }

    /// Sets how many files and folders the guest may have open at once.
    #[must_use]
    pub const fn with_open_file_limit(mut self, files: u32) -> Self {
        self.open_file_limit = files;
        self
    }

    /// Sets whether folders, environment variables and arguments can be granted at all.
    #[must_use]
    pub const fn with_grants(mut self, grants: GrantUse) -> Self {
        self.grants = grants;
        self
    }

    /// Grants the guest a folder of the host, at an absolute path of its own.
    ///
    /// No path leads out of the folder: neither `..` nor an absolute path nor a symbolic link, whoever
    /// made it and when. The guest can make no links in it. What does lead out is a folder of the host
    /// that is mounted in it, and a hard link that was there before.
    ///
    /// ```
    /// use sandbox_core::{Access, SecurityPolicy};
    ///
    /// let policy = SecurityPolicy::strict()
    ///     .with_folder("assets", "/assets", Access::ReadOnly)
    ///     .with_folder("results", "/results", Access::ReadWrite);
    /// assert_eq!(policy.folders.len(), 2);
    /// ```
    #[must_use]
    pub fn with_folder(
        mut self,
        host: impl Into<PathBuf>,
        guest: impl Into<String>,
        access: Access,
    ) -> Self {
        self.folders.push(FolderGrant { host: host.into(), guest: guest.into(), access });
        self
    }

    /// Sets a variable in the guest's environment.
    #[must_use]
    pub fn with_environment(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let variable = EnvironmentVariable::new(name, value);
        self.environment.retain(|known| known.name != variable.name);
        self.environment.push(variable);
        self
    }

    /// Adds an argument to the guest's command line.
    #[must_use]
    pub fn with_argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets what the guest's clocks show.
    #[must_use]
    pub const fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets what the guest's random bytes are.
    #[must_use]
    pub const fn with_randomness(mut self, randomness: Randomness) -> Self {
        self.randomness = randomness;
        self
    }
}

impl SecurityPolicy {
    /// Sets whether calls share an instance.
    #[must_use]
    pub const fn with_instances(mut self, mode: InstanceMode) -> Self {
        self.instances = mode;
        self
    }

    /// Sets how many fresh instances may run at once, at least one.
    #[must_use]
    pub const fn with_max_instances(mut self, instances: usize) -> Self {
        self.max_instances = if instances == 0 { 1 } else { instances };
        self
    }
}

impl Default for SecurityPolicy {
    /// The same as [`SecurityPolicy::basic`].
    fn default() -> Self {
        Self::basic()
    }
}
