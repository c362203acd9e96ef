//! Changing single fields of a policy.

use std::path::PathBuf;
use std::time::Duration;

use crate::bundle::FileBundle;

use super::{
    Access, BundleGrant, Clock, CompileLimits, Compilers, EnvironmentVariable, FolderGrant,
    FuelUnits, GrantUse, InstanceMode, NanBits, NetworkGrant, Ports, Randomness, SecurityPolicy,
    WasmFeatures,
};

impl SecurityPolicy {
    /// Returns the limits, with no folder, bundle, variable, argument or host granted.
    #[must_use]
    pub fn without_grants(&self) -> Self {
        Self {
            folders: Vec::new(),
            bundles: Vec::new(),
            environment: Vec::new(),
            arguments: Vec::new(),
            network: Vec::new(),
            ..self.clone()
        }
    }

    /// Sets the largest linear memory, in bytes.
    #[must_use]
    pub const fn with_memory_limit(mut self, bytes: u64) -> Self {
        self.memory_limit_bytes = Some(bytes);
        self
    }

    /// Sets how many elements all tables have together.
    #[must_use]
    pub const fn with_table_limit(mut self, elements: u32) -> Self {
        self.table_limit_elements = elements;
        self
    }

    /// Sets how long one call may take. With `None` it may take as long as it likes; what stops it then is
    /// [fuel](Self::with_fuel), a cancel handle, or dropping it.
    #[must_use]
    pub fn with_wall_clock(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.wall_clock = limit.into();
        self
    }

    /// Sets how long instantiation may take, with the module's start function and `_initialize`, if not as long as a call.
    #[must_use]
    pub fn with_initialisation_limit(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.initialisation_limit = limit.into();
        self
    }

    /// Sets how much one call may compute, and with that has guests metered.
    #[must_use]
    pub const fn with_fuel(mut self, units: u64) -> Self {
        self.fuel = Some(FuelUnits(units));
        self
    }

    /// Sets the stack that guest code may use, in bytes.
    ///
    /// Beyond that, 64 KiB are kept for functions of the host that guest code calls. Code that calls none may use them
    /// too.
    #[must_use]
    pub const fn with_stack(mut self, bytes: usize) -> Self {
        self.stack_bytes = bytes;
        self
    }

    /// Sets which compilers may make the native code.
    #[must_use]
    pub const fn with_compilers(mut self, compilers: Compilers) -> Self {
        self.compilers = compilers;
        self
    }

    /// Sets the largest module that is accepted, in bytes.
    #[must_use]
    pub const fn with_module_limit(mut self, bytes: u64) -> Self {
        self.module_limit_bytes = bytes;
        self
    }

    /// Sets how much is compiled, and of what shape.
    #[must_use]
    pub const fn with_compile_limits(mut self, limits: CompileLimits) -> Self {
        self.compile_limits = limits;
        self
    }

    /// Sets how large a serde value may be that the guest passes to the host, in bytes.
    #[must_use]
    pub const fn with_value_limit(mut self, bytes: u64) -> Self {
        self.value_limit_bytes = bytes;
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

    /// Sets whether folders, bundles, environment variables and arguments can be granted at all.
    #[must_use]
    pub const fn with_grants(mut self, grants: GrantUse) -> Self {
        self.grants = grants;
        self
    }

    /// Grants the guest a folder of the host, at an absolute path of its own, which may be `/`, or at `.`.
    ///
    /// No path leads out of the folder: neither `..` nor an absolute path nor a symbolic link, whoever
    /// made it and when. The guest can make no links in it. What does lead out is a folder of the host
    /// that is mounted in it, and a hard link that was there before.
    ///
    /// A folder can be granted at a place within another. It is seen there instead of what the other has of that name, and
    /// the guest cannot rename or remove it. Pipes, sockets and devices are seen, and cannot be opened. Names of the host
    /// that are not UTF-8 are shown with each byte that is no part of a character as one of the characters from U+EF80 to
    /// U+EFFF, and found by these names.
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
        self,
        host: impl Into<PathBuf>,
        guest: impl Into<String>,
        access: Access,
    ) -> Self {
        self.with_folder_grant(FolderGrant::new(host, guest, access))
    }

    /// Grants the guest a folder of the host, as [`with_folder`](Self::with_folder) does, with a
    /// [quota](FolderGrant::with_quota) if it has one.
    #[must_use]
    pub fn with_folder_grant(mut self, grant: FolderGrant) -> Self {
        self.folders.push(grant);
        self
    }

    /// Grants the guest the files of a bundle, which it only reads, at an absolute path of its own, which may be `/`, or at `.`.
    ///
    /// A bundle can be granted within a folder, a folder within a bundle, and each within its own kind. Links in a bundle
    /// do not lead out of it.
    ///
    /// ```
    /// use sandbox_core::{FileBundle, SecurityPolicy};
    ///
    /// # fn main() -> sandbox_core::Result<()> {
    /// let words = FileBundle::builder().file("words.txt", "one\ntwo\n").build()?;
    /// let policy = SecurityPolicy::strict().with_bundle(&words, "/data");
    /// assert_eq!(policy.bundles.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_bundle(mut self, bundle: &FileBundle, guest: impl Into<String>) -> Self {
        self.bundles.push(BundleGrant::new(bundle, guest));
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

    /// Sets whether hosts of the network can be granted at all.
    #[must_use]
    pub const fn with_network_grants(mut self, grants: GrantUse) -> Self {
        self.network_grants = grants;
        self
    }

    /// Lets the guest open TCP connections and send datagrams to a host, by its name or IP address, on one port or several.
    ///
    /// The guest does so through the socket functions of `wasix_32v1`; `crates/sandbox-core/NETWORK.md` lists them.
    /// There is no listening. A name is looked up by this process when the guest asks for it, and
    /// leads to public addresses only, except `localhost`; to reach another address, grant it by itself.
    ///
    /// Of the presets only [`permissive`](Self::permissive) accepts such a grant; under the others it is an error
    /// when an instance is created.
    ///
    /// ```
    /// use sandbox_core::SecurityPolicy;
    ///
    /// let policy = SecurityPolicy::permissive()
    ///     .with_network_host("api.example.com", 443)
    ///     .with_network_host("127.0.0.1", 8000..=8010);
    /// assert_eq!(policy.network.len(), 2);
    /// ```
    #[must_use]
    pub fn with_network_host(mut self, host: impl Into<String>, ports: impl Into<Ports>) -> Self {
        self.network.push(NetworkGrant::new(host.into(), ports.into()));
        self
    }

    /// Sets what the guest's clocks show.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets what the guest's random bytes are.
    #[must_use]
    pub const fn with_randomness(mut self, randomness: Randomness) -> Self {
        self.randomness = randomness;
        self
    }

    /// Sets which parts of WebAssembly a module may use.
    #[must_use]
    pub const fn with_features(mut self, features: WasmFeatures) -> Self {
        self.features = features;
        self
    }

    /// Sets which bits a guest sees in the NaNs that it computes.
    #[must_use]
    pub const fn with_nan_bits(mut self, nan_bits: NanBits) -> Self {
        self.nan_bits = nan_bits;
        self
    }

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
