//! Policy of a sandbox: which of the host's resources a guest may use, and how much of each.

mod changes;
mod compile;
mod compilers;
mod document;
mod features;
mod fuel;
mod grants;
pub(crate) mod names;
mod network;
mod presets;
mod sources;
#[cfg(test)]
mod table;

use std::time::Duration;

pub use compile::{CompileLimits, CompileMeasure};
pub use compilers::{Compiler, Compilers};
pub use features::{NanBits, WasmFeature, WasmFeatures};
pub use fuel::FuelUnits;
pub use grants::{Access, BundleGrant, EnvironmentVariable, FolderGrant, GrantUse};
pub use network::{NetworkGrant, Ports};
pub use sources::{Clock, ManualClock, Randomness};

/// The size of a WebAssembly page, in bytes.
pub(crate) const PAGE_BYTES: u64 = 64 * 1024;

/// The limits of one sandbox. Every field is enforced.
///
/// A preset is a starting point; change fields with the `with_` methods.
///
#[doc = include_str!("policy/table.md")]
///
/// ```
/// use std::time::Duration;
/// use sandbox_core::SecurityPolicy;
///
/// let policy = SecurityPolicy::strict().with_wall_clock(Duration::from_millis(250));
/// assert_eq!(policy.wall_clock, Some(Duration::from_millis(250)));
/// assert_eq!(policy.memory_limit_bytes, Some(64 * 1024 * 1024));
/// ```
///
/// # Documents
/// A policy can be written and read with serde. A document has all fields and a version; one that lacks a field, has one that is
/// not known or is of another version is refused, so that no limit is lost on the way. It holds the values of environment
/// variables, and no bundles or manual clocks: a policy with those is not written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SecurityPolicy {
    /// The largest linear memory, in bytes, rounded down to whole pages of 64 KiB.
    /// `None` leaves the module's own maximum.
    ///
    /// What an instance makes the host hold beside it (tables, globals, exports, entries of functions and imports,
    /// segments) counts too, but for the first MiB: a guest that has more of that has less memory. With `None`
    /// both together are at most 4 GiB.
    pub memory_limit_bytes: Option<u64>,
    /// The elements of all tables together.
    pub table_limit_elements: u32,
    /// Longest time that one call may take. `None` sets no limit.
    pub wall_clock: Option<Duration>,
    /// Longest time that instantiation may take, with the module's start function and `_initialize`. `None` gives it as long
    /// as one call.
    pub initialisation_limit: Option<Duration>,
    /// Fuel of one call: the most that it may compute. Instantiation counts as one call here too. `None` sets no
    /// limit and measures nothing; a limit makes tight loops take about twice the time.
    pub fuel: Option<FuelUnits>,
    /// The stack that guest code may use, in bytes.
    pub stack_bytes: usize,
    /// The largest module that is accepted, in bytes.
    pub module_limit_bytes: u64,
    /// Limits on the amount and the shape of what is compiled.
    pub compile_limits: CompileLimits,
    /// Largest serde value that the guest may pass to the host, in bytes as it is encoded. Decoded it can take some
    /// tens of times as much. Bytes and text are limited by linear memory alone.
    pub value_limit_bytes: u64,
    /// Largest amount of standard output and standard error that is captured, together, in bytes a call.
    pub output_limit_bytes: u64,
    /// Largest amount that a guest may write to files in its private in-memory folder, in bytes.
    pub scratch_limit_bytes: u64,
    /// Which parts of WebAssembly a module may use, as far as the compiler offers them.
    pub features: WasmFeatures,
    /// Which compilers may make the native code.
    pub compilers: Compilers,
    /// Which bits a guest sees in the NaNs that it computes.
    pub nan_bits: NanBits,
    /// Whether calls share an instance.
    pub instances: InstanceMode,
    /// Number of fresh instances that may run at once, those of [`run`](crate::WasmSandbox::run) included; further
    /// calls and runs wait for their turn.
    pub max_instances: usize,
    /// Number of files and folders that the guest may have open at once, with its standard streams and the granted
    /// folders. An open file of a granted folder takes a file descriptor of this process.
    pub open_file_limit: u32,
    /// Whether folders, bundles, environment variables and arguments can be granted at all.
    pub grants: GrantUse,
    /// The folders of the host that the guest sees, beside its own in memory.
    pub folders: Vec<FolderGrant>,
    /// The files in the host's memory that the guest sees, and only reads.
    pub bundles: Vec<BundleGrant>,
    /// The guest's environment. Nothing of this process's environment is in it.
    pub environment: Vec<EnvironmentVariable>,
    /// The guest's command line, after the name of the program.
    pub arguments: Vec<String>,
    /// Whether hosts of the network can be granted at all.
    pub network_grants: GrantUse,
    /// The hosts that the guest may connect to.
    pub network: Vec<NetworkGrant>,
    /// Clocks that the guest sees.
    pub clock: Clock,
    /// Source of the guest's random bytes.
    pub randomness: Randomness,
}

/// Whether calls share an instance, and with it the guest's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InstanceMode {
    /// One instance: the guest's state lives from call to call, and calls take turns.
    ///
    /// It begins where its module's initialisation ended. Sandboxes of one module and policy share what that wrote, and
    /// only one or two of them run it, where it neither looked at a clock, drew random bytes, nor called the
    /// host in another way.
    Persistent,
    /// Every call has an instance of its own, so no call sees what another left behind. Calls run side by side.
    ///
    /// A fresh instance begins where the module's initialisation ended: the start function and `_initialize` run
    /// when the sandbox is built, and what they computed, drew at random or were told by host functions is the same
    /// in every call. An instance is made anew only where a used one cannot be reset: where the module's code changes
    /// tables or drops segments, or its initialisation does something with WASI.
    Fresh,
}

impl Default for SecurityPolicy {
    /// Returns [`SecurityPolicy::basic`].
    fn default() -> Self {
        Self::basic()
    }
}
